//! Choosing a part's defects: a stroke at a fitting place, kept only when it does to the board what its kind says.

use super::board::Board;
use super::brush::{MAX_POINTS, Stroke, Style};
use super::defect::{Defect, DefectKind, DefectMix, Defects, MAX_DEFECTS, annotated};
use super::sites::{INSET, Site};
use super::{COPPER, MARGIN};
use crate::seed;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sightline_model::BoxView;

/// Side of the window in which an open is proved to cut its trace, pixels.
const WINDOW: usize = 140;
/// Smallest number of pixels a defect changes.
const LEAST_CHANGE_PX: u32 = 24;

/// Plans defects; holds the scratch memory for it, so that planning allocates nothing.
#[derive(Debug)]
pub struct Planner {
    copper: Vec<bool>,
    open: Vec<u32>,
}

impl Default for Planner {
    fn default() -> Self {
        Self {
            copper: vec![false; WINDOW * WINDOW],
            open: Vec::with_capacity(WINDOW * WINDOW),
        }
    }
}

impl Planner {
    /// Plans `count` defects (at most [`MAX_DEFECTS`]) of kinds drawn from `mix` on `board`, their boxes apart from each
    /// other. Fewer come only where the board has no more room; one always fits on a board with copper and substrate.
    pub fn plan(&mut self, board: &Board, seed: u64, count: usize, mix: &DefectMix) -> Defects {
        let mut rng = seed::stream(seed, 0xDEF);
        let mut defects = Defects::default();
        let weights = mix.weights();
        let mut tries = 60 * count.min(MAX_DEFECTS) + 200;
        while defects.len() < count.min(MAX_DEFECTS) && tries > 0 {
            let kind = pick(&weights, &mut rng);
            // A kind is tried several times before another is drawn, so that hard kinds keep their share.
            for _ in 0..20 {
                tries = tries.saturating_sub(1);
                if let Some(defect) = self.attempt(board, kind, &defects, &mut rng) {
                    defects.push(defect);
                    break;
                }
            }
        }
        defects
    }

    fn attempt(
        &mut self,
        board: &Board,
        kind: DefectKind,
        others: &[Defect],
        rng: &mut ChaCha8Rng,
    ) -> Option<Defect> {
        let list = match kind {
            DefectKind::Open => &board.sites.traces,
            DefectKind::Short => &board.sites.gaps,
            DefectKind::Mousebite => &board.sites.bites,
            DefectKind::Spur => &board.sites.spurs,
            DefectKind::SpuriousCopper => &board.sites.inside_substrate,
            DefectKind::PinHole => &board.sites.inside_copper,
        };
        if list.is_empty() {
            return None;
        }
        let site = list[rng.random_range(0..list.len())];
        let stroke = stroke_for(kind, site, rng);
        let changed = changed_box(board, kind, &stroke)?;
        let fits = match kind {
            DefectKind::PinHole | DefectKind::SpuriousCopper => lies_inside(board, kind, &stroke),
            DefectKind::Mousebite | DefectKind::Spur => {
                stays_at_its_edge(board, kind, site, &stroke)
            }
            DefectKind::Short => joins_two(board, &stroke),
            DefectKind::Open => self.cuts(board, site, &stroke),
        };
        let (w, h) = (board.width(), board.height());
        let apart = |other: &Defect| annotated(changed, w, h).iou(&other.bbox_view(w, h)) == 0.0;
        (fits && others.iter().all(apart)).then_some(Defect {
            kind,
            stroke,
            changed,
        })
    }

    /// True when the copper on both sides of the stroke is connected near it without the stroke, and is not with it.
    fn cuts(&mut self, board: &Board, site: Site, stroke: &Stroke) -> bool {
        let middle = (
            site.x + site.nx * site.reach / 2.0,
            site.y + site.ny * site.reach / 2.0,
        );
        let (left, top) = (
            middle.0 as i32 - WINDOW as i32 / 2,
            middle.1 as i32 - WINDOW as i32 / 2,
        );
        let at = |x: i32, y: i32| {
            let inside = (left..left + WINDOW as i32).contains(&x)
                && (top..top + WINDOW as i32).contains(&y);
            inside.then(|| (y - top) as usize * WINDOW + (x - left) as usize)
        };
        let half = (site.reach / 2.0 + 24.0).min(WINDOW as f32 / 2.0) as i32;
        self.copper.fill(false);
        for y in middle.1 as i32 - half..middle.1 as i32 + half {
            for x in middle.0 as i32 - half..middle.0 as i32 + half {
                if let Some(i) = at(x, y) {
                    self.copper[i] = board.is_copper(x, y);
                }
            }
        }
        // Where the trace's middle line is still copper on either side of the stroke.
        let mut extent = 0f32;
        stroke.pixels(|x, y| {
            let (dx, dy) = (x as f32 - middle.0, y as f32 - middle.1);
            if (dx * site.nx + dy * site.ny).abs() < 3.0 {
                extent = extent.max((dx * -site.ny + dy * site.nx).abs());
            }
        });
        let end = |sign: f32| {
            let s = sign * (extent + 2.5);
            at(
                (middle.0 - site.ny * s).round() as i32,
                (middle.1 + site.nx * s).round() as i32,
            )
        };
        let (Some(from), Some(to)) = (end(-1.0), end(1.0)) else {
            return false;
        };
        if !self.connected(from, to) {
            return false;
        }
        stroke.pixels(|x, y| {
            if let Some(i) = at(x, y) {
                self.copper[i] = false;
            }
        });
        self.copper[from] && self.copper[to] && !self.connected(from, to)
    }

