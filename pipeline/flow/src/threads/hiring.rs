//! Starts workers: the first ones, and the successor of one that does not come back from its engine.

use super::worker_load::WorkerPlace;
use super::{Threads, WorkerCommand, WorkerLoad, WorkerThread};
use crate::active_generation::{ActiveGeneration, ModelEngines, WorkerEngines};
use crate::counters::Counters;
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::JudgeInput;
use crate::worker::EngineCore;
use crate::{FlowError, FlowEvents};
use sightline_domain::Clock;
use sightline_queue::{Receiver, Sender, bounded};
use sightline_threads::{NotDemoted, Urgency};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Commands that may wait for a worker.
const COMMANDS: usize = 8;

/// The workers' command queues, by number; shared with the judge.
#[derive(Clone, Default)]
pub(crate) struct Workers(Arc<Mutex<Vec<Sender<WorkerCommand>>>>);

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Vec<Sender<WorkerCommand>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Sender<WorkerCommand>> {
        self.lock().clone()
    }

    /// Tells every worker; a worker that hangs does not hear it.
    pub(crate) fn tell(&self, command: impl Fn() -> WorkerCommand) {
        for worker in self.lock().iter() {
            let _ = worker.try_send(command());
        }
    }

    /// Nobody tells them anything any more.
    pub(crate) fn dismiss(&self) {
        self.lock().clear();
    }

    fn set(&self, worker: usize, commands: Sender<WorkerCommand>) {
        let mut all = self.lock();
        match all.get_mut(worker) {
            Some(place) => *place = commands,
            None => all.push(commands),
        }
    }
}

/// What a new worker needs.
pub(crate) struct Hiring {
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub tally: Arc<Counters>,
    pub load: Arc<WorkerLoad>,
    pub work: Receiver<Box<Job>>,
    pub judge: Sender<JudgeInput>,
    pub input: Sender<FlowInput>,
    pub retired: Sender<Vec<ModelEngines>>,
    pub keep_warm: Option<Duration>,
    pub cores: Vec<usize>,
    pub workers: Workers,
}

impl Hiring {
    /// Worker number `index` with the engines of `live`.
    pub(crate) fn start(
        &self,
        threads: &mut Threads,
        index: usize,
        live: &Arc<ActiveGeneration>,
        engines: WorkerEngines,
    ) -> Result<(), FlowError> {
        let core = self.core(index, live, engines)?;
        let place = self.load.place(index);
        self.spawn(threads, &format!("sl-engine-{index}"), index, place, core)
    }

    fn core(
        &self,
        index: usize,
        live: &Arc<ActiveGeneration>,
        engines: WorkerEngines,
    ) -> Result<EngineCore, FlowError> {
        let (tally, events) = (Arc::clone(&self.tally), Arc::clone(&self.events));
        let mut core = EngineCore::new(index, Arc::clone(&self.clock), tally, events, false);
        core.add(Arc::clone(live), engines)?;
        Ok(core)
    }

    /// A successor of worker `index`, which is left where it hangs, with the lowest priority: what the system refused of
    /// that comes back, and the successor works all the same.
    pub(crate) fn replace(
        &self,
        threads: &mut Threads,
        index: usize,
        live: &Arc<ActiveGeneration>,
        engines: WorkerEngines,
    ) -> Result<Option<NotDemoted>, FlowError> {
        let core = self.core(index, live, engines)?;
        let (lost, place) = self.load.leave_behind(index);
        let kept = lost.demote().err();
        let before = self
            .load
            .left_behind
            .load(std::sync::atomic::Ordering::SeqCst);
        threads.leave(&format!("sl-engine-{index}"));
        self.spawn(
            threads,
            &format!("sl-engine-{index}.{before}"),
            index,
            place,
            core,
        )?;
        Ok(kept)
    }

    fn spawn(
        &self,
        threads: &mut Threads,
        name: &str,
        index: usize,
        place: Arc<WorkerPlace>,
        core: EngineCore,
    ) -> Result<(), FlowError> {
        let (commands, control) = bounded::<WorkerCommand>("engine-control", COMMANDS);
        place.works_with(core.teams());
        let worker = WorkerThread {
            core,
            index,
            place,
            clock: Arc::clone(&self.clock),
            events: Arc::clone(&self.events),
            load: Arc::clone(&self.load),
            work: self.work.clone(),
            control,
            judge: self.judge.clone(),
            input: self.input.clone(),
            retired: self.retired.clone(),
            keep_warm: self.keep_warm,
        };
        let pinned = &self.cores;
        let core = (!pinned.is_empty()).then(|| pinned[index % pinned.len()]);
        threads.spawn(name, core, Some(Urgency::Compute), move || worker.run())?;
        self.workers.set(index, commands);
        Ok(())
    }
}
