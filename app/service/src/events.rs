//! What people must know: alarms go to the log, to the MES, and stay in a list as long as they are active.

use anyhow::{Context, ensure};
use sightline_flow::FlowEvents;
use sightline_journal::{AlarmChange, AlarmRecord, Journal};
use sightline_model::{
    Alarm, AlarmEvent, AlarmId, AlarmSeverity, AlarmState, Clock, Generation, MonoTime, UtcMicros,
};
use sightline_uplink::Uplink;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An alarm, and where it is between its condition and a person.
#[derive(Clone, Debug)]
struct Entry {
    alarm: Alarm,
    state: AlarmState,
    shelved_until: Option<MonoTime>,
    /// Who acknowledged or shelved it.
    by: Option<String>,
}

/// An alarm as people look at it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub alarm: Alarm,
    pub state: AlarmState,
    /// When it comes back by itself, if it is shelved.
    pub shelved_until: Option<UtcMicros>,
    /// Who acknowledged or shelved it.
    pub by: Option<String>,
}

/// The alarm list.
pub struct Events {
    uplink: Option<Arc<Uplink>>,
    clock: Arc<dyn Clock>,
    list: Mutex<BTreeMap<AlarmId, Entry>>,
    journal: Option<Journal>,
}

impl Events {
    pub fn new(uplink: Option<Arc<Uplink>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            uplink,
            clock,
            list: Mutex::new(BTreeMap::new()),
            journal: None,
        }
    }

    /// The same, with every change kept in the journal.
    pub fn keeping(self, journal: Option<Journal>) -> Self {
        Self { journal, ..self }
    }

    fn keep(&self, alarm: &Alarm, at: UtcMicros, change: AlarmChange, by: Option<&str>) {
        let Some(journal) = &self.journal else {
            return;
        };
        let kept = journal.alarm(AlarmRecord {
            at,
            alarm: alarm.id.0.to_string(),
            change,
            severity: alarm.severity,
            by: by.map(str::to_string),
            message: alarm.message.clone(),
        });
        if let Err(error) = kept {
            tracing::error!(%error, id = %alarm.id.0, "an alarm is missing from the history");
        }
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<AlarmId, Entry>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings alarm `id` to the state `raised`; a message that stays the same is not told again.
    pub fn set(&self, id: String, severity: AlarmSeverity, raised: Option<String>) {
        let id = AlarmId(id.into());
        let is_active = self.list().get(&id).is_some_and(|e| e.alarm.active);
        match raised {
            Some(message) if !is_active => {
                self.alarm(Alarm {
                    id,
                    active: true,
                    severity,
                    since: self.clock.utc(),
                    message,
                });
            }
            None if is_active => {
                let message = String::new();
                self.alarm(Alarm {
                    id,
                    active: false,
                    severity,
                    since: self.clock.utc(),
                    message,
                });
            }
            _ => {}
        }
    }

    /// Every alarm that was ever raised, with its latest state.
    pub fn all(&self) -> Vec<Alarm> {
        self.list().values().map(|e| e.alarm.clone()).collect()
    }

    /// The alarms that are not over, or that nobody has seen.
    pub fn standing(&self) -> Vec<Standing> {
        let (now, utc) = (self.clock.now(), self.clock.utc());
        let until = |end: MonoTime| UtcMicros(utc.0 + end.since(now).as_micros() as i64);
        let shown = |e: &Entry| Standing {
            alarm: e.alarm.clone(),
            state: e.state,
            shelved_until: e.shelved_until.map(until),
            by: e.by.clone(),
        };
        let list = self.list();
        let not_over = list.values().filter(|e| e.state != AlarmState::Normal);
        not_over.map(shown).collect()
    }

    /// How an alarm stands, in words.
    pub fn state_of(&self, id: &str) -> Option<&'static str> {
        let list = self.list();
        list.get(&AlarmId(id.to_string().into()))
            .map(|e| in_words(e.state))
    }

    /// An alarm that endangers the promise stands.
    pub fn is_urgent(&self) -> bool {
        let urgent = |e: &Entry| e.alarm.active && e.alarm.severity == AlarmSeverity::Urgent;
        self.list().values().any(urgent)
    }

    /// `by` has seen the alarm; with `shelve` it is put aside for that long.
    pub fn acknowledge(
        &self,
        id: &str,
        shelve: Option<Duration>,
        by: &str,
    ) -> anyhow::Result<String> {
        let mut list = self.list();
        let id = AlarmId(id.to_string().into());
        let entry = list.get_mut(&id).with_context(|| {
            format!(
                "expected an alarm of this run, found no `{}`; see the topics alarm/+",
                id.0
            )
        })?;
        let event = match shelve {
            Some(_) => AlarmEvent::Shelved,
            None => AlarmEvent::Acknowledged,
        };
        let after = entry.state.after(event);
        ensure!(
            after != entry.state,
            "{} is {} already; there is nothing to acknowledge",
            id.0,
            in_words(entry.state)
        );
        entry.state = after;
        entry.by = Some(by.into());
        entry.shelved_until = shelve.map(|time| self.clock.now() + time);
        self.tell(entry);
        let change = match shelve {
            Some(_) => AlarmChange::Shelved,
            None => AlarmChange::Acknowledged,
        };
        self.keep(&entry.alarm, self.clock.utc(), change, Some(by));
        Ok(format!("{} is {}", id.0, in_words(after)))
    }

    /// `by` takes the alarm off the shelf.
    pub fn take_back(&self, id: &str, by: &str) -> anyhow::Result<String> {
        let mut list = self.list();
        let entry = list.get_mut(&AlarmId(id.to_string().into()));
        let entry = entry.filter(|e| e.shelved_until.is_some());
        let entry = entry
            .with_context(|| format!("expected `{id}` to be shelved, found that it is not"))?;
        self.off_the_shelf(entry, Some(by));
        Ok(format!("{id} is {}", in_words(entry.state)))
    }

    /// Takes alarms off the shelf whose time there is over. To be called now and then.
    pub fn unshelve(&self) {
        let now = self.clock.now();
        for entry in self.list().values_mut() {
            if entry.shelved_until.is_some_and(|end| now >= end) {
                self.off_the_shelf(entry, None);
            }
        }
    }

    fn off_the_shelf(&self, entry: &mut Entry, by: Option<&str>) {
        let active = entry.alarm.active;
        entry.shelved_until = None;
        entry.by = by.map(str::to_string);
        entry.state = entry.state.after(AlarmEvent::Unshelved { active });
        self.tell(entry);
        let (at, change) = (self.clock.utc(), AlarmChange::Unshelved);
        self.keep(&entry.alarm, at, change, by);
    }

    fn tell(&self, entry: &Entry) {
        if let Some(uplink) = &self.uplink {
            uplink.alarm(&entry.alarm, entry.state);
        }
    }
}

