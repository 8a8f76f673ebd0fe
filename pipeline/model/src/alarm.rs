//! Alarms: conditions a person must know of, raised and cleared by id.

use crate::UtcMicros;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A stable id, a topic level on MQTT: lower-case words joined with `-` or `.`, e.g. `camera.cam1.stalled`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct AlarmId(pub Cow<'static, str>);

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alarm {
    /// Which alarm.
    pub id: AlarmId,
    /// Raised (true) or cleared (false).
    pub active: bool,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// When it changed, microseconds since 1970 UTC.
    #[schemars(with = "i64")]
    pub since: UtcMicros,
    /// What was expected, what was found, what to do.
    pub message: String,
}
