//! Alarms as consoles see them. What was done about them is kept by `events.rs` and the journal.

use crate::alarms::list::Standing;
use sightline_domain::{AlarmState as Of, UtcMicros};
use sightline_journal::{AlarmChange, AlarmRecord};
use sightline_wire::ask::{AlarmHappening, AlarmRow};
use sightline_wire::snapshot::{AlarmCard, AlarmState};

/// Cards of the alarms that are not over or that nobody has seen: most urgent first.
pub fn cards(standing: Vec<Standing>) -> Vec<AlarmCard> {
    let mut cards: Vec<_> = standing.into_iter().map(card).collect();
    cards.sort_by_key(|c| (rank(c), std::cmp::Reverse(c.since)));
    cards
}

fn card(s: Standing) -> AlarmCard {
    let state = match s.state {
        Of::Shelved => AlarmState::Shelved {
            until: s.shelved_until.unwrap_or(UtcMicros(0)),
        },
        Of::ActiveAcknowledged => AlarmState::Acknowledged,
        Of::ReturnedUnacknowledged => AlarmState::Returned,
        Of::ActiveUnacknowledged | Of::Normal => AlarmState::Unacknowledged,
    };
    AlarmCard {
        id: s.alarm.id.to_string(),
        severity: s.alarm.id.kind().severity(),
        state,
        active: s.alarm.active,
        since: s.alarm.since,
        message: s.alarm.message,
        by: s.by,
    }
}

/// Urgent and unacknowledged first, shelved last.
fn rank(card: &AlarmCard) -> (u8, std::cmp::Reverse<sightline_domain::AlarmSeverity>) {
    let group = match card.state {
        AlarmState::Unacknowledged => 0,
        AlarmState::Returned => 1,
        AlarmState::Acknowledged => 2,
        AlarmState::Shelved { .. } => 3,
    };
    (group, std::cmp::Reverse(card.severity))
}

/// A stored change.
pub fn row(record: AlarmRecord) -> AlarmRow {
    AlarmRow {
        at: record.at,
        id: record.alarm,
        what: match record.change {
            AlarmChange::Raised => AlarmHappening::Raised,
            AlarmChange::Cleared => AlarmHappening::Cleared,
            AlarmChange::Acknowledged => AlarmHappening::Acknowledged,
            AlarmChange::Shelved => AlarmHappening::Shelved,
            AlarmChange::Unshelved => AlarmHappening::Unshelved,
        },
        severity: record.severity,
        by: record.by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarms::list::Events;
    use sightline_domain::{AlarmKind, MockClock, MonoTime};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn what_nobody_has_seen_stands_first() {
        let clock = Arc::new(MockClock::new(MonoTime(0), UtcMicros(0)));
        let events = Events::new(None, clock);
        for engine in 0..3 {
            events.set(AlarmKind::EngineFault.of(engine), Some("x".into()));
        }
        events.acknowledge("engine.0.fault", None, "op").unwrap();
        let minute = Duration::from_secs(60);
        events
            .acknowledge("engine.1.fault", Some(minute), "boss")
            .unwrap();
        let told = cards(events.standing());
        let told: Vec<_> = told
            .into_iter()
            .map(|c| (c.id, c.state, c.by.unwrap_or_default()))
            .collect();
        let until = UtcMicros(60_000_000);
        let expected = [
            ("engine.2.fault", AlarmState::Unacknowledged, ""),
            ("engine.0.fault", AlarmState::Acknowledged, "op"),
            ("engine.1.fault", AlarmState::Shelved { until }, "boss"),
        ];
        assert_eq!(
            told,
            expected.map(|(id, state, by)| (id.into(), state, by.into()))
        );
    }
}
