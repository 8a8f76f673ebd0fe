//! One view: what is found on it, what of that counts, and whether it says anything at all.

use super::{Answer, Finding, MAX_FINDINGS_PER_VIEW, Undecided, ViewVerdict};
use crate::plan::{PlannedClass, PlannedModel, PlannedView, Task};
use sightline_domain::{
    BoxView, ClassId, Detection, FrameMeta, Health, Suppressed, VerifierOutcome,
};

/// A tally of a class whose findings cover more than its limit.
const TOO_MUCH: u32 = u32::MAX;

/// Judges one view and appends its findings to `kept`. `tally` is scratch, its content does not matter.
pub fn judge_view(
    view: &PlannedView,
    model: &PlannedModel,
    frame: &FrameMeta,
    answer: Answer<'_>,
    tally: &mut Vec<u32>,
    kept: &mut Vec<Finding>,
) -> ViewVerdict {
    let verdict = match model.task {
        Task::Detect => detected(view, model, answer.detections, tally, kept),
        Task::Classify => classified(model, frame, answer.class_scores, kept),
    };
    // The findings are shown whatever the picture was like; they only do not decide.
    if frame.health != Health::Ok {
        return ViewVerdict::Undecided(Undecided::Unhealthy(frame.health));
    }
    match (answer.nonfinite, verdict) {
        (0, verdict) => verdict,
        (n, ViewVerdict::Undecided(Undecided::Nonfinite(m))) => {
            ViewVerdict::Undecided(Undecided::Nonfinite(n.saturating_add(m)))
        }
        (n, _) => ViewVerdict::Undecided(Undecided::Nonfinite(n)),
    }
}

fn detected(
    view: &PlannedView,
    model: &PlannedModel,
    detections: &[Detection],
    tally: &mut Vec<u32>,
    kept: &mut Vec<Finding>,
) -> ViewVerdict {
    tally.clear();
    tally.resize(model.classes.len(), 0);
    let first = kept.len();
    let (mut nonfinite, mut malformed) = (0u32, false);
    for d in detections {
        let Some(class) = model.classes.get(d.class.index()) else {
            malformed = true;
            continue;
        };
        let b = &d.bbox_view;
        let numbers = [d.score, b.x, b.y, b.w, b.h, d.area_px()];
        if !numbers.iter().all(|v| v.is_finite()) {
            nonfinite += 1;
            continue;
        }
        let suppressed = suppressed(view, class, d);
        tally[d.class.index()] += u32::from(suppressed.is_none());
        if kept.len() - first < MAX_FINDINGS_PER_VIEW {
            kept.push(Finding {
                detection: *d,
                suppressed,
            });
        }
    }
    for (class, spec) in model.classes.iter().enumerate() {
        if let Some(most) = spec.max_area_px {
            let of =
                |d: &&Detection| d.class.index() == class && suppressed(view, spec, d).is_none();
            let covered: f32 = detections.iter().filter(of).map(Detection::area_px).sum();
            if covered > most {
                tally[class] = TOO_MUCH;
            }
        }
    }
    let reached = |class: ClassId| {
        let (limit, found) = (model.classes[class.index()].count, tally[class.index()]);
        found == TOO_MUCH || limit > 0 && found >= limit
    };
    for f in &mut kept[first..] {
        if f.suppressed.is_none() && !reached(f.detection.class) {
            f.suppressed = Some(Suppressed::Allowed);
        }
    }
    if malformed {
        ViewVerdict::Undecided(Undecided::Malformed)
    } else if nonfinite > 0 {
        ViewVerdict::Undecided(Undecided::Nonfinite(nonfinite))
    } else if (0..tally.len()).any(|c| reached(ClassId(c as u16))) {
        ViewVerdict::Failed
    } else {
        ViewVerdict::Clean
    }
}

/// Why a finding does not count by itself, whatever else is found.
fn suppressed(view: &PlannedView, class: &PlannedClass, d: &Detection) -> Option<Suppressed> {
    if let Some(VerifierOutcome::Dismissed { .. }) = d.verifier {
        Some(Suppressed::Dismissed)
    } else if d.score < class.score_limit {
        Some(Suppressed::BelowScore)
    } else if d.area_px() < class.min_area_px {
        Some(Suppressed::BelowArea)
    } else if !counts_there(view, &d.bbox_view) {
        Some(Suppressed::Region)
    } else {
        None
    }
}

/// Whether a finding in this box counts by its centre: in an included region, if any, and in no excluded one.
fn counts_there(view: &PlannedView, b: &BoxView) -> bool {
    let (x, y) = b.centre();
    let holds = |r: &BoxView| x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
    (view.include.is_empty() || view.include.iter().any(holds)) && !view.exclude.iter().any(holds)
}

/// The likeliest class decides, the lowest number winning a tie: allowed (count 0) is clean, any other fails, and
/// either must reach its limit, because a guess is no verdict.
fn classified(
    model: &PlannedModel,
    frame: &FrameMeta,
    scores: &[f32],
    kept: &mut Vec<Finding>,
) -> ViewVerdict {
    let own = scores.len();
    if own == 0 || own != model.classes.len() {
        return ViewVerdict::Undecided(Undecided::Malformed);
    }
    let nonfinite = scores.iter().filter(|s| !s.is_finite()).count();
    if nonfinite > 0 {
        return ViewVerdict::Undecided(Undecided::Nonfinite(nonfinite as u32));
    }
    let mut top = 0;
    for (i, &s) in scores.iter().enumerate() {
        if s > scores[top] {
            top = i;
        }
    }
    let (class, score) = (&model.classes[top], scores[top]);
    let (verdict, suppressed) = if score < class.score_limit {
        let unsure = ViewVerdict::Undecided(Undecided::Unsure);
        (unsure, Some(Suppressed::BelowScore))
    } else if class.count == 0 {
        (ViewVerdict::Clean, Some(Suppressed::Allowed))
    } else {
        (ViewVerdict::Failed, None)
    };
    kept.push(Finding {
        detection: Detection {
            class: ClassId(top as u16),
            score,
            bbox_view: BoxView {
                x: 0.0,
                y: 0.0,
                w: frame.width as f32,
                h: frame.height as f32,
            },
            area: None,
            verifier: None,
        },
        suppressed,
    });
    verdict
}
