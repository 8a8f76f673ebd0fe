//! From the journal into the outbox's window: only what is committed is ever sent, because it is read back from there.
//!
//! A thread of its own, so that neither the disk nor the unpacking of bodies ever stands between an alarm and the
//! broker, or under the lock that the inspection takes.

use crate::UplinkError;
use crate::backlog::{self, Turn};
use crate::desk::Shared;
use crate::outbox::Outgoing;
use sightline_journal::{Journal, JournalError, Reader, StoredResult};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// Results read at a time, at most.
const CHUNK: usize = 256;
/// The stop flag is looked at so often.
const LOOK: Duration = Duration::from_millis(100);
/// Waits between attempts to read a journal that cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// What the outbox needs of the journal: to retire, and to ask for more.
#[derive(Debug)]
pub(crate) struct Tap {
    journal: Journal,
    feeder: Thread,
}

impl Tap {
    /// The broker has everything up to `seq`; the window has `room`.
    pub(crate) fn retire(&self, seq: u64, room: usize) {
        self.journal.acknowledge(seq);
        if room >= CHUNK {
            self.feeder.unpark();
        }
    }
}

/// Results of this and of earlier runs that were stored and not acknowledged when the run began, or came since.
pub(crate) struct Stored {
    pub total: u64,
    pub carried: u64,
}

/// The feeding thread; ends when dropped after the uplink was told to stop.
pub(crate) struct Feed {
    journal: Journal,
    carried: u64,
    committed_before: u64,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    pub(crate) fn start(
        journal: Journal,
        shared: Arc<Shared>,
        inspecting: Arc<AtomicUsize>,
    ) -> Result<Self, UplinkError> {
        let progress = journal.progress();
        let mut feeder = Feeder {
            reader: journal.reader()?,
            journal: journal.clone(),
            set_aside: progress.set_aside,
            read_to: progress.acknowledged_to,
            shared: shared.clone(),
            turn: Turn::new(inspecting),
        };
        // What lies there now is late, however soon the connection was made.
        shared.desk().outbox.late_to = progress.committed_to;
        let thread = std::thread::Builder::new()
            .name("sl-outbox".into())
            .spawn(move || {
                sightline_threads::deliver();
                feeder.run()
            })
            .map_err(|source| UplinkError::Thread {
                name: "sl-outbox",
                source,
            })?;
        shared.desk().outbox.over(Tap {
            journal: journal.clone(),
            feeder: thread.thread().clone(),
        });
        Ok(Self {
            journal,
            carried: progress.pending,
            committed_before: progress.committed,
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn stored(&self) -> Stored {
        let progress = self.journal.progress();
        let since = progress.committed - self.committed_before;
        Stored {
            total: (self.carried + since).saturating_sub(progress.removed_unacknowledged),
            carried: self.carried,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("the outbox's thread panicked; later results wait in the journal");
        }
        self.shared.desk().outbox.release();
    }
}

struct Feeder {
    journal: Journal,
    reader: Reader,
    set_aside: Option<String>,
    /// Everything up to here is in the window or retired.
    read_to: u64,
    shared: Arc<Shared>,
    turn: Turn,
}

impl Feeder {
    fn run(&mut self) {
        loop {
            let committed_to = self.journal.wait_committed(self.read_to, LOOK);
            let mut desk = self.shared.desk();
            if desk.stopping {
                return;
            }
            desk.outbox.made(committed_to);
            let room = desk.outbox.room().min(CHUNK);
            drop(desk);
            if committed_to <= self.read_to {
                continue;
            }
            if room == 0 {
                std::thread::park_timeout(LOOK);
                continue;
            }
            let behind = committed_to - self.read_to > backlog::HELPING as u64;
            if behind && !self.turn.has_come(Instant::now()) {
                std::thread::sleep(backlog::LOOK);
                continue;
            }
            match self.read(room, committed_to) {
                Ok(results) => self.hand_over(results),
                Err(error) => {
                    tracing::error!(%error, "results wait in the journal");
                    std::thread::park_timeout(RETRY);
                }
            }
        }
    }

    /// What comes next, up to `committed_to`. A result that is damaged is passed over: it cannot be sent, and those
    /// after it must not wait for it.
    fn read(&mut self, limit: usize, committed_to: u64) -> Result<Vec<StoredResult>, JournalError> {
        let progress = self.journal.progress();
        if progress.set_aside != self.set_aside {
            // The file under the reader is no longer the journal.
            self.reader = self.journal.reader()?;
            self.set_aside = progress.set_aside;
        }
        match self.reader.results_after(self.read_to, limit) {
            Err(JournalError::Body { .. }) => self.read_one(),
            Ok(found) => {
                if found.len() < limit {
                    // Numbers without a row, up to what was committed when this was asked, never get one.
                    self.read_to = self.read_to.max(committed_to);
                }
                Ok(found)
            }
            Err(error) => Err(error),
        }
    }

    /// The next result alone, or none if that is the damaged one.
    fn read_one(&mut self) -> Result<Vec<StoredResult>, JournalError> {
        match self.reader.results_after(self.read_to, 1) {
            Err(error @ JournalError::Body { seq, .. }) => {
                tracing::error!(%error, "it is not sent");
                self.read_to = seq;
                Ok(Vec::new())
            }
            found => found,
        }
    }

    fn hand_over(&mut self, results: Vec<StoredResult>) {
        let Some(last) = results.last().map(|r| r.seq) else {
            return;
        };
        self.read_to = self.read_to.max(last);
        let mut desk = self.shared.desk();
        for StoredResult { seq, json, .. } in results {
            // Nobody else fills the window, so there is the room that was asked for.
            if desk.outbox.push(Outgoing { seq, json }).is_err() {
                tracing::error!(
                    seq,
                    "the outbox's window is full; the result waits for a restart"
                );
            }
        }
        drop(desk);
        self.shared.changed.notify_one();
    }
}
