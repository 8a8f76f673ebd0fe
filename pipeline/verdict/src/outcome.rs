//! What is decided, and what really happens at the gate.

use sightline_domain::{Disposition, DispositionReason, Evaluation, MonoTime, ResultState};

/// What the gate does with a part, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Pass or reject.
    pub disposition: Disposition,
    /// Why.
    pub reason: DispositionReason,
}

impl Outcome {
    /// Let through, by the verdict: the only way a part ever passes by itself.
    pub const PASS: Outcome = Outcome {
        disposition: Disposition::Pass,
        reason: DispositionReason::Verdict,
    };

    /// Taken off the line because of `reason`.
    pub const fn reject(reason: DispositionReason) -> Outcome {
        Outcome {
            disposition: Disposition::Reject,
            reason,
        }
    }
}

/// The verdict on a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub evaluation: Evaluation,
    /// Whether processing worked.
    pub result_state: ResultState,
    /// What the gate is asked to do; what it really does is the gate's [`Outcome`].
    pub asked: Outcome,
    /// When.
    pub decided: MonoTime,
    /// The deadline (or the end of the run) closed the part, not its last view.
    pub expired: bool,
}
