//! What people must know: alarms go to the log, to the MES, and stay in a list until they are over and seen.

use anyhow::{Context, ensure};
use sightline_configs::redact;
use sightline_domain::{
    Alarm, AlarmEffect, AlarmEvent, AlarmId, AlarmKind, AlarmRule, AlarmStanding, AlarmState,
    Clock, Generation, MonoTime, UtcMicros,
};
use sightline_flow::FlowEvents;
use sightline_journal::{AlarmChange, AlarmRecord, Journal};
use sightline_uplink::Uplink;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A text that changes while its alarm stands is told so often at most.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// An alarm, and where it is between its condition and a person.
#[derive(Clone, Debug)]
struct Entry {
    alarm: Alarm,
    state: AlarmState,
    shelved_until: Option<MonoTime>,
    /// Who acknowledged or shelved it.
    by: Option<String>,
    /// When its text was told last.
    told: MonoTime,
    /// The text of a single event that somebody has seen to.
    settled: Option<String>,
}

/// The alarm list.
pub struct Events {
    uplink: Option<Arc<Uplink>>,
    clock: Arc<dyn Clock>,
    list: Mutex<BTreeMap<AlarmId, Entry>>,
    journal: Option<Journal>,
}

impl Events {
    /// An empty list; changes are published where there is an uplink.
    pub fn new(uplink: Option<Arc<Uplink>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            uplink,
            clock,
            list: Mutex::new(BTreeMap::new()),
            journal: None,
        }
    }

    /// The same, with every change kept in the journal, and with what nobody had seen before this run.
    pub fn keeping(self, journal: Option<Journal>) -> Self {
        if let Some(journal) = &journal {
            match journal.reader().and_then(|r| r.unacknowledged_alarms()) {
                Ok(records) => records.into_iter().for_each(|r| self.restore(r)),
                Err(error) => {
                    tracing::error!(%error, "the alarms of earlier runs could not be read");
                }
            }
        }
        Self { journal, ..self }
    }

    /// Whether its condition still stands is found out anew; that nobody has seen it is not forgotten.
    fn restore(&self, record: AlarmRecord) {
        let Ok(id) = record.alarm.parse::<AlarmId>() else {
            return tracing::warn!(
                id = record.alarm,
                "an alarm of an earlier version is left out"
            );
        };
        if id.kind().rule() == AlarmRule::Ends {
            return;
        }
        let entry = Entry {
            alarm: Alarm {
                id: id.clone(),
                active: false,
                since: record.at,
                message: record.message,
            },
            state: AlarmState::ReturnedUnacknowledged,
            shelved_until: None,
            by: None,
            told: self.clock.now(),
            settled: None,
        };
        self.tell(&entry);
        self.list().insert(id, entry);
    }

    fn keep(&self, alarm: &Alarm, at: UtcMicros, change: AlarmChange, by: Option<&str>) {
        let Some(journal) = &self.journal else {
            return;
        };
        let kept = journal.alarm(AlarmRecord {
            at,
            alarm: alarm.id.to_string(),
            change,
            severity: alarm.id.kind().severity(),
            by: by.map(str::to_string),
            message: alarm.message.clone(),
        });
        if let Err(error) = kept {
            tracing::error!(%error, id = %alarm.id, "an alarm is missing from the history");
        }
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<AlarmId, Entry>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings alarm `id` to the state `raised`. A text that changed is told again, now and then; a single event that
    /// somebody has seen to is not raised again by the same text.
    pub fn set(&self, id: impl Into<AlarmId>, raised: Option<String>) {
        let (id, now) = (id.into(), self.clock.now());
        let raised = raised.map(|text| redact::secrets(&text));
        let mut list = self.list();
        let entry = list.get_mut(&id);
        let active = entry.as_ref().is_some_and(|e| e.alarm.active);
        let message = match (entry, raised) {
            (Some(entry), Some(text)) if active => {
                let due = now.since(entry.told) >= TELL_EVERY;
                if due && entry.alarm.message != text {
                    entry.alarm.message = text;
                    entry.told = now;
                    self.tell(entry);
                }
                return;
            }
            (Some(entry), Some(text)) if entry.settled.as_ref() == Some(&text) => return,
            (_, Some(text)) => text,
            (_, None) if active => String::new(),
            (_, None) => return,
        };
        drop(list);
        self.alarm(Alarm {
            id,
            active: !active,
            since: self.clock.utc(),
            message,
        });
    }

    /// The time it goes by.
    pub fn now(&self) -> MonoTime {
        self.clock.now()
    }

    /// Every alarm that was ever raised, with its latest state.
    pub fn all(&self) -> Vec<Alarm> {
        self.list().values().map(|e| e.alarm.clone()).collect()
    }

    /// The alarms that are not over, or that nobody has seen.
    pub fn standing(&self) -> Vec<AlarmStanding> {
        let (now, utc) = (self.clock.now(), self.clock.utc());
        let until = |end: MonoTime| UtcMicros(utc.0 + end.since(now).as_micros() as i64);
        let shown = |e: &Entry| AlarmStanding {
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
        let id = id.parse().ok()?;
        self.list().get(&id).map(|e| in_words(e.state))
    }

    /// The worst that an alarm does to the line now, among those that `of` takes.
    pub fn effect(&self, of: impl Fn(AlarmKind) -> bool) -> AlarmEffect {
        let list = self.list();
        let active = list.values().filter(|e| e.alarm.active);
        let kinds = active.map(|e| e.alarm.id.kind()).filter(|k| of(*k));
        kinds
            .map(AlarmKind::effect)
            .max()
            .unwrap_or(AlarmEffect::None)
    }

    /// `by` has seen the alarm; with `shelve` it is put aside for that long. What kind it is, and how it stands now.
    pub fn acknowledge(
        &self,
        id: &str,
        shelve: Option<Duration>,
        by: &str,
    ) -> anyhow::Result<(AlarmKind, String)> {
        let mut list = self.list();
        let entry = id.parse().ok().and_then(|id| list.get_mut(&id));
        let entry = entry.with_context(|| {
            format!("expected an alarm of this station, found no `{id}`; see the topics alarm/+")
        })?;
        let (event, change) = match shelve {
            Some(_) => (AlarmEvent::Shelved, AlarmChange::Shelved),
            None => (AlarmEvent::Acknowledged, AlarmChange::Acknowledged),
        };
        let after = entry.state.after(event);
        ensure!(
            after != entry.state,
            "{id} is {} already; there is nothing to acknowledge",
            in_words(entry.state)
        );
        entry.state = after;
        entry.by = Some(by.into());
        entry.shelved_until = shelve.map(|time| self.clock.now() + time);
        let (kind, now) = (entry.alarm.id.kind(), self.clock.utc());
        self.keep(&entry.alarm, now, change, Some(by));
        if shelve.is_none() && kind.rule() == AlarmRule::SeenTo {
            entry.settled = Some(entry.alarm.message.clone());
            if std::mem::take(&mut entry.alarm.active) {
                entry.alarm.since = now;
                entry.state = AlarmState::Normal;
                self.keep(&entry.alarm, now, AlarmChange::Cleared, Some(by));
            }
        }
        self.tell(entry);
        Ok((kind, format!("{id} is {}", in_words(entry.state))))
    }

    /// `by` takes the alarm off the shelf.
    pub fn take_back(&self, id: &str, by: &str) -> anyhow::Result<String> {
        let mut list = self.list();
        let entry = id.parse().ok().and_then(|id| list.get_mut(&id));
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
        let mut list = self.list();
        let before = list.get(&alarm.id);
        if !alarm.active && before.is_none_or(|e| !e.alarm.active) {
            return;
        }
        let state = before.map_or(AlarmState::Normal, |e| e.state);
        let kind = alarm.id.kind();
        let (event, change) = match alarm.active {
            true => (AlarmEvent::Raised, AlarmChange::Raised),
            false => {
                let must_be_seen = kind.rule() != AlarmRule::Ends;
                (AlarmEvent::Returned { must_be_seen }, AlarmChange::Cleared)
            }
        };
        let shelved_until = before.and_then(|e| e.shelved_until);
        // Who saw it the last time has not seen it this time.
        let by = before
            .filter(|_| !alarm.active || shelved_until.is_some())
            .and_then(|e| e.by.clone());
        // A cleared alarm keeps its text: what it was about is what people ask afterwards.
        let message = match before {
            Some(before) if !alarm.active => before.alarm.message.clone(),
            _ => redact::secrets(&alarm.message),
        };
        let entry = Entry {
            state: state.after(event),
            shelved_until,
            by,
            told: self.clock.now(),
            settled: None,
            alarm: Alarm { message, ..alarm },
        };
        self.tell(&entry);
        list.insert(entry.alarm.id.clone(), entry.clone());
        drop(list);
        let alarm = entry.alarm;
        self.keep(&alarm, alarm.since, change, None);
        if alarm.active {
            let (severity, effect) = (kind.severity(), kind.effect());
            tracing::warn!(id = %alarm.id, ?severity, ?effect, "ALARM {}", alarm.message);
        } else {
            tracing::warn!(id = %alarm.id, "alarm over");
        }
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
    use sightline_domain::MockClock;

    fn events() -> (Arc<MockClock>, Events) {
        let clock = Arc::new(MockClock::new(MonoTime(0), UtcMicros(0)));
        let events = Events::new(None, clock.clone());
        (clock, events)
    }

    fn state(events: &Events, id: impl Into<AlarmId>) -> AlarmState {
        events.list()[&id.into()].state
    }

    #[test]
    fn what_was_serious_stays_until_somebody_has_seen_it() {
        let (_, events) = events();
        let (low, hung) = (AlarmKind::MqttNobody, AlarmKind::EngineHung.of(0));
        events.set(low, Some("expected, found".into()));
        events.set(hung.clone(), Some("expected, found".into()));
        assert_eq!(events.effect(|_| true), AlarmEffect::Hold);
        events.set(low, None);
        events.set(hung.clone(), None);
        assert_eq!(events.effect(|_| true), AlarmEffect::None);
        assert_eq!(state(&events, low), AlarmState::Normal);
        assert_eq!(state(&events, hung), AlarmState::ReturnedUnacknowledged);
        assert_eq!(events.all()[0].message, "expected, found");
        let seen = || events.acknowledge("engine.0.hung", None, "anna");
        assert!(seen().unwrap().1.contains("over"));
        let again = seen().unwrap_err().to_string();
        assert!(again.contains("nothing to acknowledge"), "{again}");
        let unknown = events.acknowledge("x", None, "anna");
        let unknown = unknown.unwrap_err().to_string();
        assert!(unknown.contains("no `x`"), "{unknown}");
    }

    #[test]
    fn an_urgent_certificate_has_no_effect_on_the_line() {
        let (_, events) = events();
        let id = AlarmKind::CertificateLast.of("cert_file");
        events.set(id, Some("it ends".into()));
        assert_eq!(events.effect(|_| true), AlarmEffect::None);
    }

    #[test]
    fn a_count_in_a_text_is_the_count_now() {
        let (clock, events) = events();
        let say = |n: u32| events.set(AlarmKind::JournalLost, Some(format!("{n} lost")));
        say(1);
        say(2);
        assert_eq!(
            events.all()[0].message,
            "1 lost",
            "not more than once a second"
        );
        clock.advance(TELL_EVERY);
        say(155);
        assert_eq!(events.all()[0].message, "155 lost");
        events.set(AlarmKind::JournalLost, None);
        assert_eq!(events.all()[0].message, "155 lost");
    }

    #[test]
    fn a_single_event_ends_when_it_was_seen_to_and_comes_again_with_the_next() {
        let (_, events) = events();
        let kind = AlarmKind::JournalSetAside;
        let say = |text: &str| events.set(kind, Some(text.into()));
        say("first");
        let (_, said) = events
            .acknowledge("journal-set-aside", None, "anna")
            .unwrap();
        assert_eq!(said, "journal-set-aside is over");
        say("first");
        assert_eq!(state(&events, kind), AlarmState::Normal);
        say("second");
        assert_eq!(state(&events, kind), AlarmState::ActiveUnacknowledged);
    }

    #[test]
    fn what_nobody_has_seen_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, _) = events();
        let run = |act: &dyn Fn(&Events)| {
            let journal = Journal::open(sightline_journal::JournalSettings {
                marker: None,
                folder: folder.path().into(),
                boot_id: uuid::Uuid::now_v7(),
                clock: clock.clone(),
                deliver: false,
                commit_every: Duration::from_millis(1),
                queue: 100,
                queue_bytes: 1 << 20,
                keep: Duration::from_secs(86_400),
                max_bytes: 1 << 30,
                check_at_most: Duration::from_secs(1),
            });
            let events = Events::new(None, clock.clone()).keeping(Some(journal.unwrap()));
            act(&events);
            let shown = events.standing();
            shown
                .iter()
                .map(|s| s.alarm.id.to_string())
                .collect::<Vec<_>>()
        };
        run(&|events| {
            events.set(AlarmKind::EngineHung.of(1), Some("hangs".into()));
            events.set(AlarmKind::CameraDown.of("cam1"), Some("down".into()));
            events.set(AlarmKind::MqttNobody, Some("low".into()));
            events.set(AlarmKind::MqttTls, Some("seen".into()));
            events.acknowledge("mqtt-tls", None, "anna").unwrap();
            events.set(AlarmKind::CameraDown.of("cam1"), None);
        });
        let left = run(&|events| {
            assert_eq!(events.effect(|_| true), AlarmEffect::None);
            let of = |id| events.state_of(id).unwrap_or("unknown");
            assert_eq!(of("engine.1.hung"), "over, unacknowledged");
            events.acknowledge("engine.1.hung", None, "ben").unwrap();
        });
        assert_eq!(left, ["camera.cam1.down"]);
        assert_eq!(run(&|_| {}), ["camera.cam1.down"], "still");
    }

    #[test]
    fn a_shelved_alarm_comes_back_as_its_condition_is_then() {
        let (clock, events) = events();
        let (kind, id) = (AlarmKind::MqttTls, "mqtt-tls");
        events.set(kind, Some("x".into()));
        let minute = Duration::from_secs(60);
        events.acknowledge(id, Some(minute), "anna").unwrap();
        let shown = events.standing();
        assert_eq!(shown[0].shelved_until, Some(UtcMicros(60_000_000)));
        assert_eq!(shown[0].by.as_deref(), Some("anna"));
        events.set(kind, None);
        events.set(kind, Some("y".into()));
        events.unshelve();
        assert_eq!(state(&events, kind), AlarmState::Shelved);
        clock.advance(minute);
        events.unshelve();
        assert_eq!(state(&events, kind), AlarmState::ActiveUnacknowledged);
        assert_eq!(events.standing()[0].by, None);
        assert!(events.take_back(id, "anna").is_err(), "it is not there");
        events.acknowledge(id, Some(minute), "anna").unwrap();
        events.take_back(id, "anna").unwrap();
        assert_eq!(state(&events, kind), AlarmState::ActiveUnacknowledged);
    }
}
