//! What the service holds of a running flow.

use crate::active_generation::{ActiveGeneration, WorkerEngines};
use crate::counters::{CameraCounts, Counters, LineCounts};
use crate::event_forwarder::EventForwarder;
use crate::gate::GateLink;
use crate::input::FlowInput;
use crate::sinks::IntakeGate;
use crate::stages::{StageTimes, Stages};
use crate::threads::{
    Hiring, Offered, ResultInput, ResultsMade, Threads, WorkerCommand, WorkerLoad, Workers, take,
};
use crate::{FlowError, FlowEvents, FlowSettings, FlowTap, FlowTrigger, GenerationBuild};
use sightline_domain::{Alarm, AlarmKind, CameraId, Generation};
use sightline_queue::{QueueGauge, QueueSnapshot, Sender, bounded};
use sightline_verdict::{
    ChallengeCounters, ChallengeStanding, GateCounters, InspectionPlan, OnTheWay,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a new generation may take to be taken in by the workers, each of which may be at work on a batch.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// A running flow. Dropping it without [`FlowHandle::stop`] stops it, too.
pub struct FlowHandle {
    pub(crate) tap: FlowTap,
    pub(crate) trigger: FlowTrigger,
    pub(crate) input: Sender<FlowInput>,
    pub(crate) door: Arc<IntakeGate>,
    pub(crate) tally: Arc<Counters>,
    pub(crate) load: Arc<WorkerLoad>,
    pub(crate) told: Arc<ResultsMade>,
    pub(crate) stages: Arc<Mutex<Stages>>,
    pub(crate) gate: Option<Arc<GateLink>>,
    pub(crate) gauges: Vec<QueueGauge>,
    pub(crate) events: Arc<dyn FlowEvents>,
    pub(crate) herald: Arc<EventForwarder>,
    pub(crate) settings: FlowSettings,
    pub(crate) workers: Workers,
    pub(crate) generation: AtomicU32,
    /// One generation takes over at a time.
    pub(crate) turn: Mutex<()>,
    pub(crate) control: Mutex<Control>,
}

pub(crate) struct Control {
    pub threads: Threads,
    /// `None` once the flow stops.
    pub hiring: Option<Hiring>,
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
    /// Engine workers that did not come back from a batch and were replaced.
    pub left_behind: usize,
    /// Workers that are busy with one batch for longer than `hang_after`.
    pub hanging: usize,
    /// The generation that new parts get.
    pub generation: Generation,
    /// The queues between the threads.
    pub queues: Vec<QueueSnapshot>,
    /// Where the time of parts went.
    pub stages: StageTimes,
}

impl FlowCounters {
    /// Parts that are not over: without a result, or not past the gate.
    pub fn in_flight(&self) -> usize {
        self.open_parts.max(self.at_gate)
    }
}

impl FlowHandle {
    /// Parts without a result; asks nobody.
    pub fn open_parts(&self) -> usize {
        self.tally.open.load(Ordering::SeqCst)
    }

    /// Parts without a result, or not past the gate; asks the gate.
    pub fn in_flight(&self) -> usize {
        let at_gate = self.gate.as_ref().map_or(0, |g| g.coming());
        self.open_parts().max(at_gate)
    }

    /// Where cameras deliver.
    pub fn tap(&self) -> FlowTap {
        self.tap.clone()
    }

    /// Where triggers go.
    pub fn trigger(&self) -> FlowTrigger {
        self.trigger.clone()
    }

    /// Where the challenge of `plan` stands, and what was counted.
    pub fn challenge(&self, plan: &InspectionPlan) -> (ChallengeStanding, ChallengeCounters) {
        let challenges = self.tally.challenges();
        (challenges.standing(plan), challenges.counters())
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
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, offered) = (self.generation(), build.plan.generation);
        if offered <= current {
            return Err(FlowError::Order { current, offered });
        }
        let (live, engines) = ActiveGeneration::of(build, self.settings.camera_slots.len())?;
        let workers = self.workers.all();
        if engines.len() != workers.len() || workers.is_empty() {
            return Err(FlowError::Build {
                generation: offered,
                what: "engine workers",
                expected: workers.len().to_string(),
                found: engines.len().to_string(),
            });
        }
        let added = self.offer(&live, &workers, engines);
        if let Err(error) = added {
            self.workers.tell(|| WorkerCommand::Remove(offered));
            return Err(error);
        }
        let (done, switched) = bounded("generation-switched", 1);
        let switch = FlowInput::Switch(live, done);
        self.input.send(switch).map_err(|_| FlowError::Stopped)?;
        switched
            .recv_timeout(TAKE_OVER)
            .map_err(|_| no_answer(offered))?;
        self.generation.store(offered.0, Ordering::SeqCst);
        self.events.generation_active(offered);
        Ok(offered)
    }

    /// Every worker takes its engines; one that does not come back from a batch is left there, and a successor takes them.
    fn offer(
        &self,
        live: &Arc<ActiveGeneration>,
        workers: &[Sender<WorkerCommand>],
        engines: Vec<WorkerEngines>,
    ) -> Result<(), FlowError> {
        let mut asked = Vec::with_capacity(engines.len());
        for (worker, engines) in workers.iter().zip(engines) {
            let offered: Offered = Arc::new(Mutex::new(Some(engines)));
            let (answer, answers) = bounded("generation-added", 1);
            let add = WorkerCommand::Add(Arc::clone(live), Arc::clone(&offered), answer);
            // a queue that is full belongs to a worker that hangs
            let _ = worker.try_send(add);
            asked.push((offered, answers));
        }
        let end = Instant::now() + self.settings.hang_after;
        for (index, (offered, answers)) in asked.into_iter().enumerate() {
            let wait = match self
                .load
                .hangs(index, self.settings.hang_after, &*self.settings.clock)
            {
                true => Instant::now(),
                false => end,
            };
            match answers.recv_deadline(wait) {
                Ok(answer) => answer?,
                Err(_) => match take(&offered) {
                    Some(engines) => self.replace(index, live, engines)?,
                    // it has just begun
                    None => answers
                        .recv_timeout(TAKE_OVER)
                        .map_err(|_| no_answer(live.generation()))??,
                },
            }
        }
        Ok(())
    }

    fn replace(
        &self,
        index: usize,
        live: &Arc<ActiveGeneration>,
        engines: WorkerEngines,
    ) -> Result<(), FlowError> {
        let mut control = self.control();
        let Control {
            threads, hiring, ..
        } = &mut *control;
        let hiring = hiring.as_ref().ok_or(FlowError::Stopped)?;
        let kept = hiring.replace(threads, index, live, engines)?;
        drop(control);
        let kept = match kept {
            None => "takes only what others leave of a core".to_owned(),
            Some(refused) => format!("may keep a core busy ({refused})"),
        };
        let left = self.load.left_behind.load(Ordering::SeqCst);
        self.events.alarm(Alarm {
            id: AlarmKind::EngineLeftBehind.into(),
            active: true,
            since: self.settings.clock.utc(),
            message: format!(
                "engine worker {index} did not come back from a batch within {:?} and was left behind, {left} so far; another works in its place. Each keeps its memory, and this one {kept}: restart the station when the line allows",
                self.settings.hang_after
            ),
        });
        Ok(())
    }

    fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::SeqCst))
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
            batches_in_flight: self.load.in_flight.load(Ordering::SeqCst),
            workers: self.load.alive.load(Ordering::SeqCst),
            generation: self.generation(),
            left_behind: self.load.left_behind.load(Ordering::SeqCst),
            hanging: self
                .load
                .hanging(self.settings.hang_after, &*self.settings.clock),
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
            && self.load.in_flight.load(Ordering::SeqCst) == 0
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
        control.hiring = None;
        let patience = self.settings.stop_patience;
        let until = Instant::now() + patience + Duration::from_secs(2);
        control.threads.wait("sl-judge", until);
        self.workers.dismiss();
        if self.load.left_behind.load(Ordering::SeqCst) > 0 {
            // whoever was left behind still holds the way to it
            control.threads.leave("sl-retire");
        }
        if let Some(gate) = &self.gate {
            gate.close();
        }
        control.threads.wait_all(until + patience);
        self.herald.end();
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
