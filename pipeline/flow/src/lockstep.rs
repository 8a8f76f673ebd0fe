//! The whole line on one thread under a clock that moves only when it is told to: the same state machines, turned in a
//! fixed order, so that the same input gives the same bytes.

use crate::active_generation::ActiveGeneration;
use crate::batcher::{BatchCore, BatchOut, BatchRules};
use crate::counters::{Counters, bump};
use crate::gate::{GateCore, GateLink, LOOK};
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::{JudgeCore, JudgeInput};
use crate::lane::Engines;
use crate::recording::{Recorded, RecordedFrame, Recording};
use crate::results::ResultCore;
use crate::stages::Stages;
use crate::worker::EngineCore;
use crate::{
    FlowError, FlowEvents, FlowSettings, GateSetup, GenerationBuild, LineCounts, RecordingError,
    ResultSink,
};
use sightline_domain::{
    CameraId, Clock, FrameMeta, Generation, MissReason, MockClock, MonoTime, Trigger,
};
use sightline_frames::{FramePool, Lease, MemoryWish, Missed, PoolConfig, Tapped, View};
use sightline_queue::bounded;
use sightline_verdict::{GateCounters, ResultMaker};
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// While parts are on their way the gate is looked at so often.
const GATE_STEP: Duration = Duration::from_millis(5);
/// One worker that is never busy: an engine takes no time of the mock clock unless it moves it.
const ENGINES: Engines = Engines {
    alive: 1,
    room: 1,
    idle: 1,
};

/// The line in lockstep.
pub struct Lockstep {
    clock: Arc<MockClock>,
    tally: Arc<Counters>,
    events: Arc<dyn FlowEvents>,
    link: Option<Arc<GateLink>>,
    batch: BatchCore,
    worker: EngineCore,
    judge: JudgeCore,
    gate: Option<GateCore>,
    gate_due: Option<MonoTime>,
    results: ResultCore,
    cameras: usize,
    generation: Generation,
    out: Vec<BatchOut>,
    #[expect(clippy::vec_box, reason = "the box itself goes round")]
    blanks: Vec<Box<Job>>,
}

impl Lockstep {
    /// The same parts as [`crate::Flow::start`], but of the build's workers only the first, and `clock` for every
    /// clock. Engine times are not told in results.
    ///
    /// # Errors
    /// As [`crate::Flow::start`].
    pub fn new(
        settings: FlowSettings,
        clock: Arc<MockClock>,
        first: GenerationBuild,
        gate: Option<GateSetup>,
        maker: ResultMaker,
        sink: Box<dyn ResultSink>,
        events: Arc<dyn FlowEvents>,
    ) -> Result<Self, FlowError> {
        let any: Arc<dyn Clock> = clock.clone();
        let (cameras, max_open) = (settings.camera_slots.len(), settings.most_open());
        let (live, engines) = ActiveGeneration::of(first, cameras)?;
        let tally = Arc::new(Counters::new(cameras, settings.open_parts.clone()));
        let (t, e) = (Arc::clone(&tally), Arc::clone(&events));
        let mut worker = EngineCore::new(0, Arc::clone(&any), t, e, true);
        for engines in engines.into_iter().take(1) {
            worker.add(Arc::clone(&live), engines)?;
        }
        let gate = gate.map(|setup| {
            let link = Arc::new(GateLink::new(setup.schedule, max_open));
            let (l, e, c) = (Arc::clone(&link), Arc::clone(&events), Arc::clone(&any));
            (link, GateCore::new(l, setup.driver, e, c, max_open))
        });
        let to_correct = gate.as_ref().map_or(0, |_| 2 * max_open);
        let (link, gate) = gate.unzip();
        let rules = BatchRules {
            clock: Arc::clone(&any),
            batch_wait: settings.batch_wait,
            max_open,
            every_frame: settings.every_frame,
            camera_slots: settings.camera_slots,
            triggered: settings.triggered,
        };
        let generation = live.generation();
        let stages = Arc::new(Mutex::new(Stages::new(settings.batch_wait)));
        let (t, e) = (Arc::clone(&tally), Arc::clone(&events));
        Ok(Self {
            batch: BatchCore::new(rules, live, Arc::clone(&tally), link.clone()),
            judge: JudgeCore::new(max_open, link.clone(), Arc::clone(&tally)),
            results: ResultCore::new(maker, sink, e, any, t, stages, to_correct),
            clock,
            tally,
            events,
            link,
            worker,
            gate,
            gate_due: None,
            cameras,
            generation,
            out: Vec::with_capacity(256),
            blanks: Vec::new(),
        })
    }

