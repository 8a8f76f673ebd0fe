//! Everything that can be wrong with a recipe.

use super::Report;
use crate::Problem;
use crate::read::Source;
use crate::recipe::{ClassLimit, Combine, Presence, Recipe, Reference, Tiles, Verifier, View};
use crate::station::{GateAt, GateKind, Station};
use sightline_domain::BoxView;

/// Everything wrong with a recipe, by itself and on this station.
pub fn check_recipe(recipe: &Recipe, source: &Source, station: &Station) -> Vec<Problem> {
    let mut r = Report {
        source,
        problems: Vec::new(),
    };
    r.require(recipe.schema == "sightline.recipe.v1", "schema", || {
        format!("expected `sightline.recipe.v1`, found `{}`", recipe.schema)
    });
    r.within("deadline_ms", recipe.deadline_ms, 0.1..=3_600_000.0, "ms");
    r.require(!recipe.models.is_empty(), "models", || {
        "expected at least one [[models]], found none".into()
    });
    r.require(!recipe.views.is_empty(), "views", || {
        "expected at least one [[views]], found none".into()
    });
    r.unique(
        "models",
        "model",
        recipe.models.iter().map(|m| m.name.as_str()),
    );
    r.unique(
        "views",
        "view",
        recipe.views.iter().map(|v| v.name.as_str()),
    );
    for (index, view) in recipe.views.iter().enumerate() {
        check_view(&mut r, recipe, station, index, view);
    }
    for (code, limit) in &recipe.limits {
        check_limit(&mut r, code, limit);
    }
    for (i, model) in recipe.models.iter().enumerate() {
        if let Some(verifier) = &model.verifier {
            check_verifier(&mut r, &format!("models[{i}].verifier"), verifier);
        }
    }
    if let Combine::AtLeast { views } = recipe.combine {
        let owed = recipe.views.len();
        r.require((1..=owed as u32).contains(&views), "combine.views", || {
            format!("expected 1 to {owed}, the number of views, found {views}")
        });
    }
    if let Some(challenge) = &recipe.challenge {
        crate::challenge::check(&mut r, challenge, station);
    }
    crate::windows::check(&mut r, recipe, station);
    check_gate_after_deadline(&mut r, recipe, station);
    r.problems
}

fn check_view(r: &mut Report<'_>, recipe: &Recipe, station: &Station, index: usize, view: &View) {
    let at = format!("views[{index}]");
    let cameras = station.cameras.iter().map(|c| c.name.as_str());
    r.one_of(format!("{at}.camera"), "camera", &view.camera, cameras);
    r.one_of(
        format!("{at}.model"),
        "model",
        &view.model,
        recipe.models.iter().map(|m| m.name.as_str()),
    );
    r.within(
        format!("{at}.offset_ms"),
        view.offset_ms,
        0.0..=3_600_000.0,
        "ms",
    );
    r.within(
        format!("{at}.window_ms"),
        view.window_ms,
        0.001..=3_600_000.0,
        "ms",
    );
    for (field, regions) in [("include", &view.include), ("exclude", &view.exclude)] {
        for (n, region) in regions.iter().enumerate() {
            check_region(r, &format!("{at}.{field}[{n}]"), region);
        }
    }
    r.require(
        view.offset_ms + view.window_ms < recipe.deadline_ms,
        format!("{at}.window_ms"),
        || {
            format!(
                "the view may come {} ms after the trigger, but the deadline is {} ms",
                view.offset_ms + view.window_ms,
                recipe.deadline_ms
            )
        },
    );
    check_presence(r, &at, view);
    r.require(
        view.width.is_some() == view.height.is_some(),
        format!("{at}.width"),
        || {
            "expected both width and height of the picture, or neither; write the missing one"
                .into()
        },
    );
    for (field, side) in [("width", view.width), ("height", view.height)] {
        r.within_if(format!("{at}.{field}"), side, 1..=65_536, "pixels");
    }
    if let Some(reference) = &view.reference {
        check_reference(r, &at, reference);
    }
    if let Some(tiles) = view.tiles {
        check_tiles(r, &at, tiles, view.width.zip(view.height));
    }
}

