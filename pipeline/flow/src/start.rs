//! Puts the threads and the queues between them together.

use crate::active_generation::ActiveGeneration;
use crate::batcher::{BatchCore, BatchRules};
use crate::counters::Counters;
use crate::event_forwarder::EventForwarder;
use crate::gate::{GateCore, GateLink};
use crate::handle::{Control, FlowHandle};
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::{JudgeCore, JudgeInput};
use crate::results::ResultCore;
use crate::sinks::{FlowTap, FlowTrigger, IntakeGate};
use crate::stages::Stages;
use crate::threads::{
    BatchThread, Hiring, JudgeSender, JudgeThread, ResultInput, ResultThread, ResultsMade, Threads,
    WorkerLoad, Workers,
};
use crate::{
    FlowError, FlowEvents, FlowSettings, GateSetup, GenerationBuild, ModelEngines, ResultSink,
    WorkerEngines,
};
use sightline_domain::{Clock, Generation};
use sightline_queue::{QueueGauge, Receiver, Sender, bounded};
use sightline_threads::Urgency;
use sightline_verdict::{Dossier, ResultMaker};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};

/// The running line.
pub struct Flow;

impl Flow {
    /// Starts every thread; the first generation inspects from the first trigger on.
    ///
    /// # Errors
    /// A build that is not whole, golden pictures that cannot be registered, cores that are not there, threads that
    /// the operating system does not give. Nothing runs then.
    pub fn start(
        settings: FlowSettings,
        first: GenerationBuild,
        gate: Option<GateSetup>,
        maker: ResultMaker,
        sink: Box<dyn ResultSink>,
        events: Arc<dyn FlowEvents>,
    ) -> Result<FlowHandle, FlowError> {
        let cores = settings.engine_cores.iter().chain(&settings.stage_core);
        check_cores(cores.copied())?;
        let cameras = settings.camera_slots.len();
        let (live, engines) = ActiveGeneration::of(first, cameras)?;
        let herald = EventForwarder::start(events, Arc::clone(&settings.clock))?;
        let events: Arc<dyn FlowEvents> = herald.clone();
        let target = live.models.iter().map(|m| m.target).max().unwrap_or(1);
        let mut assembly = Assembly {
            queues: Queues::new(&settings, engines.len(), target),
            tally: Arc::new(Counters::new(cameras, settings.open_parts.clone())),
            load: Arc::new(WorkerLoad::new(engines.len())),
            told: Arc::new(ResultsMade::default()),
            stages: Arc::new(Mutex::new(Stages::new(settings.batch_wait))),
            threads: Threads::new(events.clone(), Arc::clone(&settings.clock), settings.raised),
            events,
            link: None,
            wakes_at: Arc::default(),
            settings,
        };
        assembly.gate(gate)?;
        assembly.results(maker, sink)?;
        let hiring = assembly.engines(&live, engines)?;
        assembly.judge(&hiring)?;
        let generation = live.generation();
        assembly.batcher(live, target)?;
        assembly.events.generation_active(generation);
        Ok(assembly.handle(hiring, herald, generation))
    }
}

type Queue<T> = (Sender<T>, Receiver<T>);

/// Both ends of what lies between the threads.
struct Queues {
    input: Queue<FlowInput>,
    work: Queue<Box<Job>>,
    judge: Queue<JudgeInput>,
    quiet: Queue<JudgeInput>,
    home: Queue<Box<Job>>,
    results: Queue<ResultInput>,
    dossiers: Queue<Box<Dossier>>,
    retired: Queue<Vec<ModelEngines>>,
}