    /// A part arrives `at`; the clock moves there first, and everything due before happens before.
    pub fn trigger(&mut self, at: MonoTime, trigger: Trigger) {
        self.advance_to(at);
        bump(&self.tally.line.triggers);
        if let Some(link) = &self.link
            && !link.register(&trigger, self.clock.now())
        {
            bump(&self.tally.line.duplicate_triggers);
            return;
        }
        self.take(FlowInput::Trigger(trigger));
    }

    /// A camera brings something `at`.
    pub fn deliver(&mut self, at: MonoTime, item: Tapped) {
        self.advance_to(at);
        self.take(FlowInput::Tapped(item));
    }

    /// A camera goes down `at`.
    pub fn camera_down(&mut self, at: MonoTime, camera: CameraId) {
        self.advance_to(at);
        self.take(FlowInput::CameraDown(camera));
    }

    /// A new generation takes over with the next trigger.
    ///
    /// # Errors
    /// As [`crate::FlowHandle::activate`].
    pub fn activate(&mut self, build: GenerationBuild) -> Result<(), FlowError> {
        let (current, offered) = (self.generation, build.plan.generation);
        if offered <= current {
            return Err(FlowError::Order { current, offered });
        }
        let (live, engines) = ActiveGeneration::of(build, self.cameras)?;
        for engines in engines.into_iter().take(1) {
            self.worker.add(Arc::clone(&live), engines)?;
        }
        self.generation = offered;
        let (done, _) = bounded("generation-switched", 1);
        self.take(FlowInput::Switch(live, done));
        self.events.generation_active(offered);
        Ok(())
    }

    /// Moves the clock to `at`, stopping wherever something is due.
    pub fn advance_to(&mut self, at: MonoTime) {
        while let Some(due) = self.next_due().filter(|due| *due <= at) {
            // something due now that does not go away must not stop the clock
            let step = due.max(self.clock.now() + Duration::from_nanos(1));
            self.clock.advance_to(step.min(at.max(due)));
            self.turn();
            if step > at {
                break;
            }
        }
        self.clock.advance_to(at);
    }

