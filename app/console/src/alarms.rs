//! Alarms as consoles see them. What was done about them is kept by the station and the journal.

use sightline_domain::{AlarmStanding, AlarmState as Of, UtcMicros};
use sightline_journal::{AlarmChange, AlarmRecord};
use sightline_wire::ask::{AlarmHappening, AlarmRow};
use sightline_wire::snapshot::{AlarmCard, AlarmState};

/// Cards of the alarms that are not over or that nobody has seen: most urgent first.
pub fn cards(standing: Vec<AlarmStanding>) -> Vec<AlarmCard> {
    let mut cards: Vec<_> = standing.into_iter().map(card).collect();
    cards.sort_by_key(|c| (rank(c), std::cmp::Reverse(c.since)));
    cards
}

fn card(s: AlarmStanding) -> AlarmCard {
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
    use sightline_domain::{Alarm, AlarmKind};

    fn standing(engine: usize, state: Of, shelved_until: Option<UtcMicros>) -> AlarmStanding {
        AlarmStanding {
            alarm: Alarm {
                id: AlarmKind::EngineFault.of(engine),
                active: true,
                since: UtcMicros(0),
                message: "x".into(),
            },
            state,
            shelved_until,
            by: None,
        }
    }

    #[test]
    fn what_nobody_has_seen_stands_first() {
        let until = UtcMicros(60_000_000);
        let told = cards(vec![
            standing(0, Of::Shelved, Some(until)),
            standing(1, Of::ActiveAcknowledged, None),
            standing(2, Of::ReturnedUnacknowledged, None),
            standing(3, Of::ActiveUnacknowledged, None),
        ]);
        let told: Vec<_> = told.into_iter().map(|c| (c.id, c.state)).collect();
        let expected = [
            ("engine.3.fault", AlarmState::Unacknowledged),
            ("engine.2.fault", AlarmState::Returned),
            ("engine.1.fault", AlarmState::Acknowledged),
            ("engine.0.fault", AlarmState::Shelved { until }),
        ];
        assert_eq!(told, expected.map(|(id, state)| (id.into(), state)));
    }
}
