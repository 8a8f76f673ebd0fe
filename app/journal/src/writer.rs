//! The one thread that writes: takes what has come, commits it together, and cleans up a little at a time.

use crate::JournalError;
use crate::entry::{AuditNote, Entry};
use crate::gaps::Gap;
use crate::journal::{JournalSettings, Shared};
use crate::open::{self, Files, Lost};
use crate::retention::{self, Limits, Swept};
use crate::store::Batch;
use crate::{Reader, schema, seal};
use sightline_domain::MonoTime;
use sightline_queue::{Receiver, RecvTimeout};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Without entries, acknowledgements are written so often.
const TICK: Duration = Duration::from_millis(200);
/// Entries and bytes of one commit, at most.
pub(crate) const MAX_BATCH: usize = 2_000;
const MAX_BATCH_BYTES: usize = 16 << 20;
/// Waits between attempts when the disk takes nothing.
const RETRY: Duration = Duration::from_secs(1);
/// Old results are removed so often, a few at a time.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether the file is still where it was.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The journal grows older by this at most between two looks at the clock: a clock that jumps, even a monotonic one (a
/// machine that was suspended, a faked one), ages nothing.
const OLDER_AT_MOST: Duration = Duration::from_secs(10);
/// Results are sealed after this time if there are not enough of them before, µs.
const SEAL_US: u64 = 3_600_000_000;

pub(crate) struct Writer {
    pub(crate) files: Files,
    settings: JournalSettings,
    pub(crate) entries: Receiver<Entry>,
    shared: Arc<Shared>,
    pub(crate) batch: Vec<Entry>,
    last_commit: Instant,
    aged_at: MonoTime,
    sealed_at_us: u64,
    pub(crate) next_look: Instant,
    /// A file that cannot be written any more; the next is not begun yet.
    lost: Option<Lost>,
}

