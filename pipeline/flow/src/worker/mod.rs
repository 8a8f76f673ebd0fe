//! One worker without its thread: its engines for each live generation, batches in, the same batches out.

mod cascade;
mod guard;
mod references;

use crate::active_generation::{ActiveGeneration, ModelEngines, WorkerEngines};
use crate::counters::{Counters, bump};
use crate::job::Job;
use crate::{FlowError, FlowEvents};
use guard::{Guard, Guarded, Trouble};
use references::References;
use sightline_domain::{Alarm, AlarmKind, Clock, Generation, MissReason, MonoTime};
use sightline_engine::EngineError;
use sightline_engine::tiles::Seams;
use sightline_threads::Team;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So many faults in a row, and the engine is made anew.
const FAULTS_IN_A_ROW: u32 = 3;

/// One generation's engines on this worker.
struct Loaded {
    live: Arc<ActiveGeneration>,
    models: Vec<ModelState>,
    references: References,
}

struct ModelState {
    engines: ModelEngines,
    faults: u32,
    alarmed: bool,
    /// What went wrong last.
    fault: Option<Arc<str>>,
    condition: Condition,
}

impl ModelState {
    /// A batch that comes while the engine does not work; it is told what broke it.
    fn fail(&self, job: &mut Job) {
        job.fail(MissReason::EngineFault);
        if let Some(why) = &self.fault {
            job.blame(why);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Works,
    /// To be made anew when the worker has a moment.
    Broken,
    /// It could not be made anew.
    Dead,
}

pub(crate) struct EngineCore {
    index: usize,
    clock: Arc<dyn Clock>,
    tally: Arc<Counters>,
    events: Arc<dyn FlowEvents>,
    loaded: Vec<Loaded>,
    /// Jobs whose batch an engine has, oldest first.
    flights: VecDeque<Box<Job>>,
    crops: cascade::Crops,
    seams: Seams,
    last_done: MonoTime,
    /// Engine times are not told: in a replay they would differ from run to run.
    untimed: bool,
}

impl EngineCore {
    pub(crate) fn new(
        index: usize,
        clock: Arc<dyn Clock>,
        tally: Arc<Counters>,
        events: Arc<dyn FlowEvents>,
        untimed: bool,
    ) -> Self {
        Self {
            index,
            clock,
            tally,
            events,
            loaded: Vec::with_capacity(4),
            flights: VecDeque::with_capacity(4),
            crops: Vec::with_capacity(64),
            seams: Seams::default(),
            last_done: MonoTime(0),
            untimed,
        }
    }

    /// Takes a generation's engines in, beside those it has.
    pub(crate) fn add(
        &mut self,
        live: Arc<ActiveGeneration>,
        engines: WorkerEngines,
    ) -> Result<(), FlowError> {
        let references = References::new(&live)?;
        let state = |engines| ModelState {
            engines,
            faults: 0,
            alarmed: false,
            fault: None,
            condition: Condition::Works,
        };
        self.loaded.push(Loaded {
            references,
            models: engines.models.into_iter().map(state).collect(),
            live,
        });
        Ok(())
    }

    /// Gives a generation's engines away, for somebody with time to drop.
    pub(crate) fn remove(&mut self, generation: Generation) -> Vec<ModelEngines> {
        let at = self
            .loaded
            .iter()
            .position(|l| l.live.generation() == generation);
        let loaded = at.map(|at| self.loaded.remove(at));
        let models = loaded.into_iter().flat_map(|l| l.models);
        let mut alarmed = false;
        let given = models.map(|m| {
            alarmed |= m.alarmed;
            m.engines
        });
        let given = given.collect();
        if alarmed {
            self.tell_over("what failed has been replaced");
        }
        given
    }

    /// The threads that each of its engines works with beside its own.
    pub(crate) fn teams(&self) -> Vec<Team> {
        let models = self.loaded.iter().flat_map(|l| &l.models);
        let teams = models.flat_map(|m| {
            let verifier = m.engines.verifier.as_ref().map(|v| v.threads());
            std::iter::once(m.engines.detector.threads()).chain(verifier)
        });
        teams.collect()
    }

    /// Lets the newest generation's engines stay warm; nothing is in flight.
    pub(crate) fn keep_warm(&mut self) {
        for state in self
            .loaded
            .last_mut()
            .into_iter()
            .flat_map(|l| &mut l.models)
        {
            if state.condition != Condition::Works {
                continue;
            }
            let engines = &mut state.engines;
            let warmed = catch_unwind(AssertUnwindSafe(|| {
                engines.detector.keep_warm();
                if let Some(verifier) = &mut engines.verifier {
                    verifier.keep_warm();
                }
            }));
            if warmed.is_err() {
                state.condition = Condition::Broken;
            }
        }
    }

    /// Batches with its engines.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Batches its engines can hold.
    pub(crate) fn depth(&self) -> usize {
        let models = self.loaded.iter().flat_map(|l| &l.models);
        let depths = models.map(|m| m.engines.detector.info().depth);
        depths.max().unwrap_or(1).max(1)
    }

    /// The engine for this job holds as many batches as it can.
    pub(crate) fn is_full_for(&self, job: &Job) -> bool {
        let Some(loaded) = self.find(job) else {
            return false;
        };
        let depth = self.loaded[loaded].models[job.model]
            .engines
            .detector
            .info()
            .depth;
        let generation = |j: &Job| j.live.as_ref().map(|l| l.generation());
        let same = |f: &Job| f.model == job.model && generation(f) == generation(job);
        self.flights.iter().filter(|f| same(f)).count() >= depth.max(1)
    }

    /// It cannot work for the newest generation.
    pub(crate) fn is_lame(&self) -> bool {
        let models = self.loaded.last().map(|l| &l.models);
        models.is_none_or(|m| m.iter().any(|m| m.condition == Condition::Dead))
    }

    fn find(&self, job: &Job) -> Option<usize> {
        let generation = job.live.as_ref()?.generation();
        self.loaded
            .iter()
            .position(|l| l.live.generation() == generation)
    }

    /// Gives a job to its engine. `Some`: there is nothing for an engine to do, or the engine did not take it.
    pub(crate) fn begin(&mut self, mut job: Box<Job>) -> Option<Box<Job>> {
        let now = self.clock.now();
        job.started = now;
        job.done = now;
        let Some(at) = self.find(&job) else {
            // its generation is over, and so is its part
            job.fail(MissReason::Late);
            return Some(job);
        };
        self.drop_late(&mut job, now);
        let loaded = &mut self.loaded[at];
        let state = &loaded.models[job.model];
        if state.condition != Condition::Works {
            state.fail(&mut job);
            return Some(job);
        }
        let misaligned = loaded.references.bring(&mut job);
        if misaligned > 0 {
            self.tally
                .line
                .misaligned
                .fetch_add(misaligned, Ordering::Relaxed);
            references::set_misaligned_aside(&mut job);
        }
        job.times.preprocess_us = self.clock.now().since(now).as_micros() as u64;
        self.submit(at, job)
    }

    fn drop_late(&self, job: &mut Job, now: MonoTime) {
        let mut at = 0;
        while at < job.slips.len() {
            if job.slips[at].tag.deadline <= now {
                bump(&self.tally.line.too_late);
                job.drop_view(at, MissReason::Late);
            } else {
                at += 1;
            }
        }
    }

    /// Gives the batch to the detector; a single view that it cannot take leaves the batch.
    fn submit(&mut self, at: usize, mut job: Box<Job>) -> Option<Box<Job>> {
        while !job.slips.is_empty() {
            let batch = std::mem::take(&mut job.batch);
            let state = &mut self.loaded[at].models[job.model];
            match state.engines.detector.give(batch) {
                Ok(()) => {
                    self.flights.push_back(job);
                    return None;
                }
                Err(refused) => {
                    if !self.refused(at, &mut job, refused) {
                        return Some(job);
                    }
                }
            }
        }
        Some(job)
    }

    /// Deals with a batch that an engine did not answer. True: without one of its views it may go again.
    fn refused(&mut self, at: usize, job: &mut Job, refused: Guarded) -> bool {
        let trouble = match refused {
            Guarded::Done(_) => return false,
            Guarded::Rejected(batch, error) => {
                job.batch = batch;
                Trouble::Rejected(error)
            }
            Guarded::Panicked(words) => Trouble::Panicked(words),
        };
        let one_view = match &trouble {
            Trouble::Rejected(EngineError::Picture { view, .. }) => {
                Some((*view, MissReason::Undecodable))
            }
            Trouble::Rejected(EngineError::NoReference { view }) => {
                Some((*view, MissReason::EngineFault))
            }
            _ => None,
        };
        let model = job.model;
        match one_view {
            Some((view, reason)) if view < job.slips.len() => {
                job.drop_view(view, reason);
                job.blame(&self.tell_fault(at, model, &trouble));
                true
            }
            _ => {
                job.fail(MissReason::EngineFault);
                job.blame(&self.trouble(at, model, &trouble));
                false
            }
        }
    }

    /// Waits for the oldest batch, has its findings verified, and gives the job back. `None`: nothing is in flight.
    pub(crate) fn finish(&mut self) -> Option<Box<Job>> {
        let mut job = self.flights.pop_front()?;
        let Some(at) = self.find(&job) else {
            job.fail(MissReason::Late);
            return Some(job);
        };
        let state = &mut self.loaded[at].models[job.model];
        if state.condition != Condition::Works {
            // an engine that panicked is not asked again for what it had
            state.fail(&mut job);
            return Some(job);
        }
        match state.engines.detector.fetch() {
            Guarded::Done(batch) => {
                job.batch = batch;
                self.answered(at, &mut job);
            }
            refused => {
                if self.refused(at, &mut job, refused) {
                    let again = self.submit(at, job);
                    return again.or_else(|| self.finish());
                }
            }
        }
        self.loaded[at].references.take_back(&mut job);
        job.done = self.clock.now();
        job.engine_free = self.last_done;
        let from = job.started.max(self.last_done);
        if !self.untimed {
            let pace = &self.loaded[at].live.models[job.model].pace;
            pace.observe(job.done.since(from));
        } else {
            job.times = sightline_engine::EngineTimes::default();
        }
        self.last_done = job.done;
        Some(job)
    }

    fn answered(&mut self, at: usize, job: &mut Job) {
        let Job {
            batch,
            answers,
            times,
            slips,
            ..
        } = job;
        std::mem::swap(&mut batch.outputs, answers);
        times.preprocess_us += batch.times.preprocess_us;
        times.infer_us += batch.times.infer_us;
        times.postprocess_us += batch.times.postprocess_us;
        let line = &self.tally.line;
        line.prepare_us
            .fetch_add(batch.times.preprocess_us, Ordering::Relaxed);
        line.overlap_us
            .fetch_add(batch.times.overlap_us, Ordering::Relaxed);
        let regions = &batch.regions;
        if answers.len() != regions.len() {
            let reason = format!("{} answers for {} regions", answers.len(), regions.len());
            job.fail(MissReason::EngineFault);
            let model = job.model;
            let trouble = Trouble::Rejected(EngineError::Run { reason });
            job.blame(&self.trouble(at, model, &trouble));
            return;
        }
        self.seams.join(regions, slips.len(), answers);
        let Loaded { live, models, .. } = &mut self.loaded[at];
        let model = &live.plan.models[job.model];
        let state = &mut models[job.model];
        let mut trouble = None;
        if let (Some(planned), Some(verifier)) = (&model.verifier, &mut state.engines.verifier) {
            let crops = &mut self.crops;
            trouble = cascade::verify(job, model, planned, verifier.as_mut(), crops).err();
        }
        match trouble {
            Some(trouble) => {
                let model = job.model;
                job.blame(&self.trouble(at, model, &trouble));
            }
            None => self.judge_answer(at, job),
        }
    }

    /// An answer with broken values is told; the engine is kept, as a new one would say the same.
    fn judge_answer(&mut self, at: usize, job: &Job) {
        let broken = job.answers.iter().map(|a| a.dropped_nonfinite);
        match broken.fold(0_u32, u32::saturating_add) {
            0 => self.worked(at, job.model),
            count => drop(self.tell_fault(at, job.model, &Trouble::Broken(count))),
        }
    }

    fn worked(&mut self, at: usize, model: usize) {
        let state = &mut self.loaded[at].models[model];
        state.faults = 0;
        state.fault = None;
        if state.alarmed {
            state.alarmed = false;
            self.tell_over("it answers again");
        }
    }

    /// The alarm is the worker's: it stands while any of its engines has failed.
    fn tell_over(&self, why: &str) {
        let mut models = self.loaded.iter().flat_map(|l| &l.models);
        if !models.any(|m| m.alarmed) {
            self.tell(false, why.to_owned());
        }
    }

    /// Counts and tells it; returns it in words.
    fn tell_fault(&mut self, at: usize, model: usize, trouble: &Trouble) -> Arc<str> {
        bump(&self.tally.line.engine_faults);
        let loaded = &mut self.loaded[at];
        let name = &loaded.live.plan.models[model].name;
        let message = format!("model `{name}` on engine worker {}: {trouble}", self.index);
        // one alarm until it works again, not one a batch
        let fault = Arc::<str>::from(message.as_str());
        loaded.models[model].fault = Some(Arc::clone(&fault));
        if !std::mem::replace(&mut loaded.models[model].alarmed, true) {
            self.tell(true, message);
        }
        fault
    }

    fn trouble(&mut self, at: usize, model: usize, trouble: &Trouble) -> Arc<str> {
        let fault = self.tell_fault(at, model, trouble);
        let state = &mut self.loaded[at].models[model];
        state.faults += 1;
        if matches!(trouble, Trouble::Panicked(_)) || state.faults >= FAULTS_IN_A_ROW {
            state.condition = Condition::Broken;
        }
        fault
    }

    /// Makes broken engines anew, if somebody can. To be called when the jobs they failed are handed on. True: one was
    /// broken, and may have been replaced.
    pub(crate) fn repair(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.loaded.len() {
            for model in 0..self.loaded[at].models.len() {
                if self.loaded[at].models[model].condition == Condition::Broken {
                    self.repair_one(at, model);
                    any = true;
                }
            }
        }
        any
    }

    fn repair_one(&mut self, at: usize, model: usize) {
        let Some(rebuild) = self.loaded[at].live.rebuild.clone() else {
            self.loaded[at].models[model].condition = Condition::Dead;
            return;
        };
        let index = self.index;
        let made = catch_unwind(AssertUnwindSafe(|| rebuild.rebuild(index, model)));
        let state = &mut self.loaded[at].models[model];
        match made {
            Ok(Ok(engines)) => {
                let old = std::mem::replace(&mut state.engines, engines);
                // a panicked engine may panic once more when it goes
                let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
                (state.condition, state.faults) = (Condition::Works, 0);
                bump(&self.tally.line.rebuilt);
            }
            Ok(Err(error)) => {
                state.condition = Condition::Dead;
                let message =
                    format!("engine worker {index} could not make its engine anew: {error}");
                self.tell(true, message);
            }
            Err(_) => state.condition = Condition::Dead,
        }
    }

    fn tell(&self, active: bool, message: String) {
        self.events.alarm(Alarm {
            id: AlarmKind::EngineFault.of(self.index),
            active,
            since: self.clock.utc(),
            message,
        });
    }
}
