//! What the service holds of a running flow.

use crate::counters::{CameraCounts, LineCounts, Tally};
use crate::gate::GateLink;
use crate::input::FlowInput;
use crate::live::Live;
use crate::sinks::Door;
use crate::stages::{StageTimes, Stages};
use crate::threads::{Crew, ResultInput, Threads, Told, WorkerCommand};
use crate::{FlowError, FlowEvents, FlowSettings, FlowTap, FlowTrigger, GenerationBuild};
use sightline_model::{CameraId, Generation};
use sightline_queue::{QueueGauge, QueueSnapshot, Receiver, Sender, bounded};
use sightline_verdict::{GateCounters, OnTheWay};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a new generation may take to be taken in by the workers, each of which may be at work on a batch.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// A running flow. Dropping it without [`FlowHandle::stop`] stops it, too.
pub struct FlowHandle {
    pub(crate) tap: FlowTap,
    pub(crate) trigger: FlowTrigger,
    pub(crate) input: Sender<FlowInput>,
    pub(crate) door: Arc<Door>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) crew: Arc<Crew>,
    pub(crate) told: Arc<Told>,
    pub(crate) stages: Arc<Mutex<Stages>>,
    pub(crate) gate: Option<Arc<GateLink>>,
    pub(crate) gauges: Vec<QueueGauge>,
    pub(crate) events: Arc<dyn FlowEvents>,
    pub(crate) settings: FlowSettings,
    pub(crate) control: Mutex<Control>,
}

pub(crate) struct Control {
    pub generation: Generation,
    pub workers: Vec<Sender<WorkerCommand>>,
    pub threads: Threads,
    pub results: Option<Sender<ResultInput>>,
}

/// Everything that is counted, at one moment.
#[derive(Clone, Debug)]
pub struct FlowCounters {
    /// The line as a whole.
    pub line: LineCounts,
    /// By camera.
    pub cameras: Vec<CameraCounts>,
    /// The gate, where there is one.
    pub gate: Option<GateCounters>,
    /// Parts between trigger and gate.
    pub at_gate: usize,
    /// Parts without a result yet.
    pub open_parts: usize,
    /// Batches with engines.
    pub batches_in_flight: usize,
    /// Engine workers that work.
    pub workers: usize,
    /// The generation that new parts get.
    pub generation: Generation,
    /// The queues between the threads.
    pub queues: Vec<QueueSnapshot>,
    /// Where the time of parts went.
    pub stages: StageTimes,
}

impl FlowHandle {
    /// Where cameras deliver.
    pub fn tap(&self) -> FlowTap {
        self.tap.clone()
    }

    /// Where triggers go.
    pub fn trigger(&self) -> FlowTrigger {
        self.trigger.clone()
    }

    /// The camera is not live: what it owes is missed at once, until it delivers again.
    pub fn set_camera_down(&self, camera: CameraId) {
        self.tap.camera_down(camera);
    }

    /// Lets a new generation take over, beside the old one until its last part has its verdict. Returns when the next
    /// trigger will be inspected by it. No view is lost.
    ///
    /// # Errors
    /// The build is not whole, its number is not higher, it has another number of workers, a golden picture cannot be
    /// registered, or a worker does not answer. The old generation goes on then.
    pub fn activate(&self, build: GenerationBuild) -> Result<Generation, FlowError> {
        let mut control = self.control();
        let offered = build.plan.generation;
        if offered <= control.generation {
            let current = control.generation;
            return Err(FlowError::Order { current, offered });
        }
        let (live, engines) = Live::of(build, self.settings.camera_slots.len())?;
        if engines.len() != control.workers.len() {
            return Err(FlowError::Build {
                generation: offered,
                what: "engine workers",
                expected: control.workers.len().to_string(),
                found: engines.len().to_string(),
            });
        }
        let (answer, answers) = bounded("generation-added", engines.len());
        for (worker, engines) in control.workers.iter().zip(engines) {
            let add = WorkerCommand::Add(Arc::clone(&live), engines, answer.clone());
            worker.send(add).map_err(|_| FlowError::Stopped)?;
        }
        drop(answer);
        if let Err(error) = self.wait_for(&answers, control.workers.len(), offered) {
            for worker in &control.workers {
                let _ = worker.try_send(WorkerCommand::Remove(offered));
            }
            return Err(error);
        }
        let (done, switched) = bounded("generation-switched", 1);
        let switch = FlowInput::Switch(live, done);
        self.input.send(switch).map_err(|_| FlowError::Stopped)?;
        switched
            .recv_timeout(TAKE_OVER)
            .map_err(|_| no_answer(offered))?;
        control.generation = offered;
        drop(control);
        self.events.generation_active(offered);
        Ok(offered)
    }

