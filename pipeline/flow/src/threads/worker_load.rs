//! What batcher and workers know of each other.

use crate::job::Job;
use crate::judging::JudgeInput;
use crate::lane::Engines;
use sightline_domain::{Clock, MissReason, MonoTime};
use sightline_threads::{NotDemoted, Team};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counted without waiting for anybody's work.
pub(crate) struct WorkerLoad {
    /// Workers that work.
    pub alive: AtomicUsize,
    /// Batches given out and not yet handed on to the judge.
    pub in_flight: AtomicUsize,
    /// The batcher waits for room.
    pub wanted: AtomicBool,
    /// Workers that did not come back from an engine and were replaced.
    pub left_behind: AtomicUsize,
    places: Mutex<Vec<Arc<WorkerPlace>>>,
}

/// One worker as the others see it. A worker that is replaced keeps its own; its successor gets a new one.
#[derive(Default)]
pub(crate) struct WorkerPlace {
    /// Since when it has been busy with a batch, ns; 0 when it is not.
    pub busy_since: AtomicU64,
    /// Its own thread.
    pub thread: Team,
    /// Those that its engines work with beside it.
    engines: Mutex<Vec<Team>>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    batches: usize,
    left_behind: bool,
}

impl WorkerPlace {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has taken a batch.
    pub(super) fn takes(&self) {
        self.held().batches += 1;
    }

    /// It gives a batch on. False: nobody waits for it any more.
    pub(super) fn gives(&self, load: &WorkerLoad) -> bool {
        let mut held = self.held();
        if held.left_behind {
            return false;
        }
        held.batches = held.batches.saturating_sub(1);
        load.in_flight.fetch_sub(1, Ordering::SeqCst);
        true
    }

    pub(crate) fn is_left_behind(&self) -> bool {
        self.held().left_behind
    }

    fn engines(&self) -> MutexGuard<'_, Vec<Team>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engines that it has from now on.
    pub(super) fn works_with(&self, engines: Vec<Team>) {
        *self.engines() = engines;
    }

    /// Takes its priority from a worker that was left behind, so that what spins in there leaves the core to the others.
    ///
    /// Reached are its own thread and those that its engines name: the whole pool of an ONNX Runtime session, also where
    /// an execution provider runs on that pool. Not reached are threads that a library starts by itself and tells nobody
    /// of: CUDA's and TensorRT's own, which wait for the device and do not compute, those of OpenVINO and XNNPACK, and
    /// those of an engine that was being made anew when it hung.
    ///
    /// # Errors
    /// The first thread that kept its priority; the others were demoted all the same.
    pub(super) fn demote(&self) -> Result<(), NotDemoted> {
        let engines = self.engines();
        let engines = engines.iter().map(Team::demote);
        engines.fold(self.thread.demote(), |before, this| before.and(this))
    }
}

impl WorkerLoad {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            alive: AtomicUsize::new(workers),
            in_flight: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
            left_behind: AtomicUsize::new(0),
            places: Mutex::new((0..workers).map(|_| Arc::default()).collect()),
        }
    }

    fn places(&self) -> MutexGuard<'_, Vec<Arc<WorkerPlace>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn place(&self, worker: usize) -> Arc<WorkerPlace> {
        Arc::clone(&self.places()[worker])
    }

    /// Since when a worker has been busy with a batch, ns; 0: it is not; `None`: there is no such worker.
    pub(super) fn busy_since(&self, worker: usize) -> Option<u64> {
        let places = self.places();
        places
            .get(worker)
            .map(|p| p.busy_since.load(Ordering::Relaxed))
    }

    /// Whether a worker has been busy with one batch for longer than `after`.
    pub(crate) fn hangs(&self, worker: usize, after: Duration, clock: &dyn Clock) -> bool {
        let since = self.busy_since(worker).filter(|since| *since != 0);
        since.is_some_and(|since| clock.now().since(MonoTime(since)) > after)
    }

    /// Workers that have been busy with one batch for longer than `after`.
    pub(crate) fn hanging(&self, after: Duration, clock: &dyn Clock) -> usize {
        let workers = 0..self.places().len();
        workers.filter(|&n| self.hangs(n, after, clock)).count()
    }

    /// Counts a worker out that does not come back; its batches are nobody's, its parts go without. Returns its own place
    /// and its successor's.
    pub(crate) fn leave_behind(&self, worker: usize) -> (Arc<WorkerPlace>, Arc<WorkerPlace>) {
        let successor: Arc<WorkerPlace> = Arc::default();
        let lost = std::mem::replace(&mut self.places()[worker], Arc::clone(&successor));
        let mut held = lost.held();
        held.left_behind = true;
        self.in_flight.fetch_sub(held.batches, Ordering::SeqCst);
        self.left_behind.fetch_add(1, Ordering::SeqCst);
        drop(held);
        (lost, successor)
    }

    /// One batch more than the engines hold: an engine that has answered finds its next one waiting.
    pub(super) fn engines(&self, depth: usize) -> Engines {
        let alive = self.alive.load(Ordering::SeqCst);
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        Engines {
            alive,
            room: ((depth + 1) * alive).saturating_sub(in_flight),
            idle: alive.saturating_sub(in_flight),
        }
    }
}

/// A batch that no engine ran.
pub(super) fn failed(load: &WorkerLoad, mut job: Box<Job>) -> JudgeInput {
    load.in_flight.fetch_sub(1, Ordering::SeqCst);
    job.fail(MissReason::EngineFault);
    JudgeInput::Done(job)
}
