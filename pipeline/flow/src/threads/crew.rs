//! What batcher and workers know of each other.

use crate::job::Job;
use crate::judging::JudgeInput;
use crate::lane::Engines;
use sightline_model::MissReason;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Counted without a lock.
pub(crate) struct Crew {
    /// Workers that work.
    pub alive: AtomicUsize,
    /// Batches given out and not yet handed on to the judge.
    pub in_flight: AtomicUsize,
    /// The batcher waits for room.
    pub wanted: AtomicBool,
    /// Per worker: since when it has been busy with a batch, ns; 0 when it is not.
    pub busy_since: Vec<AtomicU64>,
}

impl Crew {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            alive: AtomicUsize::new(workers),
            in_flight: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
            busy_since: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
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
pub(super) fn failed(crew: &Crew, mut job: Box<Job>) -> JudgeInput {
    crew.in_flight.fetch_sub(1, Ordering::SeqCst);
    job.fail(MissReason::EngineFault);
    JudgeInput::Done(job)
}
