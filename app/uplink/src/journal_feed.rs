//! From the journal into the outbox's window: only what is committed is ever sent, because it is read back from there.
//!
//! A thread of its own, so that neither the disk nor the unpacking of bodies ever stands between an alarm and the
//! broker, or under the lock that the inspection takes.

use crate::UplinkError;
use crate::backlog::{self, Turn};
use crate::outbox::Outgoing;
use crate::resend::Resend;
use crate::shared::Shared;
use sightline_journal::{Journal, JournalError, Reader, Record, StoredResult};
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
pub(crate) struct JournalCursor {
    journal: Journal,
    feeder: Thread,
}

impl JournalCursor {
    pub(crate) fn new(journal: Journal, feeder: Thread) -> Self {
        Self { journal, feeder }
    }

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
        let mut feeder = Feeder::new(journal.clone(), shared.clone(), inspecting)?;
        // The outbox is a window onto the journal before the feeder sees it.
        let mut state = shared.state();
        // What lies there now is late, however soon the connection was made.
        state.outbox.late_to = progress.committed_to;
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
        state
            .outbox
            .over(JournalCursor::new(journal.clone(), thread.thread().clone()));
        drop(state);
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
        self.shared.state().outbox.release();
    }
}

/// What there is to wait for after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// The next commit.
    Done,
    /// Parts under inspection.
    GivesWay,
    /// Acknowledgements.
    NoRoom,
    /// A journal that can be read.
    Unreadable,
}

pub(crate) struct Feeder {
    journal: Journal,
    reader: Reader,
    /// Which of the journal's files it reads.
    file: u64,
    /// Everything up to here is in the window or retired.
    read_to: u64,
    shared: Arc<Shared>,
    turn: Turn,
    /// What is sent again on demand.
    resend: Option<Resend>,
}

impl Feeder {
    /// Begins behind what the broker has.
    pub(crate) fn new(
        journal: Journal,
        shared: Arc<Shared>,
        inspecting: Arc<AtomicUsize>,
    ) -> Result<Self, JournalError> {
        let progress = journal.progress();
        Ok(Self {
            reader: journal.reader()?,
            journal,
            file: progress.file,
            read_to: progress.acknowledged_to,
            shared,
            turn: Turn::new(inspecting),
            resend: None,
        })
    }

    fn run(&mut self) {
        loop {
            let committed_to = self.journal.wait_committed(self.read_to, LOOK);
            if self.shared.state().stopping {
                return;
            }
            match self.round(committed_to, Instant::now()) {
                Round::Done => {}
                Round::GivesWay => std::thread::sleep(backlog::LOOK),
                Round::NoRoom => std::thread::park_timeout(LOOK),
                Round::Unreadable => std::thread::park_timeout(RETRY),
            }
        }
    }

    /// Moves what was committed up to `committed_to` into the window, as much as there is room for and one reading gives.
    pub(crate) fn round(&mut self, committed_to: u64, now: Instant) -> Round {
        let mut state = self.shared.state();
        state.outbox.made(committed_to);
        let room = state.outbox.room().min(CHUNK);
        let asked = state.resend.take();
        drop(state);
        self.resend = asked.or(self.resend.take());
        self.send_again(now);
        if committed_to <= self.read_to {
            return Round::Done;
        }
        if room == 0 {
            return Round::NoRoom;
        }
        let behind = committed_to - self.read_to > backlog::HELPING as u64;
        if behind && !self.turn.has_come(now) {
            return Round::GivesWay;
        }
        match self.read(room, committed_to) {
            Ok(next) => self.hand_over(next),
            Err(error) => {
                tracing::error!(%error, "results wait in the journal");
                return Round::Unreadable;
            }
        }
        Round::Done
    }

    /// What comes next, up to `committed_to`. A number that has no sound result is noted as a gap, which is told: it cannot
    /// be sent, and those after it must not wait.
    fn read(&mut self, limit: usize, committed_to: u64) -> Result<Next, JournalError> {
        self.follow_file()?;
        let records = self.reader.records_after(self.read_to, limit)?;
        // Numbers without a row, up to what was committed when this was asked, never get one.
        let up_to = match records.last() {
            Some(last) if records.len() >= limit => last.seq(),
            _ => committed_to,
        };
        let (mut results, mut expected) = (Vec::new(), self.read_to + 1);
        for record in records {
            self.note_absent(expected, record.seq());
            expected = record.seq() + 1;
            match record {
                Record::Sound(result) => results.push(result),
                Record::Damaged { seq, why } => {
                    tracing::error!(seq, why, "a stored result is damaged; its number is told");
                    self.journal
                        .note_gap(seq, seq, format!("the stored result is damaged: {why}"));
                }
            }
        }
        self.note_absent(expected, up_to + 1);
        Ok(Next { results, up_to })
    }