impl Queues {
    /// With the empty batches at home: a batch has at least one slot's view in it, so there are never more batches than
    /// slots.
    fn new(settings: &FlowSettings, workers: usize, target: usize) -> Self {
        let max_open = settings.most_open();
        // a view holds a slot wherever it is, so slots bound every queue of views
        let slots = settings.camera_slots.iter().sum::<usize>().max(1);
        // engines hold 1 or 2 batches, and one waits; a later generation may have deeper engines
        let in_flight = 4 * workers;
        let home = bounded("batches-home", slots + in_flight + 64);
        for _ in 0..slots {
            let _ = home.0.try_send(Box::new(Job::with_capacity(target)));
        }
        Self {
            input: bounded("flow-input", 2 * slots + 2 * max_open + 64),
            work: bounded("engine-work", in_flight + 1),
            judge: bounded("judge", 4 * slots + 4 * max_open + 64),
            quiet: bounded("judge-quiet", 2 * slots + 2 * max_open + 64),
            home,
            results: bounded("results", 2 * max_open + 64),
            dossiers: bounded("dossiers-home", 4 * max_open + 128),
            retired: bounded("engines-retired", 4 * workers),
        }
    }

    fn gauges(&self) -> Vec<QueueGauge> {
        vec![
            self.input.0.gauge(),
            self.work.0.gauge(),
            self.judge.0.gauge(),
            self.home.0.gauge(),
            self.results.0.gauge(),
            self.dossiers.0.gauge(),
        ]
    }
}

/// What the threads share, while they are being started.
struct Assembly {
    settings: FlowSettings,
    queues: Queues,
    tally: Arc<Counters>,
    load: Arc<WorkerLoad>,
    told: Arc<ResultsMade>,
    stages: Arc<Mutex<Stages>>,
    events: Arc<dyn FlowEvents>,
    link: Option<Arc<GateLink>>,
    /// When the judge wakes by itself.
    wakes_at: Arc<AtomicU64>,
    threads: Threads,
}

