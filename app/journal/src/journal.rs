//! What the station holds: a handle that takes entries without waiting, and says how far the disk is.

use crate::entry::{AuditNote, Entry, ResultEntry};
use crate::gaps::{Gap, Noted};
use crate::records::{AlarmRecord, Review};
use crate::rounds::Rounds;
use crate::state::State;
use crate::text::bounded;
use crate::writer::Writer;
use crate::{JournalError, Reader, open, schema};
use bytes::Bytes;
use sightline_domain::{Clock, InspectionResult};
use sightline_queue::{QueueSnapshot, SendError, Sender, bounded_weighed};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How the journal is kept.
#[derive(Clone)]
pub struct JournalSettings {
    /// Its folder; made if it is not there.
    pub folder: PathBuf,
    /// A second place for the numbers that were given, outside the folder: they go on should the folder be lost.
    pub marker: Option<PathBuf>,
    /// Identifies this run of the box.
    pub boot_id: Uuid,
    /// Time of the records that have none of their own.
    pub clock: Arc<dyn Clock>,
    /// Results are to be delivered: they wait until [`Journal::acknowledge`]. False: nobody fetches them.
    pub deliver: bool,
    /// Commits are at least this far apart; what comes in between goes into one.
    pub commit_every: Duration,
    /// Entries that may wait for the disk, and their bytes.
    pub queue: usize,
    /// Bytes that may wait for the disk.
    pub queue_bytes: usize,
    /// Acknowledged results are removed when the station has run so long since; never before a day.
    pub keep: Duration,
    /// Bytes the file may use; the oldest acknowledged results are removed first.
    pub max_bytes: u64,
    /// Time spent looking for damage at start.
    pub check_at_most: Duration,
}

/// How far the disk is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every stored result has a number up to this one, and is on the disk.
    pub committed_to: u64,
    /// The broker has everything up to this number, and the disk says so.
    pub acknowledged_to: u64,
    /// Results on the disk that wait for the broker.
    pub pending: u64,
    /// Results committed in this run.
    pub committed: u64,
    /// Results lost in this run because the queue was full.
    pub lost: u64,
    /// Results are being lost: the queue has been full, and the disk has not caught up since.
    pub losing: bool,
    /// Results removed in this run for lack of room before the broker had them.
    pub removed_unacknowledged: u64,
    /// There is no room for more results, and the broker has none of those that are stored.
    pub full: bool,
    /// Moves whenever gaps were noted, or somebody took note of some.
    pub gap_changes: u64,
    /// The newest link of the audit trail.
    pub links: u64,
    /// Moves when another file takes the place of the one before; whoever reads must open it anew.
    pub file: u64,
    /// Why nothing can be written at the moment.
    pub stuck: Option<String>,
    /// What was damaged and set aside in this run.
    pub set_aside: Option<String>,
}

#[derive(Default)]
pub(crate) struct WriterState {
    pub progress: Progress,
    /// Entries taken from the queue and dealt with.
    pub handled: u64,
    /// Numbers that were refused, not yet on the disk.
    pub gaps: Vec<Gap>,
    /// Entries of audit trail and alarm history that found no room, not yet said.
    pub left_out: u64,
    pub closing: bool,
}

/// Characters of an audit link's actor and action, and of every longer text, at most.
const ACTOR: usize = 80;
const ACTION: usize = 120;
const TEXT: usize = 1_000;

impl WriterState {
    /// Notes numbers without a result; what goes on where the last gap ended makes that longer.
    fn gap(&mut self, first: u64, last: u64, why: Cow<'static, str>) {
        let before = self.gaps.last_mut();
        match before.filter(|g| g.last + 1 == first && g.why == why) {
            Some(gap) => gap.last = last,
            None => self.gaps.push(Gap { first, last, why }),
        }
    }

    pub(crate) fn follow(&mut self, state: &State) {
        self.progress.committed_to = state.next_seq - 1;
        self.progress.acknowledged_to = state.acknowledged_to;
        self.progress.pending = state.pending;
    }
}

/// What handles and writer share.
#[derive(Default)]
pub(crate) struct Shared {
    desk: Mutex<WriterState>,
    pub(crate) changed: Condvar,
    pub(crate) acknowledged_to: AtomicU64,
}

