//! The one thread that writes: takes what has come, commits it together, and cleans up a little at a time.

use crate::JournalError;
use crate::entry::Entry;
use crate::journal::{JournalSettings, Shared};
use crate::open::{self, Files};
use crate::retention::{self, Limits};
use crate::store::Batch;
use sightline_queue::{Receiver, RecvTimeout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Without entries, acknowledgements are written so often.
const TICK: Duration = Duration::from_millis(200);
/// Entries and bytes of one commit, at most.
const MAX_BATCH: usize = 2_000;
const MAX_BATCH_BYTES: usize = 16 << 20;
/// Waits between attempts when the disk takes nothing.
const RETRY: Duration = Duration::from_secs(1);
/// Old results are removed so often, a few at a time.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Writer {
    files: Files,
    settings: JournalSettings,
    entries: Receiver<Entry>,
    shared: Arc<Shared>,
    batch: Vec<Entry>,
    last_commit: Instant,
    /// A damaged file that was put out of the way, and what was wrong with it; the next is not begun yet.
    damaged: Option<(PathBuf, String)>,
}

impl Writer {
    pub(crate) fn new(
        files: Files,
        settings: JournalSettings,
        entries: Receiver<Entry>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            files,
            settings,
            entries,
            shared,
            batch: Vec::new(),
            last_commit: Instant::now(),
            damaged: None,
        }
    }

    /// Runs until every handle is gone and everything is written, or cannot be.
    pub(crate) fn run(mut self) {
        let mut next_sweep = Instant::now();
        loop {
            let open = self.collect();
            self.commit_at_last();
            if Instant::now() >= next_sweep {
                self.sweep();
                next_sweep = Instant::now() + SWEEP_EVERY;
            }
            if !open && self.batch.is_empty() {
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

    /// Commits, however long the disk takes nothing; gives up only when the station ends.
    fn commit_at_last(&mut self) {
        while let Err(error) = self.commit() {
            if error.is_damage() && self.set_aside(&error) {
                continue;
            }
            self.stuck(&error);
            let desk = self.shared.desk();
            if desk.closing {
                drop(desk);
                let lost = self.batch.len() + self.entries.drain().count();
                tracing::error!(lost, %error, "the station ends and the disk takes nothing: entries are lost");
                self.batch.clear();
                return;
            }
            drop(self.shared.wait(desk, RETRY));
        }
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        let acknowledged_to = match self.settings.deliver {
            true => self.shared.acknowledged_to.load(Ordering::Relaxed),
            false => u64::MAX,
        };
        let gaps = self.shared.desk().gaps.clone();
        let before = self.files.state;
        let nothing = self.batch.is_empty() && gaps.is_empty();
        if nothing && acknowledged_to.min(before.next_seq - 1) <= before.acknowledged_to {
            return Ok(());
        }
        self.last_commit = Instant::now();
        self.files.lease.cover(self.highest())?;
        if self.files.store.is_none() {
            self.begin_afresh()?;
        }
        let Some(store) = &mut self.files.store else {
            return Ok(());
        };
        store.write(&Batch {
            entries: &self.batch,
            gaps: &gaps,
            acknowledged_to,
            now: self.settings.clock.utc(),
        })?;
        self.files.state = store.state;
        let results = self
            .batch
            .iter()
            .filter(|e| matches!(e, Entry::Result(_)))
            .count();
        let mut desk = self.shared.desk();
        desk.handled += self.batch.len() as u64;
        // A gap that has grown since goes on after what is written of it.
        for (gap, written) in desk.gaps.iter_mut().zip(&gaps) {
            gap.first = written.last + 1;
        }
        desk.gaps.retain(|gap| gap.first <= gap.last);
        desk.progress.committed += results as u64;
        desk.progress.stuck = None;
        desk.follow(&self.files.state);
        drop(desk);
        self.shared.changed.notify_all();
        self.batch.clear();
        Ok(())
    }

    /// The highest number of the batch.
    fn highest(&self) -> u64 {
        let seq = |e: &Entry| match e {
            Entry::Result(result) => Some(result.seq),
            _ => None,
        };
        self.batch.iter().filter_map(seq).max().unwrap_or(0)
    }

    /// The file is damaged: puts it out of the way. The batch is still in hand and goes into the next.
    fn set_aside(&mut self, error: &JournalError) -> bool {
        match open::set_aside(&self.settings.folder, self.settings.clock.utc()) {
            Ok(path) => {
                self.files.store = None;
                self.damaged = Some((path, error.to_string()));
                true
            }
            Err(error) => {
                self.stuck(&error);
                false
            }
        }
    }

    fn begin_afresh(&mut self) -> Result<(), JournalError> {
        let Some((path, why)) = &self.damaged else {
            return Ok(());
        };
        let now = self.settings.clock.utc();
        let (mut store, said) = open::afresh(&self.settings.folder, now, why, path)?;
        store.begin_run(self.settings.boot_id, now, self.files.state.next_seq)?;
        self.files.state = store.state;
        self.files.store = Some(store);
        self.damaged = None;
        let mut desk = self.shared.desk();
        desk.progress.set_aside = Some(said);
        desk.follow(&self.files.state);
        Ok(())
    }

    fn stuck(&self, error: &JournalError) {
        let mut desk = self.shared.desk();
        if desk.progress.stuck.is_none() {
            tracing::error!(%error, "the journal cannot be written; entries wait in memory");
        }
        desk.progress.stuck = Some(error.to_string());
    }

    fn sweep(&mut self) {
        let limits = Limits {
            keep: self.settings.keep,
            max_bytes: self.settings.max_bytes,
        };
        let Some(store) = &mut self.files.store else {
            return;
        };
        let swept = retention::sweep(store, &limits, self.settings.clock.utc());
        self.files.state = store.state;
        match swept {
            Ok(0) => {}
            Ok(removed_unacknowledged) => {
                let mut desk = self.shared.desk();
                desk.progress.removed_unacknowledged += removed_unacknowledged;
                desk.follow(&self.files.state);
            }
            Err(error) => tracing::warn!(%error, "old results could not be removed"),
        }
    }
}
