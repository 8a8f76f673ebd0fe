//! The one thread that writes: takes what has come, commits it together, and cleans up a little at a time.

use crate::JournalError;
use crate::entry::Entry;
use crate::journal::{JournalSettings, Shared};
use crate::open::{self, Files};
use crate::retention::{self, Limits};
use crate::store::Batch;
use sightline_queue::{Receiver, RecvTimeout};
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
            if error.is_damage() {
                match self.begin_afresh(&error) {
                    Ok(()) => continue,
                    Err(error) => self.stuck(&error),
                }
            } else {
                self.stuck(&error);
            }
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
        let before = self.files.store.state;
        let nothing = self.batch.is_empty() && gaps.is_empty();
        if nothing && acknowledged_to.min(before.next_seq - 1) <= before.acknowledged_to {
            return Ok(());
        }
        self.last_commit = Instant::now();
        self.files.lease.cover(self.highest())?;
        self.files.store.write(&Batch {
            entries: &self.batch,
            gaps: &gaps,
            acknowledged_to,
            now: self.settings.clock.utc(),
        })?;
        let results = self
            .batch
            .iter()
            .filter(|e| matches!(e, Entry::Result(_)))
            .count();
        let mut desk = self.shared.desk();
        desk.handled += self.batch.len() as u64;
        desk.gaps.drain(..gaps.len());
        desk.progress.committed += results as u64;
        desk.progress.stuck = None;
        desk.follow(&self.files.store.state);
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

    /// The file is damaged: goes on with a fresh one. The batch is still in hand and goes into that.
    fn begin_afresh(&mut self, error: &JournalError) -> Result<(), JournalError> {
        let now = self.settings.clock.utc();
        let next_seq = self.files.store.state.next_seq;
        let (store, said) = open::afresh(&self.settings.folder, now, &error.to_string())?;
        self.files.store = store;
        self.files
            .store
            .begin_run(self.settings.boot_id, now, next_seq)?;
        let mut desk = self.shared.desk();
        desk.progress.set_aside = Some(said);
        desk.follow(&self.files.store.state);
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
        match retention::sweep(&mut self.files.store, &limits, self.settings.clock.utc()) {
            Ok(0) => {}
            Ok(removed_unacknowledged) => {
                let mut desk = self.shared.desk();
                desk.progress.removed_unacknowledged += removed_unacknowledged;
                desk.follow(&self.files.store.state);
            }
            Err(error) => tracing::warn!(%error, "old results could not be removed"),
        }
    }
}