    /// Feeds a whole recording, and ends.
    ///
    /// # Errors
    /// What is wrong with the recording; what came before it is inspected all the same, and every part has its result.
    pub fn replay<R: Read>(
        mut self,
        mut recording: Recording<R>,
    ) -> Result<LineCounts, RecordingError> {
        let pools = pools(&recording)?;
        let trouble = loop {
            match recording.next_record() {
                Ok(Some((at, Recorded::Trigger(trigger)))) => self.trigger(at, trigger),
                Ok(Some((at, Recorded::Missed(missed)))) => {
                    self.deliver(at, Tapped::Missed(missed));
                }
                Ok(Some((at, Recorded::CameraDown(camera)))) => self.camera_down(at, camera),
                Ok(Some((at, Recorded::Frame(frame)))) => {
                    self.advance_to(at);
                    self.deliver(at, tapped(&pools, frame));
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(at) = recording.ended() {
            self.advance_to(at);
        }
        let counts = self.finish();
        trouble.map_or(Ok(counts), Err)
    }

    /// Ends in order: what is open is decided as it is, and the last part passes the gate.
    pub fn finish(mut self) -> LineCounts {
        self.take(FlowInput::Stop);
        self.hear(JudgeInput::End);
        self.turn();
        let patience = self.clock.now() + Duration::from_secs(60);
        while self.link.as_ref().is_some_and(|l| l.coming() > 0) && self.clock.now() < patience {
            let next = self.clock.now() + GATE_STEP;
            self.advance_to(next);
        }
        self.tally.line.snapshot()
    }

    /// A person has seen to the gate, as [`crate::FlowHandle::acknowledge_gate`].
    pub fn acknowledge_gate(&mut self) {
        if let Some(link) = &self.link {
            link.acknowledge(self.clock.now());
        }
        self.turn();
    }

    /// What the gate counted, and how many parts are on their way to it; `None` without a gate.
    pub fn gate_counts(&self) -> Option<(GateCounters, usize)> {
        let link = self.link.as_ref()?;
        Some((link.counters(), link.coming()))
    }

    /// What was counted so far.
    pub fn counts(&self) -> LineCounts {
        self.tally.line.snapshot()
    }

    fn next_due(&self) -> Option<MonoTime> {
        let dues = [
            self.batch.next_wake(false),
            self.judge.next_deadline(),
            self.gate_due,
        ];
        dues.into_iter().flatten().min()
    }

    fn take(&mut self, input: FlowInput) {
        let now = self.clock.now();
        self.batch.take(input, now, &mut self.out);
        self.hand_on();
        self.turn();
    }

    /// Turns every state machine once, in the order in which parts pass them, until batches are done.
    fn turn(&mut self) {
        loop {
            let blanks = &mut self.blanks;
            let blank = || blanks.pop().unwrap_or_default();
            let now = self.clock.now();
            let more = self.batch.pump(now, ENGINES, blank, &mut self.out);
            self.hand_on();
            if !more {
                break;
            }
        }
        self.close();
        let now = self.clock.now();
        if let Some(gate) = &mut self.gate {
            let due = gate.step(now);
            while let Some(correction) = gate.corrections().pop_front() {
                self.results.correct(correction);
            }
            let coming = self.link.as_ref().is_some_and(|l| l.coming() > 0);
            // an encoder that is back is noticed also where nothing comes, for the line may be held until then
            let look = if coming { GATE_STEP } else { LOOK };
            self.gate_due = due.into_iter().chain(Some(now + look)).min();
        }
    }

    fn hand_on(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        for item in out.drain(..) {
            let said = match item {
                BatchOut::Tell(said) => said,
                BatchOut::Switched(_) => continue,
                BatchOut::Job(job) => {
                    let done = self.worker.begin(job).or_else(|| self.worker.finish());
                    self.worker.repair();
                    let Some(done) = done else { continue };
                    JudgeInput::Done(done)
                }
            };
            self.hear(said);
        }
        self.out = out;
    }

    fn hear(&mut self, input: JudgeInput) {
        let now = self.clock.now();
        let mut decided = Vec::new();
        if let Some(mut job) = self.judge.take(input, now, &mut decided) {
            job.clear();
            self.blanks.push(job);
        }
        self.tell(decided);
    }

    fn close(&mut self) {
        let mut decided = Vec::new();
        self.judge.close(self.clock.now(), &mut decided);
        self.tell(decided);
        while let Some(generation) = self.judge.next_retired() {
            drop(self.worker.remove(generation));
            self.events.generation_retired(generation);
        }
    }

    fn tell(&mut self, decided: Vec<crate::judging::Decided>) {
        for part in decided {
            let dossier = self.results.make(part);
            self.judge.recycle(dossier);
        }
    }
}

fn pools<R: Read>(recording: &Recording<R>) -> Result<Vec<FramePool>, RecordingError> {
    let cameras = recording.cameras().iter().enumerate();
    let pool = |(n, shape): (usize, &crate::CameraShape)| {
        Ok(FramePool::new(PoolConfig {
            name: format!("replay-{n}").into(),
            slots: shape.slots as usize,
            slot_bytes: shape.slot_bytes as usize,
            memory: MemoryWish::Auto,
        })?)
    };
    cameras.map(pool).collect()
}

/// The frame in a slot again; without a free one it is missed, as it would be at a camera.
fn tapped(pools: &[FramePool], frame: RecordedFrame) -> Tapped {
    let meta = frame.meta;
    let missed = |reason| {
        Tapped::Missed(Missed {
            camera: meta.camera,
            frame_id: Some(meta.frame_id),
            at: meta.captured,
            reason,
        })
    };
    let Some(picture) = lease(pools, meta, &frame.pixels) else {
        return missed(MissReason::NoFreeSlot);
    };
    let reference = match frame.reference {
        None => None,
        Some((meta, pixels)) => match lease(pools, meta, &pixels) {
            Some(golden) => Some(golden),
            None => return missed(MissReason::NoFreeSlot),
        },
    };
    Tapped::View(View {
        lease: picture,
        reference,
    })
}

fn lease(pools: &[FramePool], meta: FrameMeta, pixels: &[u8]) -> Option<Lease> {
    let mut slot = pools.get(meta.camera.index())?.open()?;
    let bytes = slot.bytes_mut().get_mut(..pixels.len())?;
    bytes.copy_from_slice(pixels);
    slot.seal(meta).ok()
}