impl FlowEvents for Events {
    fn alarm(&self, alarm: Alarm) {
        if alarm.active {
            tracing::warn!(id = %alarm.id.0, severity = ?alarm.severity, "ALARM {}", alarm.message);
        } else {
            tracing::warn!(id = %alarm.id.0, "alarm over");
        }
        let change = match alarm.active {
            true => AlarmChange::Raised,
            false => AlarmChange::Cleared,
        };
        self.keep(&alarm, alarm.since, change, None);
        let mut list = self.list();
        let before = list.get(&alarm.id);
        let state = before.map_or(AlarmState::Normal, |e| e.state);
        let event = if alarm.active {
            AlarmEvent::Raised
        } else {
            // What was serious must have been seen by somebody before it disappears.
            let must_be_seen = alarm.severity > AlarmSeverity::Low;
            AlarmEvent::Returned { must_be_seen }
        };
        // A cleared alarm keeps its text: what it was about is what people ask afterwards.
        let message = match before {
            Some(before) if !alarm.active => before.alarm.message.clone(),
            _ => alarm.message.clone(),
        };
        let entry = Entry {
            state: state.after(event),
            shelved_until: before.and_then(|e| e.shelved_until),
            // Who saw it the last time has not seen it this time.
            by: before
                .filter(|e| !alarm.active || e.shelved_until.is_some())
                .and_then(|e| e.by.clone()),
            alarm: Alarm { message, ..alarm },
        };
        self.tell(&entry);
        list.insert(entry.alarm.id.clone(), entry);
    }