    /// The file under the reader may no longer be the journal.
    fn follow_file(&mut self) -> Result<(), JournalError> {
        let file = self.journal.progress().file;
        if file != self.file {
            self.reader = self.journal.reader()?;
            self.file = file;
        }
        Ok(())
    }

    /// Numbers of `from..to` are not in the journal. Those that are noted already stay as they are.
    fn note_absent(&self, from: u64, to: u64) {
        if from < to {
            let why = "the result is not in the journal";
            self.journal.note_gap(from, to - 1, why.into());
        }
    }

    /// A little of what was asked for again.
    fn send_again(&mut self, now: Instant) {
        if self.resend.is_some()
            && let Err(error) = self.follow_file()
        {
            tracing::error!(%error, "what was asked for again waits");
            return;
        }
        let Some(resend) = &mut self.resend else {
            return;
        };
        let more = resend.send(&self.reader, &self.shared, now);
        if !more {
            self.resend = None;
        }
    }

    /// Puts results into the window, as many as it takes, and reads the rest again: the broker's word for a later one
    /// retires those before it, so none may be passed over.
    fn hand_over(&mut self, next: Next) {
        let mut state = self.shared.state();
        let room = state.outbox.room();
        let all = next.results.len() <= room;
        for StoredResult { seq, json, .. } in next.results.into_iter().take(room) {
            state.outbox.put(Outgoing { seq, json });
            self.read_to = seq;
        }
        drop(state);
        if all {
            self.read_to = self.read_to.max(next.up_to);
        }
        self.shared.changed.notify_one();
    }
}

/// Results as they follow in the journal. Behind them, there are none up to `up_to`.
struct Next {
    results: Vec<StoredResult>,
    up_to: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal_parts::{PATIENCE, good, open, submit};
    use crate::outbox::WINDOW;
    use std::ops::RangeInclusive;

    /// A journal with results 1 to `n`.
    fn journal(folder: &std::path::Path, n: u64) -> Journal {
        let journal = open(folder);
        (1..=n).for_each(|seq| submit(&journal, &good(seq)));
        assert!(journal.flush(PATIENCE));
        journal
    }

    /// A feeder of a journal with results 1 to `n`, whose window takes `room`.
    fn feeder(folder: &std::path::Path, n: u64, room: usize) -> Feeder {
        let journal = journal(folder, n);
        Feeder {
            reader: journal.reader().unwrap(),
            journal,
            file: 0,
            read_to: 0,
            shared: Arc::new(Shared::new(room)),
            turn: Turn::new(Arc::default()),
            resend: None,
        }
    }

    /// Sends what is in the window, has it acknowledged, and says what it was.
    fn deliver(shared: &Shared) -> Vec<u64> {
        let mut state = shared.state();
        let sent: Vec<u64> = std::iter::from_fn(|| state.outbox.next())
            .map(|item| item.seq)
            .collect();
        for seq in &sent {
            state.outbox.acknowledge(*seq);
        }
        sent
    }

    fn numbers(range: RangeInclusive<u64>) -> Vec<u64> {
        range.collect()
    }

    #[test]
    fn what_the_window_does_not_take_is_read_again_and_never_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut feeder = feeder(folder.path(), 10, 4);
        // All ten are read, and there are no more, so that what lies behind them counts as well.
        let next = feeder.read(100, 10).unwrap();
        assert_eq!((next.results.len(), next.up_to), (10, 10));
        feeder.hand_over(next);
        assert_eq!(feeder.read_to, 4);
        assert_eq!(deliver(&feeder.shared), numbers(1..=4));
        let next = feeder.read(3, 10).unwrap();
        feeder.hand_over(next);
        assert_eq!(deliver(&feeder.shared), numbers(5..=7));
        let next = feeder.read(100, 10).unwrap();
        feeder.hand_over(next);
        assert_eq!(deliver(&feeder.shared), numbers(8..=10));
        assert_eq!(feeder.read_to, 10);
    }

    #[test]
    fn a_run_that_begins_with_more_than_the_window_takes_sends_all_of_it() {
        const N: u64 = 3 * WINDOW as u64;
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::new(100 * WINDOW));
        let journal = journal(folder.path(), N);
        let feed = Feed::start(journal, shared.clone(), Arc::default()).unwrap();
        let (mut sent, begin) = (Vec::new(), Instant::now());
        while sent.last() != Some(&N) && begin.elapsed() < PATIENCE {
            let now = deliver(&shared);
            assert!(now.len() <= WINDOW, "{}", now.len());
            sent.extend(now);
        }
        shared.state().stopping = true;
        drop(feed);
        assert_eq!(sent, numbers(1..=N));
    }
}
