//! What counts against a part: limits per class, regions, how views combine. Pure functions.
//!
//! A view is `Clean`, `Failed` or `Undecided`. Only a healthy picture that the model answered wholly can be `Clean`
//! or `Failed`: what is found on a frozen or dark picture says nothing certain about this part. The part is
//! - NotOK if enough views are `Failed`, whatever else is missing (a certain defect stays one),
//! - OK if no view is `Undecided` and too few are `Failed`,
//! - NotDecidable otherwise.

use crate::outcome::Outcome;
use crate::plan::{InspectionPlan, PlannedModel, PlannedView, Task};
use sightline_configs::recipe::Combine;
use sightline_model::{
    BoxView, ClassId, Detection, DispositionReason, Evaluation, FrameMeta, Health, MissReason,
    ResultState, Suppressed, VerifierOutcome,
};

/// Findings of one view that are kept for the result; the ones beyond are counted, not shown.
pub const MAX_FINDINGS_PER_VIEW: usize = 300;

/// What a model said of one view.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// A detector's findings, by falling score.
    pub detections: &'a [Detection],
    /// A classifier's probabilities, one a class.
    pub class_scores: &'a [f32],
    /// Outputs that were NaN or infinite (detector, classifier or verifier).
    pub nonfinite: u32,
}

/// One finding and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// What was found; for a classifier the likeliest class with the whole view as its box.
    pub detection: Detection,
    /// Why it does not count; `None`: it counts against the view.
    pub suppressed: Option<Suppressed>,
}

/// What a view says of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewVerdict {
    /// Healthy, answered, nothing counted.
    Clean,
    /// Healthy, answered, and a class reached its limit.
    Failed,
    /// It says nothing.
    Undecided(Undecided),
}

/// Why a view says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It is not there.
    Missed(MissReason),
    /// Its picture is unfit to be judged.
    Unhealthy(Health),
    /// The model's answer had so many NaN or infinite numbers.
    Nonfinite(u32),
    /// The model's answer does not fit its classes.
    Malformed,
    /// A classifier's likeliest class did not reach its limit.
    Unsure,
}

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
        if ![d.score, b.x, b.y, b.w, b.h].iter().all(|v| v.is_finite()) {
            nonfinite += 1;
            continue;
        }
        let suppressed = if let Some(VerifierOutcome::Dismissed { .. }) = d.verifier {
            Some(Suppressed::Dismissed)
        } else if d.score < class.score_limit {
            Some(Suppressed::BelowScore)
        } else if b.area() < class.min_area_px {
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
            verifier: None,
        },
        suppressed,
    });
    verdict
}

/// What a part's views make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is decided.
    pub evaluation: Evaluation,
    /// Whether processing worked.
    pub result_state: ResultState,
    /// What the gate is asked to do.
    pub asked: Outcome,
}

/// Combines the verdicts of all views of a part, one a view of the plan.
pub fn judge_part(
    plan: &InspectionPlan,
    verdicts: impl Iterator<Item = ViewVerdict> + Clone,
) -> Judgement {
    let needed = match plan.combine {
        Combine::AnyFails => 1,
        Combine::AtLeast { views } => views as usize,
    };
    let mut views = 0;
    let mut failed = 0;
    let mut undecided = 0;
    for v in verdicts.clone() {
        views += 1;
        match v {
            ViewVerdict::Clean => {}
            ViewVerdict::Failed => failed += 1,
            ViewVerdict::Undecided(_) => undecided += 1,
        }
    }
    let whole = undecided == 0 && views == plan.views.len() && views > 0;
    if failed >= needed && failed > 0 {
        return Judgement {
            evaluation: Evaluation::NotOK,
            result_state: if whole {
                ResultState::Complete
            } else {
                ResultState::Incomplete
            },
            asked: Outcome::reject(DispositionReason::Verdict),
        };
    }
    if whole {
        return Judgement {
            evaluation: Evaluation::OK,
            result_state: ResultState::Complete,
            asked: Outcome::PASS,
        };
    }
    let causes = verdicts.filter_map(|v| match v {
        ViewVerdict::Undecided(u) => Some(cause(u)),
        _ => None,
    });
    let (_, reason, result_state) = causes.min_by_key(|c| c.0).unwrap_or((
        u8::MAX,
        DispositionReason::NoVerdict,
        ResultState::Incomplete,
    ));
    Judgement {
        evaluation: Evaluation::NotDecidable,
        result_state,
        asked: Outcome::reject(reason),
    }
}

/// What a view that says nothing makes of its part; of several causes the lowest rank is told, because it is what a
/// person has to see to first.
fn cause(u: Undecided) -> (u8, DispositionReason, ResultState) {
    use DispositionReason as R;
    use ResultState::{Failed, Incomplete};
    match u {
        Undecided::Nonfinite(_)
        | Undecided::Malformed
        | Undecided::Missed(MissReason::EngineFault) => (0, R::Fault, Failed),
        Undecided::Unhealthy(_) => (1, R::Fault, Incomplete),
        Undecided::Missed(
            MissReason::NotArrived
            | MissReason::CameraDown
            | MissReason::OutOfStep
            | MissReason::Undecodable,
        ) => (2, R::MissedAcq, Incomplete),
        Undecided::Missed(MissReason::NoFreeSlot | MissReason::Overflow) => {
            (3, R::Overflow, Incomplete)
        }
        Undecided::Missed(MissReason::Late) => (4, R::NoVerdict, Incomplete),
        Undecided::Unsure => (5, R::NoVerdict, Incomplete),
    }
}