    /// Flood fill in the window; leaves the window as it was.
    fn connected(&mut self, from: usize, to: usize) -> bool {
        if !self.copper[from] || !self.copper[to] {
            return false;
        }
        let mut filled = 0;
        self.open.clear();
        self.open.push(from as u32);
        self.copper[from] = false;
        while filled < self.open.len() {
            let i = self.open[filled] as usize;
            filled += 1;
            let (x, y) = (i % WINDOW, i / WINDOW);
            for ny in y.saturating_sub(1)..(y + 2).min(WINDOW) {
                for nx in x.saturating_sub(1)..(x + 2).min(WINDOW) {
                    let n = ny * WINDOW + nx;
                    if self.copper[n] {
                        self.copper[n] = false;
                        self.open.push(n as u32);
                    }
                }
            }
        }
        let reached = !self.copper[to];
        for &i in &self.open {
            self.copper[i as usize] = true;
        }
        reached
    }
}

fn pick(weights: &[f32; 6], rng: &mut ChaCha8Rng) -> DefectKind {
    let total: f32 = weights.iter().sum();
    if total <= 0.0 {
        return DefectKind::ALL[rng.random_range(0..6)];
    }
    let mut at = rng.random_range(0.0..total);
    for (kind, weight) in DefectKind::ALL.into_iter().zip(weights) {
        if at < *weight {
            return kind;
        }
        at -= weight;
    }
    DefectKind::PinHole
}

/// exp of a normal number around ln `median` (sum of uniforms), within `range`.
fn around(median: f32, spread: f32, range: std::ops::Range<f32>, rng: &mut ChaCha8Rng) -> f32 {
    let normal: f32 = (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() / 1.414;
    (median.ln() + spread * normal)
        .exp()
        .clamp(range.start, range.end)
}

fn stroke_for(kind: DefectKind, site: Site, rng: &mut ChaCha8Rng) -> Stroke {
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

/// The rectangle of pixels the stroke changes, in pixels of the golden picture; `None` if too few or too near the border.
fn changed_box(board: &Board, kind: DefectKind, stroke: &Stroke) -> Option<BoxView> {
    let (mut x0, mut y0, mut x1, mut y1) = (i32::MAX, i32::MAX, i32::MIN, i32::MIN);
    let mut changes = 0u32;
    stroke.pixels(|x, y| {
        let changed = board
            .index(x, y)
            .is_some_and(|i| (board.canvas[i] == COPPER) != kind.adds_copper());
        if changed {
            changes += 1;
            (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y));
        }
    });
    let margin = MARGIN as i32;
    let fits = changes >= LEAST_CHANGE_PX
        && x0 - margin >= INSET
        && y0 - margin >= INSET
        && x1 - margin < board.width() as i32 - INSET
        && y1 - margin < board.height() as i32 - INSET;
    fits.then(|| BoxView {
        x: (x0 - margin) as f32,
        y: (y0 - margin) as f32,
        w: (x1 - x0 + 1) as f32,
        h: (y1 - y0 + 1) as f32,
    })
}

fn all_pixels(stroke: &Stroke, mut test: impl FnMut(i32, i32) -> bool) -> bool {
    let mut all = true;
    stroke.pixels(|x, y| all = all && test(x, y));
    all
}

/// Every pixel of the other kind and at least three pixels from the nearest edge.
fn lies_inside(board: &Board, kind: DefectKind, stroke: &Stroke) -> bool {
    all_pixels(stroke, |x, y| {
        let Some(i) = board.index(x, y) else {
            return false;
        };
        board.is_copper(x, y) != kind.adds_copper() && board.depth[i] > 3
    })
}

/// Bites into, or sticks out of, one edge only: it neither reaches the far side nor comes near another edge.
fn stays_at_its_edge(board: &Board, kind: DefectKind, site: Site, stroke: &Stroke) -> bool {
    let mut deepest = 0f32;
    let clear = all_pixels(stroke, |x, y| {
        let Some(i) = board.index(x, y) else {
            return false;
        };
        if board.is_copper(x, y) == kind.adds_copper() {
            return true;
        }
        let (dx, dy) = (x as f32 - site.x, y as f32 - site.y);
        let depth = dx * site.nx + dy * site.ny;
        deepest = deepest.max(depth);
        depth <= site.reach - 3.0 && (depth < 6.0 || board.depth[i] >= 3)
    });
    clear && deepest >= 3.0
}

/// Touches exactly two nets.
fn joins_two(board: &Board, stroke: &Stroke) -> bool {
    let (mut first, mut second, mut more) = (0u16, 0u16, false);
    stroke.pixels(|x, y| {
        let net = board.index(x, y).map_or(0, |i| board.nets[i]);
        if net == 0 || net == first || net == second {
        } else if first == 0 {
            first = net;
        } else if second == 0 {
            second = net;
        } else {
            more = true;
        }
    });
    second != 0 && !more
}
