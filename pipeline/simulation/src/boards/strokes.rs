//! A defect's stroke from its kind and place, in the sizes and shapes of the data.

use super::brush::{MAX_POINTS, Stroke, Style};
use super::defect::DefectKind;
use super::sites::Site;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// exp of a normal number around ln `median` (sum of uniforms), within `range`.
fn around(median: f32, spread: f32, range: std::ops::Range<f32>, rng: &mut ChaCha8Rng) -> f32 {
    let normal: f32 = (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() / 1.414;
    (median.ln() + spread * normal)
        .exp()
        .clamp(range.start, range.end)
}

/// The stroke that a defect of `kind` at `site` is drawn with.
pub(crate) fn stroke_for(kind: DefectKind, site: Site, rng: &mut ChaCha8Rng) -> Stroke {
    let style = match rng.random_range(0..10) {
        0..7 => Style::Round,
        7 if kind != DefectKind::PinHole => Style::Flat,
        _ if kind == DefectKind::Open || kind == DefectKind::PinHole => Style::Scratched,
        _ => Style::Round,
    };
    let turn = |(nx, ny): (f32, f32), by: f32| {
        (nx * by.cos() - ny * by.sin(), nx * by.sin() + ny * by.cos())
    };
    let ahead = |t: f32| (site.x + site.nx * t, site.y + site.ny * t);
    let (from, to, radius) = match kind {
        DefectKind::PinHole | DefectKind::SpuriousCopper => {
            let length = around(14.0, 0.65, 1.0..110.0, rng);
            let (dx, dy) = turn((1.0, 0.0), rng.random_range(0.0..std::f32::consts::TAU));
            let half = (dx * length / 2.0, dy * length / 2.0);
            let radius = around(3.7, 0.4, 1.6..10.0, rng);
            (
                (site.x - half.0, site.y - half.1),
                (site.x + half.0, site.y + half.1),
                radius,
            )
        }
        DefectKind::Mousebite | DefectKind::Spur => {
            let reach = around(12.0, 0.5, 4.0..50.0, rng).min(site.reach * 0.62);
            let slant = rng.random_range(-0.9f32..0.9);
            let (dx, dy) = turn((site.nx, site.ny), slant);
            let radius = around(3.0, 0.4, 1.6..8.0, rng);
            (
                ahead(-2.5),
                (
                    site.x + dx * reach / slant.cos(),
                    site.y + dy * reach / slant.cos(),
                ),
                radius,
            )
        }
        DefectKind::Open | DefectKind::Short => {
            let slant = rng.random_range(-1.0f32..1.0).powi(3) * 0.7 * site.reach.min(30.0);
            let over = if kind == DefectKind::Open {
                rng.random_range(2.0..6.0)
            } else {
                2.5
            };
            let radius = around(
                if site.reach < 20.0 { 4.2 } else { 3.4 },
                0.5,
                1.6..14.0,
                rng,
            );
            let shift = |(x, y): (f32, f32), s: f32| (x - site.ny * s, y + site.nx * s);
            (
                shift(ahead(-over), -slant),
                shift(ahead(site.reach + over), slant),
                radius,
            )
        }
    };
    wander(from, to, radius, style, rng)
}

/// A stroke from `from` to `to` that bends a little on the way and grows or shrinks.
fn wander(
    from: (f32, f32),
    to: (f32, f32),
    radius: f32,
    style: Style,
    rng: &mut ChaCha8Rng,
) -> Stroke {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let count = if style == Style::Flat {
        2
    } else {
        rng.random_range(2..=MAX_POINTS)
    };
    let mut points = [from; MAX_POINTS];
    for (i, point) in points.iter_mut().enumerate().take(count).skip(1) {
        let t = i as f32 / (count - 1) as f32;
        let aside = if i + 1 < count {
            rng.random_range(-0.22..0.22)
        } else {
            0.0
        };
        *point = (from.0 + dx * t - dy * aside, from.1 + dy * t + dx * aside);
    }
    let taper = rng.random_range(0.7..1.3);
    Stroke {
        points,
        count,
        radius: ((radius * taper).max(1.4), (radius / taper).max(1.4)),
        style,
        seed: rng.random(),
    }
}