impl Writer {
    pub(crate) fn new(
        files: Files,
        settings: JournalSettings,
        entries: Receiver<Entry>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            aged_at: settings.clock.now(),
            sealed_at_us: files.state.age_us,
            files,
            settings,
            entries,
            shared,
            batch: Vec::new(),
            last_commit: Instant::now(),
            next_look: Instant::now() + LOOK_EVERY,
            lost: None,
        }
    }

    /// Runs until every handle is gone and everything is written, or cannot be.
    pub(crate) fn run(mut self) {
        let mut next_sweep = Instant::now();
        loop {
            let open = self.collect();
            self.grow_older();
            self.look_for_file();
            self.commit_at_last();
            if Instant::now() >= next_sweep {
                self.sweep();
                next_sweep = Instant::now() + SWEEP_EVERY;
            }
            if !open && self.batch.is_empty() {
                self.files.numbers.close();
                return;
            }
        }
    }

    /// Takes what belongs into one commit. False when nothing more will come.
    fn collect(&mut self) -> bool {
        let mut bytes = 0;
        // At a low rate the first entry's commit begins at once; at a high rate commits keep their distance.
        let mut deadline = Instant::now() + TICK;
        while self.batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            match self.entries.recv_deadline(deadline) {
                Ok(entry) => {
                    bytes += entry.weight();
                    self.batch.push(entry);
                    deadline = self.last_commit + self.settings.commit_every;
                }
                Err(RecvTimeout::Timeout) => break,
                Err(RecvTimeout::Closed) => return false,
            }
        }
        true
    }

    pub(crate) fn grow_older(&mut self) {
        let now = self.settings.clock.now();
        let older = now.since(self.aged_at).min(OLDER_AT_MOST);
        self.aged_at = now;
        if let Some(store) = &mut self.files.store {
            store.age_us = store.age_us.saturating_add(older.as_micros() as u64);
        }
    }

    /// A file that was deleted or replaced takes what is written and keeps nothing.
    pub(crate) fn look_for_file(&mut self) {
        if Instant::now() < self.next_look {
            return;
        }
        self.next_look = Instant::now() + LOOK_EVERY;
        let there = match open::place(&self.settings.folder) {
            Ok(place) => Some(place),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // A disk that does not answer is no file that is gone.
            Err(_) => return,
        };
        if there.is_some() && there == self.files.place {
            return;
        }
        let Some(store) = self.files.store.take() else {
            return;
        };
        let why = match there {
            None => "its file deleted while the station ran",
            Some(_) => "another file in its place while the station ran",
        };
        tracing::error!("the journal: found {why}; going on in memory and onto a fresh file");
        self.lost = Some(Lost {
            reader: store.into_reader(),
            aside: None,
            why: why.into(),
        });
    }

    /// Commits, however long the disk takes nothing; gives up only when the station ends.
    fn commit_at_last(&mut self) {
        while let Err(error) = self.try_commit() {
            let desk = self.shared.desk();
            if desk.closing {
                drop(desk);
                let lost = self.batch.len() + self.entries.drain().count();
                tracing::error!(lost, %error, "the station ends and the disk takes nothing: entries are lost");
                self.batch.clear();
                return;
            }
            drop(self.shared.wait(desk, RETRY));
            self.grow_older();
            self.look_for_file();
        }
    }

    /// One attempt; onto a fresh file where this one turns out to be damaged.
    pub(crate) fn try_commit(&mut self) -> Result<(), JournalError> {
        while let Err(error) = self.commit() {
            if error.is_damage() && self.set_aside(&error) {
                continue;
            }
            self.stuck(&error);
            return Err(error);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        if self.lost.is_some() {
            self.begin_afresh()?;
        }
        let acknowledged_to = match self.settings.deliver {
            true => self.shared.acknowledged_to.load(Ordering::Relaxed),
            false => u64::MAX,
        };
        let desk = self.shared.desk();
        let (gaps, left_out) = (desk.gaps.clone(), desk.left_out);
        drop(desk);
        let before = self.files.state;
        let nothing = self.batch.is_empty() && gaps.is_empty() && left_out == 0;
        if nothing && acknowledged_to.min(before.next_seq - 1) <= before.acknowledged_to {
            return Ok(());
        }
        self.last_commit = Instant::now();
        self.files.numbers.cover(self.highest(&gaps))?;
        let now = self.settings.clock.utc();
        let note = AuditNote::of_station(
            now,
            "journal.entries_left_out",
            format!(
                "{left_out} entries of audit trail or alarm history found no room: the disk took nothing, and results go first"
            ),
        );
        let Some(store) = &mut self.files.store else {
            return Ok(());
        };
        store.write_with(
            (left_out > 0).then_some(&note),
            &Batch {
                entries: &self.batch,
                gaps: &gaps,
                acknowledged_to,
                nobody: !self.settings.deliver,
                now,
            },
        )?;
        self.committed(&gaps, left_out);
        Ok(())
    }

    /// Tells everybody, and forgets what is on the disk now.
    fn committed(&mut self, gaps: &[Gap], left_out: u64) {
        let Some(store) = &self.files.store else {
            return;
        };
        self.files.state = store.state;
        let (next_seq, acknowledged_to) = (store.state.next_seq, store.state.acknowledged_to);
        let results = self.batch.iter().filter(|e| matches!(e, Entry::Result(_)));
        let noted = self.batch.iter().any(|e| matches!(e, Entry::Noted(_)));
        if noted || !gaps.is_empty() {
            self.files.numbers.known.open_gap = store.open_gap(self.files.numbers.known.open_gap);
        }
        self.files.numbers.note(next_seq - 1, acknowledged_to);
        let (results, waiting) = (results.count() as u64, self.entries.gauge().snapshot());
        let mut desk = self.shared.desk();
        desk.handled += self.batch.len() as u64;
        // A gap that has grown since goes on after what is written of it.
        for (gap, written) in desk.gaps.iter_mut().zip(gaps) {
            gap.first = written.last + 1;
        }
        desk.gaps.retain(|gap| gap.first <= gap.last);
        desk.left_out -= left_out;
        desk.progress.committed += results;
        desk.progress.stuck = None;
        desk.progress.losing &= waiting.len * 2 > waiting.capacity;
        desk.progress.gap_changes += u64::from(noted || !gaps.is_empty());
        desk.progress.links = store.head().id;
        desk.follow(&self.files.state);
        drop(desk);
        self.shared.changed.notify_all();
        self.batch.clear();
    }

    /// The highest number of the batch.
    fn highest(&self, gaps: &[Gap]) -> u64 {
        let seq = |e: &Entry| match e {
            Entry::Result(result) => Some(result.seq),
            _ => None,
        };
        let gaps = gaps.iter().map(|gap| gap.last);
        self.batch
            .iter()
            .filter_map(seq)
            .chain(gaps)
            .max()
            .unwrap_or(0)
    }

    /// The file is damaged: puts it out of the way. The batch is still in hand and goes into the next.
    fn set_aside(&mut self, error: &JournalError) -> bool {
        match open::set_aside(&self.settings.folder, self.settings.clock.utc()) {
            Ok(path) => {
                // The connection goes before a fresh file is begun: it would take that one's log with it.
                self.files.store = None;
                self.lost = Some(Lost {
                    reader: Reader::open_file(&path).ok(),
                    aside: Some(path),
                    why: error.to_string(),
                });
                true
            }
            Err(error) => {
                self.stuck(&error);
                false
            }
        }
    }

    fn begin_afresh(&mut self) -> Result<(), JournalError> {
        let Some(lost) = &self.lost else {
            return Ok(());
        };
        if lost.aside.is_none() {
            // The folder may be gone, and the lock with it.
            self.files.lock = open::lock(&self.settings.folder).or_else(|error| match error {
                JournalError::InUse { .. } if self.holds_lock() => self
                    .files
                    .lock
                    .try_clone()
                    .map_err(|source| JournalError::Folder {
                        path: self.settings.folder.clone(),
                        source,
                    }),
                error => Err(error),
            })?;
            if self.settings.folder.join(schema::FILE).exists() {
                // Somebody put another in its place: it is theirs, and stays.
                open::set_aside(&self.settings.folder, self.settings.clock.utc())?;
            }
        }
        let state = &self.files.state;
        self.files.numbers.cover_anew(state.next_seq)?;
        let (mut store, said) = open::afresh(&self.settings, lost, state, &self.files.numbers)?;
        let (now, next_seq) = (self.settings.clock.utc(), self.files.state.next_seq);
        store.begin_run(self.settings.boot_id, now, next_seq)?;
        self.files.numbers.known.open_gap = store.open_gap(self.files.numbers.known.open_gap);
        self.files.state = store.state;
        self.files.place = open::place(&self.settings.folder).ok();
        self.sealed_at_us = store.age_us;
        let links = store.head().id;
        self.files.store = Some(store);
        self.lost = None;
        let mut desk = self.shared.desk();
        desk.progress.set_aside = Some(said);
        desk.progress.file += 1;
        desk.progress.gap_changes += 1;
        desk.progress.links = links;
        desk.follow(&self.files.state);
        Ok(())
    }

    /// The lock in the folder is still the one that is held.
    fn holds_lock(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let there = std::fs::metadata(self.settings.folder.join("journal.lock"));
        let held = self.files.lock.metadata();
        there.is_ok_and(|t| held.is_ok_and(|h| (t.dev(), t.ino()) == (h.dev(), h.ino())))
    }

    fn stuck(&self, error: &JournalError) {
        let mut desk = self.shared.desk();
        if desk.progress.stuck.is_none() {
            tracing::error!(%error, "the journal cannot be written; entries wait in memory");
        }
        desk.progress.stuck = Some(error.to_string());
    }

    pub(crate) fn sweep(&mut self) {
        self.seal_if(|unsealed, since_us| {
            unsealed >= seal::RESULTS || (unsealed > 0 && since_us >= SEAL_US)
        });
        let limits = Limits {
            keep: self.settings.keep,
            max_bytes: self.settings.max_bytes,
        };
        let Some(store) = &mut self.files.store else {
            return;
        };
        let nobody = !self.settings.deliver;
        let swept = retention::sweep(store, &limits, self.settings.clock.utc(), nobody);
        self.files.state = store.state;
        match swept {
            Ok(Swept {
                removed_unacknowledged: removed,
                full,
                eased,
            }) => {
                if removed > 0 {
                    self.files.numbers.known.open_gap =
                        store.open_gap(self.files.numbers.known.open_gap);
                }
                let mut desk = self.shared.desk();
                desk.progress.removed_unacknowledged += removed;
                desk.progress.gap_changes += u64::from(removed > 0);
                desk.progress.full = full || (desk.progress.full && !eased);
                desk.progress.links = store.head().id;
                desk.follow(&self.files.state);
            }
            Err(error) => tracing::warn!(%error, "old results could not be removed"),
        }
    }

    /// Seals the results if it is time, as (unsealed results, µs since the last seal) say.
    fn seal_if(&mut self, is_time: impl Fn(u64, u64) -> bool) {
        let Some(store) = &mut self.files.store else {
            return;
        };
        let unsealed = (store.state.next_seq - 1).saturating_sub(store.sealed_to);
        if !is_time(unsealed, store.age_us.saturating_sub(self.sealed_at_us)) {
            return;
        }
        if let Err(error) = store.seal(self.settings.clock.utc()) {
            tracing::warn!(%error, "results could not be sealed");
        }
        self.sealed_at_us = store.age_us;
    }
}