fn check_presence(r: &mut Report<'_>, at: &str, view: &View) {
    match &view.presence {
        Some(Presence::Like(like)) => {
            let at = format!("{at}.presence.like");
            r.require(!like.pictures.is_empty(), format!("{at}.pictures"), || {
                "expected at least one picture of a good part, found none".into()
            });
            r.share(format!("{at}.at_least"), f64::from(like.at_least));
        }
        Some(Presence::LikeReference(like)) => {
            let at = format!("{at}.presence.like_reference");
            r.require(view.reference.is_some(), at.clone(), || {
                "expected a view with a golden picture, found none; write its `reference`, or presence.like".into()
            });
            r.share(format!("{at}.at_least"), f64::from(like.at_least));
        }
        Some(Presence::Unchecked) | None => {}
    }
}

fn check_limit(r: &mut Report<'_>, code: &str, limit: &ClassLimit) {
    if let Some(score) = limit.score {
        r.share(format!("limits.{code}.score"), f64::from(score));
    }
    let (area, count) = (limit.min_area_px, limit.count);
    r.within(
        format!("limits.{code}.min_area_px"),
        area,
        0.0..=1e9,
        "square pixels",
    );
    r.within_if(
        format!("limits.{code}.max_area_px"),
        limit.max_area_px,
        0.0..=1e9,
        "square pixels",
    );
    r.within(
        format!("limits.{code}.count"),
        count,
        0..=1_000_000,
        "findings",
    );
}

fn check_reference(r: &mut Report<'_>, at: &str, reference: &Reference) {
    let (shift, rotation) = (reference.max_shift_px, reference.max_rotation_deg);
    r.within(
        format!("{at}.reference.max_shift_px"),
        shift,
        0.0..=32_768.0,
        "pixels",
    );
    r.within(
        format!("{at}.reference.max_rotation_deg"),
        rotation,
        0.0..=180.0,
        "degrees",
    );
    r.share(
        format!("{at}.reference.min_correlation"),
        f64::from(reference.min_correlation),
    );
}

fn check_verifier(r: &mut Report<'_>, at: &str, verifier: &Verifier) {
    r.within(
        format!("{at}.context"),
        verifier.context,
        0.1..=100.0,
        "times the box",
    );
    r.within(
        format!("{at}.min_crop_px"),
        verifier.min_crop_px,
        1.0..=32_768.0,
        "pixels",
    );
    r.share(format!("{at}.dismiss_at"), f64::from(verifier.dismiss_at));
}

fn check_region(r: &mut Report<'_>, at: &str, region: &BoxView) {
    for (field, px) in [
        ("x", region.x),
        ("y", region.y),
        ("w", region.w),
        ("h", region.h),
    ] {
        r.within(format!("{at}.{field}"), px, 0.0..=65_536.0, "pixels");
    }
}

fn check_tiles(r: &mut Report<'_>, at: &str, tiles: Tiles, picture: Option<(u32, u32)>) {
    for (field, side) in [("width", tiles.width), ("height", tiles.height)] {
        r.within(format!("{at}.tiles.{field}"), side, Tiles::SIDES, "pixels");
    }
    let most = tiles.most_overlap();
    let overlap = tiles.overlap_px;
    r.within(
        format!("{at}.tiles.overlap_px"),
        overlap,
        1..=most,
        "pixels (half a tile)",
    );
    if let Some(count) = picture.map(|size| tiles.count(size)) {
        r.require(count <= Tiles::MOST, format!("{at}.tiles"), || {
            format!(
                "expected at most {} tiles, found {count}; make them larger or their overlap smaller",
                Tiles::MOST
            )
        });
    }
}

/// A verdict that comes after the part has reached the gate is no use.
fn check_gate_after_deadline(r: &mut Report<'_>, recipe: &Recipe, station: &Station) {
    if station.gate.kind == GateKind::None {
        return;
    }
    let gate_ms = match (station.gate.at, &station.simulation) {
        (GateAt::DelayMs(ms), _) => ms,
        (GateAt::EncoderCounts(counts), Some(s)) => {
            counts as f64 / (s.counts_per_mm * s.speed_mm_s) * 1_000.0
        }
        (GateAt::EncoderCounts(_), None) => return,
    };
    let latest = gate_ms - station.gate.lead_ms;
    r.require(recipe.deadline_ms <= latest, "deadline_ms", || {
        format!(
            "expected at most {latest:.0} ms: the part is at the gate after {gate_ms:.0} ms, and the gate is told {} ms before; found {}",
            station.gate.lead_ms, recipe.deadline_ms
        )
    });
}
