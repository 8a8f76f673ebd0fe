//! One part: its views together.

use super::{Undecided, ViewVerdict};
use crate::outcome::Outcome;
use crate::plan::InspectionPlan;
use sightline_configs::recipe::Combine;
use sightline_domain::{DispositionReason, Evaluation, MissReason, ResultState};

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
            | MissReason::Ambiguous
            | MissReason::Geometry
            | MissReason::Undecodable,
        ) => (2, R::MissedAcq, Incomplete),
        Undecided::Missed(MissReason::NoFreeSlot | MissReason::Overflow) => {
            (3, R::Overflow, Incomplete)
        }
        Undecided::Missed(MissReason::Late) => (4, R::NoVerdict, Incomplete),
        Undecided::Unsure => (5, R::NoVerdict, Incomplete),
    }
}
