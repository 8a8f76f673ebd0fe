//! An alarm after ISA-18.2.

use serde::{Deserialize, Serialize};
use sightline_domain::{AlarmSeverity, UtcMicros};

/// State of an alarm after ISA-18.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    /// Active, not acknowledged.
    Unacknowledged,
    /// Active, acknowledged.
    Acknowledged,
    /// Over, but nobody has acknowledged it.
    Returned,
    /// Put aside by a person until then.
    Shelved {
        /// When it comes back by itself.
        until: UtcMicros,
    },
}

/// One alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmCard {
    /// Its id.
    pub id: String,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// Its state.
    pub state: AlarmState,
    /// Whether its condition holds now.
    pub active: bool,
    /// When its condition last changed.
    pub since: UtcMicros,
    /// What was expected, what was found, what to do, in the station's words.
    pub message: String,
    /// Who acknowledged or shelved it.
    pub by: Option<String>,
}