impl Shared {
    pub(crate) fn desk(&self) -> MutexGuard<'_, WriterState> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, `at_most` so long.
    pub(crate) fn wait<'a>(
        &self,
        desk: MutexGuard<'a, WriterState>,
        at_most: Duration,
    ) -> MutexGuard<'a, WriterState> {
        let woken = self.changed.wait_timeout(desk, at_most);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The journal at work. Clones write to the same one; the last to go waits for the writer to finish.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    queue: Option<Sender<Entry>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    settings: JournalSettings,
    first_seq: u64,
}

impl Journal {
    /// Opens the journal of a folder, or begins one. A damaged one is set aside ([`Progress::set_aside`]).
    ///
    /// # Errors
    /// The folder cannot be written, or another process writes it.
    pub fn open(settings: JournalSettings) -> Result<Self, JournalError> {
        let (mut inner, writer) = Self::prepare(settings)?;
        let writer = std::thread::Builder::new()
            .name("sl-journal".into())
            .spawn(move || {
                sightline_threads::deliver();
                writer.run()
            })
            .map_err(|source| JournalError::Thread { source })?;
        inner.writer = Some(writer);
        Ok(Self(Arc::new(inner)))
    }

    /// The same without a thread: what is handed over is written in [`Rounds::turn`], whenever the caller says so.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_in_rounds(settings: JournalSettings) -> Result<(Self, Rounds), JournalError> {
        let (inner, writer) = Self::prepare(settings)?;
        Ok((Self(Arc::new(inner)), Rounds::new(writer)))
    }

    fn prepare(settings: JournalSettings) -> Result<(Inner, Writer), JournalError> {
        let files = open::open(&settings)?;
        let shared = Arc::new(Shared::default());
        let state = files.state;
        shared
            .acknowledged_to
            .store(state.acknowledged_to, Ordering::Relaxed);
        let mut desk = shared.desk();
        desk.follow(&state);
        desk.progress.set_aside.clone_from(&files.set_aside);
        desk.progress.links = files.store.as_ref().map_or(0, |store| store.head().id);
        drop(desk);
        let (queue, entries) = bounded_weighed(
            "journal",
            settings.queue,
            settings.queue_bytes,
            Entry::weight,
        );
        let writer = Writer::new(files, settings.clone(), entries, shared.clone());
        let inner = Inner {
            queue: Some(queue),
            writer: None,
            shared,
            settings,
            first_seq: state.next_seq,
        };
        Ok((inner, writer))
    }

    /// The number of this run's first result.
    pub fn first_seq(&self) -> u64 {
        self.0.first_seq
    }

    /// Hands a result over to be committed. Never waits.
    ///
    /// # Errors
    /// The queue is full: the result is lost, which the journal notes under its number. Or its time is not one.
    pub fn submit(&self, result: &InspectionResult, json: Bytes) -> Result<(), JournalError> {
        let entry = ResultEntry::new(result, json);
        let put = entry.and_then(|entry| self.put(Entry::Result(Box::new(entry))));
        put.inspect_err(|error| {
            let why = match error {
                JournalError::Time { .. } => "its time could not be read",
                _ => "the journal's queue was full",
            };
            self.lost(result.seq, why);
        })
    }

    /// Notes a number that will have no row.
    fn lost(&self, seq: u64, why: &'static str) {
        let mut desk = self.0.shared.desk();
        desk.progress.lost += 1;
        desk.progress.losing = true;
        desk.gap(seq, seq, why.into());
    }

    /// Notes numbers whose results cannot be delivered: they are damaged, or not there. It is written with the next commit,
    /// before any acknowledgement that comes later.
    pub fn note_gap(&self, first: u64, last: u64, why: String) {
        self.0.shared.desk().gap(first, last, why.into());
    }

    /// `by` has taken note of every gap that lies within these numbers: it need not be told any more. Never waits.
    ///
    /// # Errors
    /// The queue is full, or the writer has ended.
    pub fn take_note(&self, first: u64, last: u64, by: &str) -> Result<(), JournalError> {
        self.put(Entry::Noted(Noted {
            first,
            last,
            by: bounded(by, ACTOR),
        }))
    }

    /// Adds a link to the audit trail: who did what, from what to what, and why. Never waits. What is too long is cut, what
    /// cannot be seen is escaped.
    ///
    /// # Errors
    /// A quarter of the queue is in use: results go first. It is counted, and said in the trail. Or the writer has ended.
    pub fn audit(
        &self,
        actor: &str,
        action: &str,
        old: Option<&str>,
        new: Option<&str>,
        reason: &str,
    ) -> Result<(), JournalError> {
        self.put(Entry::Audit(AuditNote {
            at: self.0.settings.clock.utc(),
            actor: bounded(actor, ACTOR),
            action: bounded(action, ACTION),
            old: old.map(|text| bounded(text, TEXT)),
            new: new.map(|text| bounded(text, TEXT)),
            reason: bounded(reason, TEXT),
        }))
    }

    /// Keeps a change of an alarm. Never waits.
    ///
    /// # Errors
    /// The queue is full, or the writer has ended.
    pub fn alarm(&self, mut alarm: AlarmRecord) -> Result<(), JournalError> {
        alarm.alarm = bounded(&alarm.alarm, ACTION);
        alarm.message = bounded(&alarm.message, TEXT);
        self.put(Entry::Alarm(alarm))
    }

    /// Keeps a person's re-judgement of a stored result; `id` and `at` are filled in. Never waits.
    ///
    /// # Errors
    /// The queue is full, or the writer has ended.
    pub fn review(&self, mut review: Review) -> Result<(), JournalError> {
        review.at = self.0.settings.clock.utc();
        review.by = bounded(&review.by, ACTOR);
        review.comment = bounded(&review.comment, TEXT);
        self.put(Entry::Review(review))
    }

    fn put(&self, entry: Entry) -> Result<(), JournalError> {
        let queue = self.0.queue.as_ref().ok_or(JournalError::Closed)?;
        if let Some(share) = entry.share() {
            let fill = queue.gauge().snapshot();
            let heavy = fill.max_bytes.is_some_and(|max| fill.bytes * share > max);
            if fill.len * share > fill.capacity || heavy {
                self.0.shared.desk().left_out += 1;
                return Err(JournalError::Full { waiting: fill.len });
            }
        }
        queue.try_send(entry).map_err(|refused| match refused {
            SendError::Closed(_) => JournalError::Closed,
            _ => JournalError::Full {
                waiting: queue.gauge().snapshot().len,
            },
        })
    }

    /// The broker has every result up to `seq`. Written with the next commit, at the latest after 200 ms.
    pub fn acknowledge(&self, seq: u64) {
        self.0
            .shared
            .acknowledged_to
            .fetch_max(seq, Ordering::Relaxed);
    }

    /// How far the disk is.
    pub fn progress(&self) -> Progress {
        self.0.shared.desk().progress.clone()
    }

    /// Waits until a result above `seq` is committed, `at_most` so long. Returns the highest committed number.
    pub fn wait_committed(&self, seq: u64, at_most: Duration) -> u64 {
        let end = Instant::now() + at_most;
        let mut desk = self.0.shared.desk();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if desk.progress.committed_to > seq || left.is_zero() {
                return desk.progress.committed_to;
            }
            desk = self.0.shared.wait(desk, left);
        }
    }

    /// Waits until everything handed over so far is on the disk, `at_most` so long. False: it is not.
    pub fn flush(&self, at_most: Duration) -> bool {
        let handed_over = self.queue().sent;
        let end = Instant::now() + at_most;
        let mut desk = self.0.shared.desk();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if desk.handled >= handed_over || left.is_zero() {
                return desk.handled >= handed_over;
            }
            desk = self.0.shared.wait(desk, left);
        }
    }

    /// Fill of the queue before the disk.
    pub fn queue(&self) -> QueueSnapshot {
        let queue = self.0.queue.as_ref().expect("open until dropped");
        queue.gauge().snapshot()
    }

    /// A reader with its own connection; it never disturbs the writer.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> Result<Reader, JournalError> {
        Reader::open_file(&self.0.settings.folder.join(schema::FILE))
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder = &self.0.settings.folder;
        f.debug_struct("Journal")
            .field("folder", folder)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.desk().closing = true;
        self.shared.changed.notify_all();
        self.queue = None;
        if self.writer.take().is_some_and(|w| w.join().is_err()) {
            tracing::error!("the journal's thread panicked; results after that were not stored");
        }
    }
}
