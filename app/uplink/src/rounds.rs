//! The way of results to the broker without threads and sockets: whoever holds it brings the time along and is the broker.
//! The same reading of the journal, outbox, messages beside the results and refusals as in `thread.rs` and `client.rs`.

use crate::UplinkError;
use crate::journal_feed::{Feeder, JournalCursor};
use crate::mqtt::Message;
use crate::outbox::{Outgoing, WINDOW};
use crate::refusals::{self, Refusals};
use crate::settings::Patience;
use crate::shared::Shared;
use sightline_journal::Journal;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

/// The station's name on topics.
const ROOT: &str = "station";

/// Results and messages on their way, a round at a time.
pub struct Rounds {
    journal: Journal,
    shared: Arc<Shared>,
    feeder: Feeder,
    refusals: Refusals,
}

impl Rounds {
    /// Over what `journal` has and the broker has not; `inspecting` counts the parts a backlog gives way to.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn over(journal: Journal, inspecting: Arc<AtomicUsize>) -> Result<Self, UplinkError> {
        let shared = Arc::new(Shared::new(WINDOW));
        let feeder = Feeder::new(journal.clone(), shared.clone(), inspecting)?;
        let mut state = shared.state();
        state.outbox.late_to = journal.progress().committed_to;
        let here = std::thread::current();
        state.outbox.over(JournalCursor::new(journal.clone(), here));
        drop(state);
        Ok(Self {
            journal,
            shared,
            feeder,
            refusals: Refusals::new(&Patience::default()),
        })
    }

    /// Reads on in the journal.
    pub fn turn(&mut self, now: Instant) {
        let committed_to = self.journal.progress().committed_to;
        self.feeder.round(committed_to, now);
    }

    /// A connection stands.
    pub fn connected(&mut self) {
        self.shared.state().outbox.connected = true;
    }

    /// It is gone: what was not acknowledged is sent again.
    pub fn disconnected(&mut self) {
        self.shared.disconnected();
        self.refusals.disconnected();
    }

    /// The next result to send.
    pub fn next_result(&mut self) -> Option<Outgoing> {
        self.shared.state().outbox.next()
    }

    /// The broker has result `seq`.
    pub fn acknowledged(&mut self, seq: u64) {
        self.shared.state().outbox.acknowledge(seq);
    }

    /// The broker said no to a result: everything that is not acknowledged is sent again, in order.
    pub fn refused(&mut self) {
        let mut state = self.shared.state();
        state.outbox.disconnected();
        state.outbox.connected = true;
    }

    /// Says something once beside the results, such as a copy of the audit trail; `answer`: to a command.
    pub fn say(&mut self, suffix: &str, payload: Vec<u8>, answer: bool) {
        let topic = format!("{ROOT}/{suffix}");
        self.shared.say(Message::new(topic, payload), answer);
    }

    /// The next of those that may be sent now: its number, topic and payload.
    pub fn next_said(&mut self, now: Instant) -> Option<(u64, String, bytes::Bytes)> {
        let (refusals, now) = (&mut self.refusals, tokio::time::Instant::from_std(now));
        let next = self.shared.state().said.next(|message| {
            let group = refusals::group(ROOT, &message.topic);
            refusals.may(&group, &message.topic, now)
        });
        next.map(|(id, message)| (id, message.topic, message.payload))
    }

    /// The broker has message `id`.
    pub fn said_taken(&mut self, id: u64, topic: &str) {
        self.refusals.taken(&refusals::group(ROOT, topic), topic);
        self.shared.state().said.acknowledged(id);
    }

    /// The broker said no to message `id`.
    pub fn said_refused(&mut self, id: u64, topic: &str, now: Instant) {
        let now = tokio::time::Instant::from_std(now);
        self.refusals
            .refused(&refusals::group(ROOT, topic), topic, now);
        self.shared.state().said.refused(id);
    }

    /// Results in the window, and messages beside them, that wait for their acknowledgement.
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.shared.state();
        (state.outbox.pending(), state.said.pending())
    }
}
