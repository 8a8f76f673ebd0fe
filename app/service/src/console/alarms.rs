//! What people have done about alarms, after ISA-18.2: acknowledged, shelved for a while. Pure; time comes in.

use sightline_model::{Alarm, UtcMicros};
use sightline_wire::snapshot::{AlarmCard, AlarmState};
use std::collections::{BTreeMap, VecDeque};

/// Changes kept for the history.
const HISTORY: usize = 500;

/// What is known of one alarm beside its condition.
#[derive(Default)]
struct Handling {
    active: bool,
    acknowledged: bool,
    shelved_until: Option<UtcMicros>,
    by: Option<String>,
}

/// The alarms and what was done about them.
#[derive(Default)]
pub struct AlarmBook {
    handling: BTreeMap<String, Handling>,
    cards: Vec<AlarmCard>,
    history: VecDeque<AlarmCard>,
}

/// Why nothing was done.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSuchAlarm;

impl AlarmBook {
    /// Takes in how the alarms stand now.
    pub fn see(&mut self, alarms: &[Alarm], now: UtcMicros) {
        let mut cards = Vec::new();
        for alarm in alarms {
            let handling = self.handling.entry(alarm.id.0.to_string()).or_default();
            if alarm.active && !handling.active {
                handling.acknowledged = false;
                handling.by = None;
            }
            handling.active = alarm.active;
            if handling.shelved_until.is_some_and(|until| until <= now) {
                handling.shelved_until = None;
                handling.by = None;
            }
            let state = match (handling.shelved_until, alarm.active, handling.acknowledged) {
                (Some(until), ..) => AlarmState::Shelved { until },
                (None, true, false) => AlarmState::Unacknowledged,
                (None, true, true) => AlarmState::Acknowledged,
                (None, false, false) => AlarmState::Returned,
                (None, false, true) => continue,
            };
            cards.push(AlarmCard {
                id: alarm.id.0.to_string(),
                severity: alarm.severity,
                state,
                active: alarm.active,
                since: alarm.since,
                message: alarm.message.clone(),
                by: handling.by.clone(),
            });
        }
        cards.sort_by_key(|c| (rank(c), std::cmp::Reverse(c.since)));
        for card in &cards {
            if !self.cards.iter().any(|c| same(c, card)) {
                self.note(card.clone());
            }
        }
        self.cards = cards;
    }

    fn note(&mut self, card: AlarmCard) {
        self.history.truncate(HISTORY - 1);
        self.history.push_front(card);
    }

    /// Alarms that are active, shelved, or not acknowledged; most urgent first.
    pub fn cards(&self) -> &[AlarmCard] {
        &self.cards
    }

    /// The newest changes, newest first.
    pub fn history(&self, limit: usize) -> Vec<AlarmCard> {
        self.history.iter().take(limit).cloned().collect()
    }

    /// A person has seen it.
    pub fn acknowledge(&mut self, id: &str, by: &str) -> Result<(), NoSuchAlarm> {
        let handling = self.shown(id)?;
        handling.acknowledged = true;
        handling.by = Some(by.to_owned());
        Ok(())
    }

    /// Puts it aside until then, or takes it back (`None`).
    pub fn shelve(
        &mut self,
        id: &str,
        until: Option<UtcMicros>,
        by: &str,
    ) -> Result<(), NoSuchAlarm> {
        let handling = self.shown(id)?;
        handling.shelved_until = until;
        handling.by = until.map(|_| by.to_owned());
        Ok(())
    }

    fn shown(&mut self, id: &str) -> Result<&mut Handling, NoSuchAlarm> {
        let shown = self.cards.iter().any(|c| c.id == id);
        (self.handling.get_mut(id))
            .filter(|_| shown)
            .ok_or(NoSuchAlarm)
    }
}

/// Whether they say the same but for the wording.
fn same(a: &AlarmCard, b: &AlarmCard) -> bool {
    (&a.id, a.state, a.active, a.since) == (&b.id, b.state, b.active, b.since)
}

/// Urgent and unacknowledged first, shelved last.
fn rank(card: &AlarmCard) -> (u8, std::cmp::Reverse<sightline_model::AlarmSeverity>) {
    let group = match card.state {
        AlarmState::Unacknowledged => 0,
        AlarmState::Returned => 1,
        AlarmState::Acknowledged => 2,
        AlarmState::Shelved { .. } => 3,
    };
    (group, std::cmp::Reverse(card.severity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_model::{AlarmId, AlarmSeverity};

    fn alarm(id: &'static str, active: bool, since: i64) -> Alarm {
        Alarm {
            id: AlarmId(id.into()),
            active,
            severity: AlarmSeverity::High,
            since: UtcMicros(since),
            message: "m".into(),
        }
    }

    fn states(book: &AlarmBook) -> Vec<AlarmState> {
        book.cards().iter().map(|c| c.state).collect()
    }

    #[test]
    fn an_alarm_goes_through_its_states_and_comes_back_unacknowledged() {
        let mut book = AlarmBook::default();
        let see = |book: &mut AlarmBook, active, since| {
            book.see(&[alarm("a", active, since)], UtcMicros(since));
            states(book)
        };
        assert_eq!(see(&mut book, true, 1), [AlarmState::Unacknowledged]);
        book.acknowledge("a", "op").unwrap();
        assert_eq!(see(&mut book, true, 1), [AlarmState::Acknowledged]);
        assert_eq!(see(&mut book, false, 2), []);
        assert_eq!(see(&mut book, true, 3), [AlarmState::Unacknowledged]);
        assert_eq!(see(&mut book, false, 4), [AlarmState::Returned]);
        book.acknowledge("a", "op").unwrap();
        assert_eq!(see(&mut book, false, 4), []);
        assert_eq!(book.acknowledge("a", "op"), Err(NoSuchAlarm));
        let history: Vec<_> = book.history(9).iter().map(|c| c.state).collect();
        assert_eq!(
            history,
            [
                AlarmState::Returned,
                AlarmState::Unacknowledged,
                AlarmState::Acknowledged,
                AlarmState::Unacknowledged
            ]
        );
    }

    #[test]
    fn a_shelved_alarm_comes_back_by_itself() {
        let mut book = AlarmBook::default();
        book.see(&[alarm("a", true, 1)], UtcMicros(1));
        let until = UtcMicros(100);
        book.shelve("a", Some(until), "boss").unwrap();
        book.see(&[alarm("a", true, 1)], UtcMicros(99));
        assert_eq!(states(&book), [AlarmState::Shelved { until }]);
        book.see(&[alarm("a", true, 1)], UtcMicros(100));
        assert_eq!(states(&book), [AlarmState::Unacknowledged]);
    }

    #[test]
    fn what_nobody_has_seen_stands_first() {
        let mut book = AlarmBook::default();
        let all = [
            alarm("a", true, 1),
            alarm("b", true, 2),
            alarm("c", true, 3),
        ];
        book.see(&all, UtcMicros(1));
        book.acknowledge("c", "op").unwrap();
        book.shelve("b", Some(UtcMicros(50)), "boss").unwrap();
        book.see(&all, UtcMicros(2));
        let ids: Vec<_> = book.cards().iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["a", "c", "b"]);
    }
}
