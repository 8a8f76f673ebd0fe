//! What goes from batcher to engine to judge and back: a batch and the slips that say whose views are in it.

use crate::active_generation::ActiveGeneration;
use sightline_domain::result::StagesUs;
use sightline_domain::{FrameMeta, MissReason, MonoTime, ViewTag};
use sightline_engine::{Batch, EngineTimes, Outputs};
use std::sync::Arc;
use std::time::Duration;

/// Whose view it is. Stays with the job even while an engine has the batch, so that an engine that loses the batch
/// does not lose the part.
#[derive(Clone, Debug)]
pub(crate) struct ViewRecord {
    pub tag: ViewTag,
    pub meta: FrameMeta,
    /// Not to be judged by the answer but missed.
    pub missed: Option<MissReason>,
    /// What the engine said of it, if it is missed for the engine's sake.
    pub fault: Option<Arc<str>>,
    /// Numbers of the second stage that could not be used.
    pub nonfinite: u32,
}

/// A batch with its slips. Goes round: what it holds is dropped by the judge, its buffers serve the next batch.
#[derive(Default)]
pub(crate) struct Job {
    pub batch: Batch,
    pub slips: Vec<ViewRecord>,
    /// The first stage's answers, one a slip (those of a view's tiles put together), once the engine is done.
    pub answers: Outputs,
    /// Views that were taken out of the batch before the engine.
    pub dropped: Vec<ViewRecord>,
    pub live: Option<Arc<ActiveGeneration>>,
    pub model: usize,
    pub dispatched: MonoTime,
    pub started: MonoTime,
    /// When its engine was done with the batch before.
    pub engine_free: MonoTime,
    pub done: MonoTime,
    /// Both stages.
    pub times: EngineTimes,
}

impl Job {
    pub(crate) fn with_capacity(views: usize) -> Self {
        Self {
            batch: Batch::with_capacity(views, views),
            slips: Vec::with_capacity(views),
            answers: Outputs::with_capacity(views),
            dropped: Vec::with_capacity(views),
            ..Self::default()
        }
    }

    /// Takes a view out of the batch; its slip says why.
    pub(crate) fn drop_view(&mut self, at: usize, reason: MissReason) {
        self.batch.remove_view(at);
        let mut slip = self.slips.remove(at);
        slip.missed = Some(reason);
        self.dropped.push(slip);
    }

    /// Says of all views still in it that they are missed.
    pub(crate) fn fail(&mut self, reason: MissReason) {
        for slip in &mut self.slips {
            slip.missed.get_or_insert(reason);
        }
        self.answers.reset(self.slips.len());
    }

    /// Gives the reason to all views that are missed for the engine's sake and have none yet.
    pub(crate) fn blame(&mut self, why: &Arc<str>) {
        let engines = |s: &&mut ViewRecord| {
            matches!(
                s.missed,
                Some(MissReason::EngineFault | MissReason::Undecodable)
            )
        };
        for slip in self
            .slips
            .iter_mut()
            .chain(&mut self.dropped)
            .filter(engines)
        {
            slip.fault.get_or_insert_with(|| Arc::clone(why));
        }
    }

    /// Where the time of the view went until now, when it is judged.
    pub(crate) fn stages(&self, slip: &ViewRecord, deadline: Duration, now: MonoTime) -> StagesUs {
        let us = |d: Duration| d.as_micros() as u64;
        let triggered = slip.tag.deadline - deadline;
        let engine = self.times.preprocess_us + self.times.infer_us + self.times.postprocess_us;
        let waited = us(self.done.since(slip.meta.captured)).saturating_sub(engine);
        let engine_busy = us(self.engine_free.since(slip.meta.captured)).min(waited);
        let from = slip.meta.captured.max(self.engine_free);
        let batch_wait = us(self.dispatched.since(from)).min(waited - engine_busy);
        StagesUs {
            capture: us(slip.meta.captured.since(triggered)),
            engine_busy,
            batch_wait,
            queue: waited - engine_busy - batch_wait,
            preprocess: self.times.preprocess_us,
            infer: self.times.infer_us,
            postprocess: self.times.postprocess_us,
            judge: us(now.since(self.done)),
        }
    }

    /// Lets go of everything (slots go home), keeps all capacity.
    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.slips.clear();
        self.dropped.clear();
        self.answers.reset(0);
        self.live = None;
        self.times = EngineTimes::default();
    }
}
