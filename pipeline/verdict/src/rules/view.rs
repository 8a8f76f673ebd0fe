//! One view: what is found on it, what of that counts, and whether it says anything at all.

use super::{Answer, Finding, MAX_FINDINGS_PER_VIEW, Undecided, ViewVerdict};
use crate::plan::{PlannedModel, PlannedView, Task};
use sightline_model::{
    BoxView, ClassId, Detection, FrameMeta, Health, Suppressed, VerifierOutcome,
};

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
        let suppressed = if let Some(VerifierOutcome::Dismissed { .. }) = d.verifier {
            Some(Suppressed::Dismissed)
        } else if d.score < class.score_limit {
            Some(Suppressed::BelowScore)
        } else if d.area_px() < class.min_area_px {
            Some(Suppressed::BelowArea)
        } else if !counts_there(view, b) {
            Some(Suppressed::Region)
        } else {
            tally[d.class.index()] += 1;
            None
        };
        if kept.len() - first < MAX_FINDINGS_PER_VIEW {
            kept.push(Finding {
                detection: *d,
                suppressed,
            });
        }
    }
    let reached = |class: ClassId| {
        let limit = model.classes[class.index()].count;
        limit > 0 && tally[class.index()] >= limit
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
