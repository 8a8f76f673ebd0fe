//! Where results go from the flow: first to the journal (or, without one, to the uplink), then to whoever watches (terminal, truth book, replay).

use super::line::Line;
use crate::alarms::list::Events;
use crate::alarms::plausibility::{Doubt, Plausibility};
use crate::control::Control;
use sightline_console_host::ConsoleContext;
use sightline_domain::{AlarmKind, InspectionResult};
use sightline_flow::ResultSink;
use sightline_journal::Journal;
use sightline_uplink::Uplink;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Results for the watcher. When full, the oldest go: a slow terminal never holds the line up.
pub struct Mailbox {
    waiting: Mutex<VecDeque<(InspectionResult, bytes::Bytes)>>,
    bound: usize,
}

impl Mailbox {
    pub fn new(bound: usize) -> Self {
        Self {
            waiting: Mutex::new(VecDeque::new()),
            bound,
        }
    }

    /// Everything that came since the last call.
    pub fn take(&self) -> VecDeque<(InspectionResult, bytes::Bytes)> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Told of every result at once, on the flow's result thread: must be quick.
pub type OnResult = Box<dyn FnMut(&InspectionResult) + Send>;

/// The flow's sink.
pub struct Results {
    pub journal: Option<Journal>,
    /// Hears of results from the journal, where there is one.
    pub uplink: Option<Arc<Uplink>>,
    pub events: Arc<Events>,
    /// Its truth book learns what was decided.
    pub line: Option<Arc<dyn Line>>,
    pub mailbox: Option<Arc<Mailbox>>,
    pub on_result: Option<OnResult>,
    /// Writes down what became of challenge parts.
    pub control: Option<Arc<Control>>,
    /// Consoles show it.
    pub consoles: Option<Arc<ConsoleContext>>,
    /// Says what cannot be true.
    pub plausibility: Plausibility,
}

impl ResultSink for Results {
    fn submit(&mut self, result: InspectionResult, bytes: Box<[u8]>) {
        let json = bytes::Bytes::from(bytes);
        if let Some(uplink) = &self.uplink {
            uplink.observe(&result);
        }
        if let Some(journal) = &self.journal {
            // The journal counts what it cannot take, and the watch raises the alarm.
            if let Err(error) = journal.submit(&result, json.clone()) {
                tracing::error!(seq = result.seq, %error, "a result is lost");
            }
        } else if let Some(uplink) = &self.uplink {
            // The watch says when there is room again, which may be before the next result.
            if let Err(full) = uplink.submit(result.seq, json.clone()) {
                let full = Some(full.to_string());
                self.events.set(AlarmKind::OutboxFull, full);
            }
        }
        if let Some(line) = &self.line {
            line.decided(&result);
        }
        self.plausibility.take(&result);
        for doubt in Doubt::ALL {
            let kind = match doubt {
                Doubt::Undecided => AlarmKind::PartsUndecided,
                Doubt::Nothing => AlarmKind::ModelFindsNothing,
                Doubt::Alike => AlarmKind::ModelAlike,
            };
            self.events.set(kind, self.plausibility.doubt(doubt));
        }
        if let Some(on_result) = &mut self.on_result {
            on_result(&result);
        }
        if let Some(control) = &self.control {
            control.challenged(&result);
        }
        if let Some(consoles) = &self.consoles {
            consoles.told(&result);
        }
        if let Some(mailbox) = &self.mailbox {
            let mut waiting = mailbox
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= mailbox.bound {
                waiting.pop_front();
            }
            waiting.push_back((result, json));
        }
    }
}
