//! Alarms and what people did.

use super::NOW;
use sightline_domain::{AlarmSeverity, UtcMicros};
use sightline_wire::ask::{AlarmHappening, AlarmRow, AuditRow};
use sightline_wire::snapshot::*;

pub fn alarms() -> Vec<AlarmCard> {
    let alarm = |id: &str, severity, state, active, message: &str| AlarmCard {
        id: id.into(),
        severity,
        state,
        active,
        since: UtcMicros(NOW.0 - 75_000_000),
        message: message.into(),
        by: matches!(state, AlarmState::Acknowledged | AlarmState::Shelved { .. })
            .then(|| "Chen".into()),
    };
    let until = UtcMicros(NOW.0 + 1_500_000_000);
    vec![
        alarm(
            "gate-unconfirmed",
            AlarmSeverity::Urgent,
            AlarmState::Unacknowledged,
            true,
            "part 1187: the sensor was to see this rejected part in time and did not; take the part off by hand, check gate and sensor, then acknowledge (1 so far)",
        ),
        alarm(
            "camera.cam4.down",
            AlarmSeverity::High,
            AlarmState::Acknowledged,
            true,
            "camera cam4: expected frames, found it stalled: no frame for 2.0 s; its parts are rejected until it is back",
        ),
        alarm(
            "engine.1.fault",
            AlarmSeverity::Low,
            AlarmState::Returned,
            false,
            "engine 1: expected an answer, found an error of the library; it was made anew",
        ),
        alarm(
            "outbox-full",
            AlarmSeverity::High,
            AlarmState::Shelved { until },
            true,
            "expected room for a result, found 100000 waiting",
        ),
    ]
}

pub fn history() -> Vec<AlarmRow> {
    let row = |seconds: i64, id: &str, what, by: Option<&str>| AlarmRow {
        at: UtcMicros(NOW.0 - seconds * 1_000_000),
        id: id.into(),
        what,
        severity: AlarmSeverity::High,
        by: by.map(Into::into),
    };
    vec![
        row(
            20,
            "camera.cam4.down",
            AlarmHappening::Acknowledged,
            Some("Chen"),
        ),
        row(75, "camera.cam4.down", AlarmHappening::Raised, None),
        row(900, "outbox-full", AlarmHappening::Shelved, Some("Li")),
        row(90_000, "camera.cam1.down", AlarmHappening::Cleared, None),
        row(90_060, "camera.cam1.down", AlarmHappening::Raised, None),
    ]
}

pub fn audit() -> Vec<AuditRow> {
    let row =
        |seconds: i64, actor: &str, action: &str, old: &str, new: &str, reason: &str| AuditRow {
            at: UtcMicros(NOW.0 - seconds * 1_000_000),
            actor: actor.into(),
            action: action.into(),
            old: old.into(),
            new: new.into(),
            reason: reason.into(),
        };
    vec![
        row(
            20,
            "Chen",
            "acknowledge-alarm camera.cam4.down",
            "active, unacknowledged",
            "active, acknowledged",
            "",
        ),
        row(
            64,
            "Chen",
            "review 0195-1199",
            "rejected",
            "good",
            "Inspection is wrong",
        ),
        row(
            300,
            "Chen",
            "activate-model",
            "pcb-detector 0.1.0",
            "pcb-detector 0.2.0",
            "Trial",
        ),
        row(420, "Chen", "log-in", "", "engineer", ""),
        row(
            900,
            "operator",
            "stop-line",
            "ContinuousExecution, recipe DEMO-BOARD, generation 3",
            "Ready, recipe DEMO-BOARD, generation 3",
            "",
        ),
        row(
            90_000,
            "mes",
            "install_model",
            "",
            "",
            "installed pcb-detector 0.2.0",
        ),
        row(
            90_300,
            "Chen",
            "install-model pcb-detector-0.2.0-rc1.tar.zst",
            "",
            "",
            "refused: int8 clean-1.png: NOT as expected;     expected nothing, found a mouse bite of 0.71 at 312,208; 1 golden pictures are not as expected; do not use this bundle on this box; asked for: Trial",
        ),
    ]
}
