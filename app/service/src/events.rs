//! What people must know: alarms go to the log, to the MES, and stay in a list as long as they are active.

use sightline_flow::FlowEvents;
use sightline_journal::{AlarmChange, AlarmRecord, Journal};
use sightline_model::{Alarm, AlarmId, AlarmSeverity, Clock, Generation};
use sightline_uplink::Uplink;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The alarm list.
pub struct Events {
    uplink: Option<Arc<Uplink>>,
    clock: Arc<dyn Clock>,
    list: Mutex<BTreeMap<AlarmId, Alarm>>,
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

    fn keep(&self, alarm: &Alarm) {
        let Some(journal) = &self.journal else {
            return;
        };
        let change = match alarm.active {
            true => AlarmChange::Raised,
            false => AlarmChange::Cleared,
        };
        let kept = journal.alarm(AlarmRecord {
            at: alarm.since,
            alarm: alarm.id.0.to_string(),
            change,
            severity: alarm.severity,
            by: None,
            message: alarm.message.clone(),
        });
        if let Err(error) = kept {
            tracing::error!(%error, id = %alarm.id.0, "an alarm is missing from the history");
        }
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<AlarmId, Alarm>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings alarm `id` to the state `raised`; a message that stays the same is not told again.
    pub fn set(&self, id: String, severity: AlarmSeverity, raised: Option<String>) {
        let id = AlarmId(id.into());
        let is_active = self.list().get(&id).is_some_and(|a| a.active);
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
        self.list().values().cloned().collect()
    }
}

impl FlowEvents for Events {
    fn alarm(&self, alarm: Alarm) {
        if alarm.active {
            tracing::warn!(id = %alarm.id.0, severity = ?alarm.severity, "ALARM {}", alarm.message);
        } else {
            tracing::warn!(id = %alarm.id.0, "alarm over");
        }
        self.keep(&alarm);
        if let Some(uplink) = &self.uplink {
            uplink.alarm(&alarm);
        }
        let mut list = self.list();
        // A cleared alarm keeps its text: what it was about is what people ask afterwards.
        let message = match list.get(&alarm.id) {
            Some(before) if !alarm.active => before.message.clone(),
            _ => alarm.message.clone(),
        };
        list.insert(alarm.id.clone(), Alarm { message, ..alarm });
    }

    fn generation_active(&self, generation: Generation) {
        tracing::info!(%generation, "generation inspects");
    }

    fn generation_retired(&self, generation: Generation) {
        tracing::info!(%generation, "generation retired");
    }
}