    fn wait_for(
        &self,
        answers: &Receiver<Result<(), FlowError>>,
        workers: usize,
        offered: Generation,
    ) -> Result<(), FlowError> {
        for _ in 0..workers {
            let answer = answers.recv_timeout(TAKE_OVER);
            answer.map_err(|_| no_answer(offered))??;
        }
        Ok(())
    }

    /// The production order or lot of the results from now on.
    pub fn set_job(&self, job_id: Option<String>) {
        if let Some(results) = &self.control().results {
            let _ = results.send(ResultInput::Job(job_id));
        }
    }

    /// A person has seen to the gate's alarms: the line may run.
    pub fn acknowledge_gate(&self) {
        if let Some(gate) = &self.gate {
            gate.acknowledge(self.settings.clock.now());
        }
    }

    /// The next `most` parts at the gate, for people to look at.
    pub fn on_the_way(&self, most: usize) -> Vec<OnTheWay> {
        let now = self.settings.clock.now();
        let gate = self.gate.as_ref();
        gate.map_or_else(Vec::new, |gate| gate.on_the_way(now, most))
    }

    /// Everything that is counted.
    pub fn counters(&self) -> FlowCounters {
        // downstream first: what is counted later can then never be more than what was counted before
        let gate = self.gate.as_ref().map(|g| g.counters());
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let stages = stages.summary();
        FlowCounters {
            line: self.tally.line.snapshot(),
            cameras: self.tally.cameras.iter().map(|c| c.snapshot()).collect(),
            gate,
            at_gate: self.gate.as_ref().map_or(0, |g| g.coming()),
            open_parts: self.tally.open.load(Ordering::SeqCst),
            batches_in_flight: self.crew.in_flight.load(Ordering::SeqCst),
            workers: self.crew.alive.load(Ordering::SeqCst),
            generation: self.control().generation,
            queues: self.gauges.iter().map(QueueGauge::snapshot).collect(),
            stages,
        }
    }

    /// Begins the distributions of times anew, e.g. after a warm-up.
    pub fn reset_stages(&self) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.reset();
    }

    /// Everything that came in is dealt with: no part is open, no batch with an engine.
    pub fn idle(&self) -> bool {
        let taken = self.tally.taken.load(Ordering::SeqCst);
        let dealt = self.tally.dealt.load(Ordering::SeqCst);
        taken == dealt
            && self.tally.open.load(Ordering::SeqCst) == 0
            && self.crew.in_flight.load(Ordering::SeqCst) == 0
    }

    /// Waits until at least `results` results were told since the start, at most `timeout`. False: they were not.
    pub fn wait_results(&self, results: u64, timeout: Duration) -> bool {
        let count = self
            .told
            .count
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let more = &self.told.more;
        let waited = more.wait_timeout_while(count, timeout, |count| *count < results);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Ends in order: no more input, the engines finish what they have, the judge closes what is open, every result
    /// goes to the sink, the gate sees its last part pass. Waits for each no longer than its patience. Calling it
    /// again does nothing.
    pub fn stop(&self) {
        if self.door.is_closed() {
            return;
        }
        self.door.close();
        let _ = self.input.send(FlowInput::Stop);
        let mut control = self.control();
        // batcher, judge and workers end by themselves; results when nobody can send them any more
        control.results = None;
        control.workers.clear();
        let patience = self.settings.stop_patience;
        let until = Instant::now() + patience + Duration::from_secs(2);
        control.threads.wait("sl-judge", until);
        if let Some(gate) = &self.gate {
            gate.close();
        }
        control.threads.wait_all(until + patience);
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FlowHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

fn no_answer(generation: Generation) -> FlowError {
    FlowError::NoAnswer {
        generation,
        waited: TAKE_OVER,
    }
}