    fn generation_active(&self, generation: Generation) {
        tracing::info!(%generation, "generation inspects");
    }

    fn generation_retired(&self, generation: Generation) {
        tracing::info!(%generation, "generation retired");
    }
}

fn in_words(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Normal => "over",
        AlarmState::ActiveUnacknowledged => "active, unacknowledged",
        AlarmState::ActiveAcknowledged => "active, acknowledged",
        AlarmState::ReturnedUnacknowledged => "over, unacknowledged",
        AlarmState::Shelved => "shelved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_model::MockClock;

    #[test]
    fn what_was_serious_stays_until_somebody_has_seen_it() {
        let clock = Arc::new(MockClock::new(MonoTime(0), UtcMicros(0)));
        let events = Events::new(None, clock.clone());
        let state = |id: &'static str| events.list()[&AlarmId(id.into())].state;
        for (id, severity) in [
            ("low", AlarmSeverity::Low),
            ("urgent", AlarmSeverity::Urgent),
        ] {
            events.set(id.into(), severity, Some("expected, found".into()));
            assert_eq!(state(id), AlarmState::ActiveUnacknowledged);
        }
        assert!(events.is_urgent());
        events.set("low".into(), AlarmSeverity::Low, None);
        events.set("urgent".into(), AlarmSeverity::Urgent, None);
        assert!(!events.is_urgent());
        assert_eq!(state("low"), AlarmState::Normal);
        assert_eq!(state("urgent"), AlarmState::ReturnedUnacknowledged);
        assert_eq!(events.all()[1].message, "expected, found");
        assert!(
            events
                .acknowledge("urgent", None, "anna")
                .unwrap()
                .contains("over")
        );
        let again = events
            .acknowledge("urgent", None, "anna")
            .unwrap_err()
            .to_string();
        assert!(again.contains("nothing to acknowledge"), "{again}");
        let unknown = events
            .acknowledge("x", None, "anna")
            .unwrap_err()
            .to_string();
        assert!(unknown.contains("no `x`"), "{unknown}");
    }

    #[test]
    fn a_shelved_alarm_comes_back_as_its_condition_is_then() {
        let clock = Arc::new(MockClock::new(MonoTime(0), UtcMicros(0)));
        let events = Events::new(None, clock.clone());
        events.set("a".into(), AlarmSeverity::High, Some("x".into()));
        let minute = Duration::from_secs(60);
        events.acknowledge("a", Some(minute), "anna").unwrap();
        let shown = events.standing();
        assert_eq!(shown[0].shelved_until, Some(UtcMicros(60_000_000)));
        assert_eq!(shown[0].by.as_deref(), Some("anna"));
        let state = || events.list()[&AlarmId("a".into())].state;
        events.set("a".into(), AlarmSeverity::High, None);
        events.set("a".into(), AlarmSeverity::High, Some("y".into()));
        events.unshelve();
        assert_eq!(state(), AlarmState::Shelved);
        clock.advance(minute);
        events.unshelve();
        assert_eq!(state(), AlarmState::ActiveUnacknowledged);
        assert_eq!(events.standing()[0].by, None);
        assert!(events.take_back("a", "anna").is_err(), "it is not there");
        events.acknowledge("a", Some(minute), "anna").unwrap();
        events.take_back("a", "anna").unwrap();
        assert_eq!(state(), AlarmState::ActiveUnacknowledged);
    }
}
