//! Results that were asked for again: read from the journal a few at a time and sent beside the outbox, marked as replayed.

use crate::mqtt::Message;
use crate::outbox;
use crate::shared::Shared;
use sightline_journal::{Reader, Record};
use std::time::{Duration, Instant};

/// So many a second at most, so that fresh results are not held up.
pub(crate) const PER_SECOND: usize = 200;
/// They go in portions.
const PORTION: usize = PER_SECOND / 4;
const EVERY: Duration = Duration::from_millis(250);
/// While so many messages wait beside the results, none is added.
const WAITING: usize = 256;

/// What is left of a request.
#[derive(Debug)]
pub(crate) struct Resend {
    /// The next number.
    next: u64,
    last: u64,
    topic: String,
    due: Instant,
}

impl Resend {
    pub(crate) fn new(first: u64, last: u64, topic: String) -> Self {
        Self {
            next: first,
            last,
            topic,
            due: Instant::now(),
        }
    }

    /// Sends a portion if it is time. False: nothing is left.
    pub(crate) fn send(&mut self, reader: &Reader, shared: &Shared, now: Instant) -> bool {
        let state = shared.state();
        let free = state.outbox.connected && state.said.pending() < WAITING;
        drop(state);
        if now < self.due || !free {
            return true;
        }
        self.due = now + EVERY;
        let records = match reader.records_after(self.next - 1, PORTION) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "what was asked for again cannot be read");
                return false;
            }
        };
        let whole = records.len() < PORTION;
        for record in records {
            if record.seq() > self.last {
                return false;
            }
            self.next = record.seq() + 1;
            if let Record::Sound(result) = record {
                let json = outbox::replayed(&result.json);
                shared.say(Message::new(self.topic.clone(), json), false);
            }
        }
        !whole && self.next <= self.last
    }
}
