//! Puts the threads and the queues between them together.

use crate::batcher::{BatchCore, BatchRules};
use crate::counters::Tally;
use crate::gate::{GateCore, GateLink};
use crate::handle::{Control, FlowHandle};
use crate::herald::Herald;
use crate::job::Job;
use crate::judging::JudgeCore;
use crate::live::Live;
use crate::results::ResultCore;
use crate::sinks::{Door, FlowTap, FlowTrigger};
use crate::stages::Stages;
use crate::threads::{
    BatchThread, Crew, Ear, Hiring, JudgeThread, ResultThread, Threads, Told, Workers,
};
use crate::{FlowError, FlowEvents, FlowSettings, GateSetup, GenerationBuild, ResultSink};
use sightline_queue::bounded;
use sightline_threads::Urgency;
use sightline_verdict::ResultMaker;
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
        let (live, engines) = Live::of(first, cameras)?;
        let (clock, max_open) = (&settings.clock, settings.max_open_parts.max(1));
        let herald = Herald::start(events, Arc::clone(clock))?;
        let events: Arc<dyn FlowEvents> = herald.clone();
        let tally = Arc::new(Tally::new(cameras, settings.open_parts.clone()));
        let workers = engines.len();
        // a view holds a slot wherever it is, so slots bound every queue of views
        let slots = settings.camera_slots.iter().sum::<usize>().max(1);
        // engines hold 1 or 2 batches, and one waits; a later generation may have deeper engines
        let in_flight = 4 * workers;
        let (input_tx, input_rx) = bounded("flow-input", 2 * slots + 2 * max_open + 64);
        let (work_tx, work_rx) = bounded("engine-work", in_flight + 1);
        let (judge_tx, judge_rx) = bounded("judge", 4 * slots + 4 * max_open + 64);
        let (quiet_tx, quiet_rx) = bounded("judge-quiet", 2 * slots + 2 * max_open + 64);
        let wakes_at = Arc::new(AtomicU64::new(0));
        let (home_tx, home_rx) = bounded("batches-home", slots + in_flight + 64);
        let (result_tx, result_rx) = bounded("results", 2 * max_open + 64);
        let (dossier_tx, dossier_rx) = bounded("dossiers-home", 4 * max_open + 128);
        let (retired_tx, retired_rx) = bounded("engines-retired", 4 * workers);
        let target = live.models.iter().map(|m| m.target).max().unwrap_or(1);
        for _ in 0..slots {
            // a batch has at least one slot's view in it, so there are never more batches than slots
            let _ = home_tx.try_send(Box::new(Job::with_capacity(target)));
        }
        let crew = Arc::new(Crew::new(workers));
        let told = Arc::new(Told::default());
        let stages = Arc::new(Mutex::new(Stages::new(settings.batch_wait)));
        let gauges = vec![
            input_tx.gauge(),
            work_tx.gauge(),
            judge_tx.gauge(),
            home_tx.gauge(),
            result_tx.gauge(),
            dossier_tx.gauge(),
        ];

        let mut threads = Threads::new(Arc::clone(&events), Arc::clone(clock), settings.raised);
        let stage_core = settings.stage_core;
        let gate_link = gate.map(|setup| {
            let link = Arc::new(GateLink::new(setup.schedule, max_open));
            (link, setup.driver)
        });
        let link = gate_link.as_ref().map(|(link, _)| Arc::clone(link));
        if let Some((link, driver)) = gate_link {
            let (events, clock) = (Arc::clone(&events), Arc::clone(clock));
            let core = GateCore::new(link, driver, events, clock, max_open);
            let (patience, results) = (settings.stop_patience, result_tx.clone());
            threads.spawn("sl-gate", stage_core, Some(Urgency::Stage), move || {
                core.run(patience, &results)
            })?;
        }
        let results = ResultThread {
            core: ResultCore::new(
                maker,
                sink,
                Arc::clone(&events),
                Arc::clone(clock),
                Arc::clone(&tally),
                Arc::clone(&stages),
                link.as_ref().map_or(0, |_| 2 * max_open),
            ),
            input: result_rx,
            dossiers: dossier_tx,
            told: Arc::clone(&told),
        };
        threads.spawn("sl-result", stage_core, None, move || results.run())?;
        threads.spawn("sl-retire", None, None, move || {
            while let Ok(engines) = retired_rx.recv() {
                drop::<Vec<crate::ModelEngines>>(engines);
            }
        })?;
        let hiring = Hiring {
            clock: Arc::clone(clock),
            events: Arc::clone(&events),
            tally: Arc::clone(&tally),
            crew: Arc::clone(&crew),
            work: work_rx.clone(),
            judge: judge_tx.clone(),
            input: input_tx.clone(),
            retired: retired_tx,
            keep_warm: settings.keep_warm,
            cores: settings.engine_cores.clone(),
            workers: Workers::default(),
        };
        for (n, engines) in engines.into_iter().enumerate() {
            hiring.start(&mut threads, n, &live, engines)?;
        }
        let all_workers = hiring.workers.clone();
        let judge = JudgeThread {
            core: JudgeCore::new(max_open, link.clone(), Arc::clone(&tally)),
            clock: Arc::clone(clock),
            events: Arc::clone(&events),
            input: judge_rx,
            quiet: quiet_rx,
            wakes_at: Arc::clone(&wakes_at),
            results: result_tx.clone(),
            dossiers: dossier_rx,
            home: home_tx,
            workers: all_workers.clone(),
        };
        threads.spawn("sl-judge", stage_core, Some(Urgency::Stage), move || {
            judge.run()
        })?;
        let generation = live.generation();
        let rules = BatchRules {
            clock: Arc::clone(clock),
            batch_wait: settings.batch_wait,
            max_open,
            every_frame: settings.every_frame,
            camera_slots: settings.camera_slots.clone(),
            triggered: settings.triggered.clone(),
        };
        let batcher = BatchThread {
            core: BatchCore::new(rules, live, Arc::clone(&tally), link.clone()),
            clock: Arc::clone(clock),
            events: Arc::clone(&events),
            crew: Arc::clone(&crew),
            tally: Arc::clone(&tally),
            input: input_rx,
            judge: Ear::new(judge_tx, quiet_tx, wakes_at),
            work: work_tx,
            orphans: work_rx,
            home: home_rx,
            batch_capacity: target,
            patience: settings.stop_patience,
            hang_after: settings.hang_after,
        };
        threads.spawn("sl-batch", stage_core, Some(Urgency::Stage), move || {
            batcher.run()
        })?;

        let door = Arc::new(Door::default());
        events.generation_active(generation);
        Ok(FlowHandle {
            tap: FlowTap {
                input: input_tx.clone(),
                door: Arc::clone(&door),
                tally: Arc::clone(&tally),
            },
            trigger: FlowTrigger {
                input: input_tx.clone(),
                door: Arc::clone(&door),
                tally: Arc::clone(&tally),
                gate: link.clone(),
                clock: Arc::clone(clock),
            },
            workers: all_workers,
            generation: AtomicU32::new(generation.0),
            turn: Mutex::new(()),
            control: Mutex::new(Control {
                threads,
                hiring: Some(hiring),
                results: Some(result_tx),
            }),
            input: input_tx,
            door,
            tally,
            crew,
            told,
            stages,
            gate: link,
            gauges,
            events,
            herald,
            settings,
        })
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
