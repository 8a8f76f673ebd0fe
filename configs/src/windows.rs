//! Trigger windows against the distance of parts: can two parts claim one picture?

use crate::check::Report;
use crate::recipe::{Recipe, View};
use crate::station::{Station, Trigger};

/// Room that frame times need between two windows, ms.
const ROOM_MS: f64 = 2.0;

/// The least distance between two parts and how well a trigger's time is known, ms; `None` where nobody says.
fn spacing(station: &Station) -> Option<(f64, f64)> {
    match &station.trigger {
        Trigger::Rate { hz } => Some((1e3 / hz, 0.0)),
        Trigger::Simulated {} => {
            let belt = station.simulation.as_ref()?;
            Some((belt.spacing_min_mm / belt.speed_mm_s * 1e3, 0.0))
        }
        Trigger::Command {
            uncertainty_ms,
            spacing_ms,
        } => Some(((*spacing_ms)?, *uncertainty_ms)),
        Trigger::EveryFrame { .. } => None,
    }
}

/// The least distance between two parts, ms, where trigger or belt say it.
pub fn part_spacing_ms(station: &Station) -> Option<f64> {
    spacing(station).map(|(ms, _)| ms)
}

/// Refuses windows of one camera that two parts in a row can both claim.
pub(crate) fn check(r: &mut Report<'_>, recipe: &Recipe, station: &Station) {
    let Some((spacing, unsure)) = spacing(station).filter(|(s, _)| s.is_finite() && *s > 0.0)
    else {
        return;
    };
    for (i, view) in recipe.views.iter().enumerate() {
        let field = format!("views[{i}].window_ms");
        let mine = || recipe.views.iter().filter(|v| v.camera == view.camera);
        // one number a trigger makes sense only where a trigger gives one frame
        let counted = view.frame_per_trigger && mine().count() == 1;
        for other in recipe.views[..=i]
            .iter()
            .filter(|v| v.camera == view.camera)
        {
            check_pair(r, &field, [view, other], counted, (spacing, unsure));
        }
    }
}

fn check_pair(
    r: &mut Report<'_>,
    field: &str,
    [view, other]: [&View; 2],
    counted: bool,
    (spacing, unsure): (f64, f64),
) {
    // the view of one part against the other view of the part after it, or of any later one
    let apart = (view.offset_ms - other.offset_ms).abs();
    let steps = (apart / spacing).round().max(1.0);
    let distance = (steps * spacing - apart).abs();
    let needed = if counted {
        2.0 * (unsure + ROOM_MS)
    } else {
        view.window_ms + other.window_ms + 2.0 * unsure + ROOM_MS
    };
    r.require(distance > needed, field, || {
        let least = (distance - 2.0 * unsure - ROOM_MS) / 2.0;
        let advice = match counted {
            true => "frame numbers decide only where times tell the parts apart".to_owned(),
            false => format!(
                "write at most {:.1} here (and for the other view), or frame_per_trigger = true where the camera itself \
                 counts its frames",
                least.max(0.0)
            ),
        };
        format!(
            "two parts can claim one picture: parts come {spacing:.1} ms apart, so windows of `{}` and `{}` lie \
             {distance:.1} ms apart, and must lie more than {needed:.1} ms apart ({:.1} + {:.1} of the windows, \
             {:.1} of the trigger, {ROOM_MS:.1} of the frame); {advice}",
            view.name, other.name, view.window_ms, other.window_ms, 2.0 * unsure
        )
    });
}
