//! Enumerations as the numbers that are stored. Only ever append.

use crate::records::AlarmChange;
use sightline_domain::{AlarmSeverity, Disposition, DispositionReason, Evaluation};

const EVALUATIONS: [Evaluation; 4] = [
    Evaluation::OK,
    Evaluation::NotOK,
    Evaluation::NotDecidable,
    Evaluation::Undefined,
];
const DISPOSITIONS: [Disposition; 2] = [Disposition::Pass, Disposition::Reject];
const REASONS: [DispositionReason; 8] = [
    DispositionReason::Verdict,
    DispositionReason::NoVerdict,
    DispositionReason::Late,
    DispositionReason::MissedAcq,
    DispositionReason::Overflow,
    DispositionReason::Fault,
    DispositionReason::Manual,
    DispositionReason::Challenge,
];
const SEVERITIES: [AlarmSeverity; 3] = [
    AlarmSeverity::Low,
    AlarmSeverity::High,
    AlarmSeverity::Urgent,
];
const CHANGES: [AlarmChange; 5] = [
    AlarmChange::Raised,
    AlarmChange::Cleared,
    AlarmChange::Acknowledged,
    AlarmChange::Shelved,
    AlarmChange::Unshelved,
];

/// Stored as a number.
pub(crate) trait Code: Sized + Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    fn code(self) -> i64 {
        let place = Self::ALL.iter().position(|v| *v == self);
        place.map_or(-1, |i| i as i64)
    }

    /// For `rusqlite`: a number that is no code is damage.
    fn from_code(code: i64) -> rusqlite::Result<Self> {
        let value = usize::try_from(code).ok().and_then(|i| Self::ALL.get(i));
        value
            .copied()
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, code))
    }
}

impl Code for Evaluation {
    const ALL: &'static [Self] = &EVALUATIONS;
}
impl Code for Disposition {
    const ALL: &'static [Self] = &DISPOSITIONS;
}
impl Code for DispositionReason {
    const ALL: &'static [Self] = &REASONS;
}
impl Code for AlarmSeverity {
    const ALL: &'static [Self] = &SEVERITIES;
}
impl Code for AlarmChange {
    const ALL: &'static [Self] = &CHANGES;
}

/// Kinds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Recipe = 0,
    Camera = 1,
    Cause = 2,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_numbers_never_change() {
        assert_eq!(
            (Evaluation::OK.code(), Evaluation::Undefined.code()),
            (0, 3)
        );
        assert_eq!(Disposition::Reject.code(), 1, "the index `rejected` says 1");
        assert_eq!(DispositionReason::Manual.code(), 6);
        assert_eq!(Evaluation::from_code(2).unwrap(), Evaluation::NotDecidable);
        assert!(Evaluation::from_code(4).is_err() && Evaluation::from_code(-1).is_err());
    }
}
