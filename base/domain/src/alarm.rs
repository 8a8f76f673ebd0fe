//! Alarms: conditions a person must know of, raised and cleared by id.

use crate::{AlarmId, UtcMicros};
use serde::{Deserialize, Serialize};

/// How much it matters.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AlarmSeverity {
    /// To be looked at this shift.
    Low,
    /// Parts are rejected that need not be.
    High,
    /// The promise is in danger: a part may pass unseen, or the line must stop.
    Urgent,
}

/// A change of an alarm's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Which alarm.
    pub id: AlarmId,
    /// Raised (true) or cleared (false).
    pub active: bool,
    /// When it changed, microseconds since 1970 UTC.
    pub since: UtcMicros,
    /// What was expected, what was found, what to do.
    pub message: String,
}

/// Where an alarm is between a condition and a person who has seen it (ISA-18.2-2016, figure 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// The condition does not stand, and nobody needs to have seen that it did.
    Normal,
    /// The condition stands, and nobody has said that he has seen it.
    ActiveUnacknowledged,
    /// It stands, and somebody knows.
    ActiveAcknowledged,
    /// It is over, and nobody has said that he has seen it.
    ReturnedUnacknowledged,
    /// Put aside by a person for a while, whether it stands or not.
    Shelved,
}

/// An alarm as people look at it.
#[derive(Clone, Debug)]
pub struct AlarmStanding {
    /// What it is and since when.
    pub alarm: Alarm,
    /// Where it stands between people and its cause (ISA-18.2).
    pub state: AlarmState,
    /// When it comes back by itself, if it is shelved.
    pub shelved_until: Option<UtcMicros>,
    /// Who acknowledged or shelved it.
    pub by: Option<String>,
}

/// What can happen to an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmEvent {
    /// The condition stands.
    Raised,
    /// The condition is over, and perhaps a person must still say that he has seen it.
    Returned {
        /// This kind of alarm asks for an acknowledgement.
        must_be_seen: bool,
    },
    /// A person has seen it.
    Acknowledged,
    /// A person puts it aside.
    Shelved,
    /// The time aside is over.
    Unshelved {
        /// The condition stands.
        active: bool,
    },
}

impl AlarmState {
    /// The state after `event`. What does not fit changes nothing.
    pub fn after(self, event: AlarmEvent) -> Self {
        use AlarmEvent::{Acknowledged, Raised, Returned, Unshelved};
        use AlarmState::{
            ActiveAcknowledged, ActiveUnacknowledged, Normal, ReturnedUnacknowledged, Shelved,
        };
        match (self, event) {
            (Shelved, Unshelved { active: true }) => ActiveUnacknowledged,
            (Shelved, Unshelved { active: false }) => Normal,
            (Shelved, _) | (_, AlarmEvent::Shelved) => Shelved,
            (Normal | ReturnedUnacknowledged, Raised) => ActiveUnacknowledged,
            (ActiveUnacknowledged, Returned { must_be_seen: true }) => ReturnedUnacknowledged,
            (ActiveUnacknowledged | ActiveAcknowledged, Returned { .. }) => Normal,
            (ActiveUnacknowledged, Acknowledged) => ActiveAcknowledged,
            (ReturnedUnacknowledged, Acknowledged) => Normal,
            (state, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AlarmEvent::{Acknowledged, Raised, Returned, Shelved as Shelve, Unshelved};
    use super::AlarmState::{self, *};

    #[test]
    fn every_state_and_event_is_as_the_standard_draws_it() {
        let seen = Returned { must_be_seen: true };
        let unseen = Returned {
            must_be_seen: false,
        };
        let on = Unshelved { active: true };
        let off = Unshelved { active: false };
        let events = [Raised, seen, unseen, Acknowledged, Shelve, on, off];
        let (n, a, k, r, s) = (
            Normal,
            ActiveUnacknowledged,
            ActiveAcknowledged,
            ReturnedUnacknowledged,
            Shelved,
        );
        let table: [(AlarmState, [AlarmState; 7]); 5] = [
            (n, [a, n, n, n, s, n, n]),
            (a, [a, r, n, k, s, a, a]),
            (k, [k, n, n, k, s, k, k]),
            (r, [a, r, r, n, s, r, r]),
            (s, [s, s, s, s, s, a, n]),
        ];
        for (state, after) in table {
            for (event, expected) in events.into_iter().zip(after) {
                assert_eq!(state.after(event), expected, "{state:?} {event:?}");
            }
        }
    }
}
