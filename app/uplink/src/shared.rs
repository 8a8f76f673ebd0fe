//! What the station's threads and the uplink's own share, under one short lock.

use crate::conditions::{Conditions, Face};
use crate::mqtt::{Message, Trouble};
use crate::outbox::Outbox;
use crate::resend::Resend;
use crate::said::Said;
use sightline_domain::{AlarmId, AlarmSeverity};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What both sides see, under one short lock.
pub(crate) struct SharedState {
    pub(crate) outbox: Outbox,
    /// Retained messages by topic suffix, and whether each has changed since it was sent.
    pub(crate) retained: BTreeMap<String, (Vec<u8>, bool)>,
    pub(crate) kpi: Option<Vec<u8>>,
    /// Messages that are said once: answers, copies of the audit trail, reviews.
    pub(crate) said: Said,
    /// Results that were asked for again, until the feeder takes it up.
    pub(crate) resend: Option<Resend>,
    pub(crate) conditions: Conditions,
    pub(crate) alarms: BTreeMap<AlarmId, AlarmSeverity>,
    pub(crate) connections: u64,
    pub(crate) stopping: bool,
}

pub(crate) struct Shared {
    state: Mutex<SharedState>,
    pub(crate) changed: Notify,
}

impl Shared {
    /// Without a journal, `outbox` results may wait.
    pub(crate) fn new(outbox: usize) -> Self {
        let state = SharedState {
            outbox: Outbox::new(outbox),
            retained: BTreeMap::new(),
            kpi: None,
            said: Said::default(),
            resend: None,
            conditions: Conditions::default(),
            alarms: BTreeMap::new(),
            connections: 0,
            stopping: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, SharedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is gone: what was in flight waits again.
    pub(crate) fn disconnected(&self) {
        let mut state = self.state();
        state.outbox.disconnected();
        state.said.disconnected();
    }

    /// Why a connection was lost or never made (`stood` is false then), and how many the broker closed in a row where that
    /// is to be told.
    pub(crate) fn lost(
        &self,
        face: Face,
        (trouble, stood): (&Trouble, bool),
        closed: Option<usize>,
        id: &str,
    ) {
        let mut state = self.state();
        state.conditions.connection(face, trouble, stood, id);
        if let Some(times) = closed {
            state.conditions.unsteady(face, times, id);
        }
    }

    /// Puts a message beside the results, an answer or a copy; the oldest go, and are told, when nobody takes them.
    pub(crate) fn say(&self, message: Message, answer: bool) {
        let mut state = self.state();
        if state.said.push(message, answer) {
            let dropped = state.said.dropped();
            state.conditions.dropped(dropped);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Waits, unless it is told to stop before. True: it does.
    pub(crate) async fn stopped_within(&self, wait: Duration) -> bool {
        let end = tokio::time::Instant::now() + wait;
        loop {
            if self.state().stopping {
                return true;
            }
            let changed = tokio::time::timeout_at(end, self.changed.notified());
            if changed.await.is_err() {
                return self.state().stopping;
            }
        }
    }
}