impl Assembly {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.settings.clock)
    }

    fn gate(&mut self, gate: Option<GateSetup>) -> Result<(), FlowError> {
        let Some(setup) = gate else {
            return Ok(());
        };
        let max_open = self.settings.most_open();
        let link = Arc::new(GateLink::new(setup.schedule, max_open));
        self.link = Some(Arc::clone(&link));
        let (events, clock) = (Arc::clone(&self.events), self.clock());
        let core = GateCore::new(link, setup.driver, events, clock, max_open);
        let (patience, results) = (self.settings.stop_patience, self.queues.results.0.clone());
        let core_of = self.settings.stage_core;
        self.threads
            .spawn("sl-gate", core_of, Some(Urgency::Stage), move || {
                core.run(patience, &results)
            })
    }

    fn results(&mut self, maker: ResultMaker, sink: Box<dyn ResultSink>) -> Result<(), FlowError> {
        let results = ResultThread {
            core: ResultCore::new(
                maker,
                sink,
                Arc::clone(&self.events),
                self.clock(),
                Arc::clone(&self.tally),
                Arc::clone(&self.stages),
                self.link
                    .as_ref()
                    .map_or(0, |_| 2 * self.settings.most_open()),
            ),
            input: self.queues.results.1.clone(),
            dossiers: self.queues.dossiers.0.clone(),
            told: Arc::clone(&self.told),
        };
        let core = self.settings.stage_core;
        self.threads
            .spawn("sl-result", core, None, move || results.run())
    }

    /// The engines' threads, and the one that lets go of engines that are not needed any more.
    fn engines(
        &mut self,
        live: &Arc<ActiveGeneration>,
        engines: Vec<WorkerEngines>,
    ) -> Result<Hiring, FlowError> {
        let retired = self.queues.retired.1.clone();
        self.threads.spawn("sl-retire", None, None, move || {
            while let Ok(engines) = retired.recv() {
                drop::<Vec<ModelEngines>>(engines);
            }
        })?;
        let hiring = Hiring {
            clock: self.clock(),
            events: Arc::clone(&self.events),
            tally: Arc::clone(&self.tally),
            load: Arc::clone(&self.load),
            work: self.queues.work.1.clone(),
            judge: self.queues.judge.0.clone(),
            input: self.queues.input.0.clone(),
            retired: self.queues.retired.0.clone(),
            keep_warm: self.settings.keep_warm,
            cores: self.settings.engine_cores.clone(),
            workers: Workers::default(),
        };
        for (n, engines) in engines.into_iter().enumerate() {
            hiring.start(&mut self.threads, n, live, engines)?;
        }
        Ok(hiring)
    }

    fn judge(&mut self, hiring: &Hiring) -> Result<(), FlowError> {
        let max_open = self.settings.most_open();
        let judge = JudgeThread {
            core: JudgeCore::new(max_open, self.link.clone(), Arc::clone(&self.tally)),
            clock: self.clock(),
            events: Arc::clone(&self.events),
            input: self.queues.judge.1.clone(),
            quiet: self.queues.quiet.1.clone(),
            wakes_at: Arc::clone(&self.wakes_at),
            results: self.queues.results.0.clone(),
            dossiers: self.queues.dossiers.1.clone(),
            home: self.queues.home.0.clone(),
            workers: hiring.workers.clone(),
        };
        let core = self.settings.stage_core;
        self.threads
            .spawn("sl-judge", core, Some(Urgency::Stage), move || judge.run())
    }

    fn batcher(
        &mut self,
        live: Arc<ActiveGeneration>,
        batch_capacity: usize,
    ) -> Result<(), FlowError> {
        let settings = &self.settings;
        let rules = BatchRules {
            clock: self.clock(),
            batch_wait: settings.batch_wait,
            max_open: settings.most_open(),
            every_frame: settings.every_frame,
            camera_slots: settings.camera_slots.clone(),
            triggered: settings.triggered.clone(),
        };
        let queues = &self.queues;
        let (judge, quiet) = (queues.judge.0.clone(), queues.quiet.0.clone());
        let batcher = BatchThread {
            core: BatchCore::new(rules, live, Arc::clone(&self.tally), self.link.clone()),
            clock: self.clock(),
            events: Arc::clone(&self.events),
            load: Arc::clone(&self.load),
            tally: Arc::clone(&self.tally),
            input: queues.input.1.clone(),
            judge: JudgeSender::new(judge, quiet, Arc::clone(&self.wakes_at)),
            work: queues.work.0.clone(),
            orphans: queues.work.1.clone(),
            home: queues.home.1.clone(),
            batch_capacity,
            patience: settings.stop_patience,
            hang_after: settings.hang_after,
        };
        let core = settings.stage_core;
        self.threads
            .spawn("sl-batch", core, Some(Urgency::Stage), move || {
                batcher.run()
            })
    }

    fn handle(
        self,
        hiring: Hiring,
        herald: Arc<EventForwarder>,
        generation: Generation,
    ) -> FlowHandle {
        let (door, input) = (Arc::new(IntakeGate::default()), self.queues.input.0.clone());
        FlowHandle {
            tap: FlowTap {
                input: input.clone(),
                door: Arc::clone(&door),
                tally: Arc::clone(&self.tally),
            },
            trigger: FlowTrigger {
                input: input.clone(),
                door: Arc::clone(&door),
                tally: Arc::clone(&self.tally),
                gate: self.link.clone(),
                clock: self.clock(),
            },
            workers: hiring.workers.clone(),
            generation: AtomicU32::new(generation.0),
            turn: Mutex::new(()),
            gauges: self.queues.gauges(),
            control: Mutex::new(Control {
                threads: self.threads,
                hiring: Some(hiring),
                results: Some(self.queues.results.0),
            }),
            input,
            door,
            tally: self.tally,
            load: self.load,
            told: self.told,
            stages: self.stages,
            gate: self.link,
            events: self.events,
            herald,
            settings: self.settings,
        }
    }
}

fn check_cores(cores: impl Iterator<Item = usize>) -> Result<(), FlowError> {
    let allowed = sightline_threads::allowed_cores();
    for core in cores {
        // a system that cannot tell will say when pinning
        if !allowed.is_empty() && !allowed.contains(&core) {
            return Err(FlowError::Core { core, allowed });
        }
    }
    Ok(())
}
