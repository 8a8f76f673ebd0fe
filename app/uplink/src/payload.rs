//! The small retained messages beside the results: status and alarms.

use serde::Serialize;
use sightline_model::{Alarm, UtcMicros};

/// The station's state as its `status` topic says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StationState {
    /// Inspecting, nothing in the way.
    Online,
    /// Inspecting, with an alarm that rejects parts or endangers the promise.
    Degraded,
    /// Not there (also what the broker says of us when the connection dies).
    Offline,
}

/// `status`.
#[derive(Serialize)]
pub(crate) struct Status<'a> {
    pub schema: &'static str,
    pub state: StationState,
    pub since: String,
    pub version: &'static str,
    pub session: &'a str,
}

impl<'a> Status<'a> {
    pub(crate) fn json(state: StationState, since: UtcMicros, session: &'a str) -> Vec<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let status = Self {
            schema: "sightline.status.v1",
            state,
            since: since.to_rfc3339(),
            version,
            session,
        };
        serde_json::to_vec(&status).unwrap_or_default()
    }
}

/// `alarm/{id}`, empty when cleared.
pub(crate) fn alarm_json(alarm: &Alarm) -> Vec<u8> {
    if !alarm.active {
        return Vec::new();
    }
    let body = serde_json::json!({
        "schema": "sightline.alarm.v1",
        "id": alarm.id,
        "severity": alarm.severity,
        "since": alarm.since.to_rfc3339(),
        "message": alarm.message,
    });
    body.to_string().into_bytes()
}
