//! The station: the product's own state machines, journal, way to the broker, alarm list and state machine, put together
//! as the service does, on one thread and under a clock that others move.

use crate::holes::Hole;
use crate::plant::{CAMERA_MM, CAMERAS, COUNTS_PER_MM, GATE_MM, Plant, SPEED_MM_S};
use crate::wires::{Driver, Sink, Watch, Wires};
use sightline_configs::recipe::Combine;
use sightline_configs::station::{Gate, GateAt, GateKind, GateMechanism};
use sightline_domain::result::{ModelRef, RecipeRef};
use sightline_domain::{
    AlarmEffect, BoxView, CameraId, ClassId, Clock, Detection, Generation, MockClock, Severity,
};
use sightline_engine::scripted::{Answer, Script, ScriptedEngine};
use sightline_engine::{BatchView, ClassInfo, EngineError, EngineInfo, Region, RegionOutput, Task};
use sightline_flow::{
    FlowEvents, FlowSettings, GateSetup, GenerationBuild, Lockstep, ModelEngines, Rebuild,
    WorkerEngines,
};
use sightline_journal::{Journal, JournalError, JournalSettings};
use sightline_service::pieces::Events;
use sightline_service::pieces::Keeping;
use sightline_service::pieces::{Event, Machine, State};
use sightline_verdict::{
    GateSchedule, InspectionPlan, PlannedClass, PlannedModel, PlannedView, ResultConfig,
    ResultMaker, SeededIds,
};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Entries that may wait for the disk: few, so that a disk that is away for long costs some.
pub const QUEUE: usize = 40;
/// Parts between trigger and gate, and open ones.
pub const ROOM: usize = 64;
/// Frame slots of a camera.
pub const SLOTS: usize = 8;
/// Words with which the scripted engine dies.
pub const DIES: &str = "the engine dies by script";

/// How one line is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The gate follows parts by the encoder, not by time.
    pub by_encoder: bool,
    /// The belt's highest speed is configured, not learned.
    pub knows_speed: bool,
    /// Accepted distance of a frame from its due time.
    pub window: Duration,
    /// Cameras give one frame a trigger.
    pub counted: bool,
    /// How well times are known.
    pub uncertainty: Duration,
}

/// A running station.
pub struct Station {
    /// The inspection.
    pub line: Lockstep,
    /// Where results are stored.
    pub journal: Journal,
    /// Its commits.
    pub commits: sightline_journal::Rounds,
    /// The way to the broker.
    pub uplink: sightline_uplink::Rounds,
    /// The alarm list.
    pub events: Arc<Events>,
    keeping: Keeping,
    /// Its state by OPC 40100-1.
    pub machine: Machine,
    generation: u32,
    setup: Setup,
    clock: Arc<MockClock>,
    wires: Arc<Mutex<Wires>>,
}

impl Station {
    /// Starts run number `run` of a station whose journal is in `folder`.
    ///
    /// # Errors
    /// The journal cannot be opened; there is no run then.
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    pub fn start(
        folder: &Path,
        run: u64,
        setup: Setup,
        clock: &Arc<MockClock>,
        plant: &Arc<Mutex<Plant>>,
        wires: &Arc<Mutex<Wires>>,
        hole: Option<Hole>,
    ) -> Result<Self, JournalError> {
        let any: Arc<dyn Clock> = clock.clone();
        let boot_id = Uuid::from_u128(u128::from(run));
        let (journal, commits) = Journal::open_in_rounds(JournalSettings {
            folder: folder.to_path_buf(),
            marker: Some(folder.with_file_name("numbers")),
            boot_id,
            clock: any.clone(),
            deliver: true,
            commit_every: Duration::ZERO,
            queue: QUEUE,
            queue_bytes: 1 << 20,
            keep: Duration::from_secs(90 * 86_400),
            max_bytes: 1 << 30,
            check_at_most: Duration::from_secs(60),
        })?;
        let mut settings = FlowSettings::new(any.clone(), vec![SLOTS; CAMERAS]);
        settings.max_open_parts = ROOM;
        if setup.counted {
            settings.triggered = (0..CAMERAS).map(|c| CameraId(c as u16)).collect();
        }
        let inspecting = settings.open_parts.clone();
        let uplink = sightline_uplink::Rounds::over(journal.clone(), inspecting)
            .expect("an open journal can be read");
        let events = Arc::new(Events::new(None, any).keeping(Some(journal.clone())));
        let watch: Arc<dyn FlowEvents> = Arc::new(Watch {
            events: events.clone(),
            wires: wires.clone(),
            hole,
        });
        let first_seq = match hole {
            Some(Hole::NumbersAgain) if run > 1 => journal.first_seq().saturating_sub(3).max(1),
            _ => journal.first_seq(),
        };
        let maker = ResultMaker::new(
            ResultConfig {
                station: "station1".into(),
                boot_id,
                configuration_hash: "00".into(),
                is_simulated: true,
                with_findings_below_limit: false,
                first_seq,
            },
            Box::new(SeededIds::from_number(run)),
        );
        let sink = Sink {
            journal: journal.clone(),
            wires: wires.clone(),
            hole,
        };
        let gate = GateSetup {
            schedule: GateSchedule::new(&gate(setup), ROOM).expect("a sound gate"),
            driver: Box::new(Driver {
                plant: plant.clone(),
                wires: wires.clone(),
                hole,
            }),
        };
        let first = build(1, setup, clock, wires);
        let sink = Box::new(sink);
        let line = Lockstep::new(
            settings,
            clock.clone(),
            first,
            Some(gate),
            maker,
            sink,
            watch,
        )
        .expect("a sound line");
        let mut machine = Machine::default();
        for event in [
            Event::Configured,
            Event::RecipePrepared,
            Event::StartContinuous,
        ] {
            machine = machine.after(event).expect("a start in order");
        }
        Ok(Self {
            line,
            journal,
            commits,
            uplink,
            events,
            keeping: Keeping::default(),
            machine,
            generation: 1,
            setup,
            clock: clock.clone(),
            wires: wires.clone(),
        })
    }

    /// What the service looks at a few times a second. An error names a state that does not follow from the alarms.
    pub fn look(&mut self) -> Result<(), String> {
        self.keeping.look(&self.journal, &self.events);
        let holds = self.events.effect(|_| true) == AlarmEffect::Hold;
        let event = match holds {
            true => Event::Fault,
            false => Event::Recovered,
        };
        let wrong = self.machine.state() != State::Error && !holds;
        if !wrong {
            self.machine = self.machine.after(event).map_err(|e| e.to_string())?;
        }
        match (self.machine.state() == State::Error) == holds {
            true => Ok(()),
            false => Err(format!(
                "an alarm that holds the line stands: {holds}, and the state is {}",
                self.machine.state()
            )),
        }
    }

    /// The next recipe takes over, between parts.
    pub fn change_over(&mut self) {
        self.generation += 1;
        let next = build(self.generation, self.setup, &self.clock, &self.wires);
        self.line.activate(next).expect("a sound generation");
    }

    /// A command of a person; one that the state does not allow is refused and changes nothing.
    pub fn command(&mut self, event: Event) -> bool {
        let after = self.machine.after(event);
        self.machine = after.unwrap_or(self.machine);
        after.is_ok()
    }
}

fn gate(setup: Setup) -> Gate {
    let delay_ms = GATE_MM / SPEED_MM_S * 1e3;
    Gate {
        kind: GateKind::Simulated,
        at: match setup.by_encoder {
            true => GateAt::EncoderCounts((GATE_MM * COUNTS_PER_MM) as i64),
            false => GateAt::DelayMs(delay_ms),
        },
        lead_ms: 10.0,
        confirm_within_ms: Some(120.0),
        mechanism: GateMechanism::Divert,
        actuation_ms: Some(5.0),
        max_counts_per_s: (setup.knows_speed).then_some(SPEED_MM_S * COUNTS_PER_MM * 1.3),
    }
}

/// Finds what the first pixel of a picture says.
fn answer(clock: &Arc<MockClock>, wires: &Arc<Mutex<Wires>>) -> Answer {
    let (clock, wires) = (clock.clone(), wires.clone());
    Arc::new(
        move |view: &BatchView, _: &Region, out: &mut RegionOutput| {
            let (takes, dies) = wires.lock().expect("no panic under it").engine();
            clock.advance(takes);
            assert!(!dies, "{DIES}");
            for n in 0..view.lease.bytes()[0] {
                out.detections.push(Detection {
                    class: ClassId(0),
                    score: 0.9,
                    bbox_view: BoxView {
                        x: f32::from(n),
                        y: 1.0,
                        w: 2.0,
                        h: 2.0,
                    },
                    area: None,
                    verifier: None,
                });
            }
        },
    )
}

struct Again(Script);

impl Rebuild for Again {
    fn rebuild(&self, _: usize, _: usize) -> Result<ModelEngines, EngineError> {
        Ok(engines(&self.0))
    }
}

fn engines(script: &Script) -> ModelEngines {
    let class = ClassInfo {
        code: "open".into(),
        name_en: "open".into(),
        name_zh: "open".into(),
        severity: Severity::Major,
        default_limit: 0.5,
        good: false,
    };
    let info = EngineInfo {
        name: "scripted".into(),
        bundle: "test".into(),
        version: "1".into(),
        digest: "00".into(),
        task: Task::Detect,
        classes: vec![class].into(),
        input_size: (8, 8),
        wants_reference: false,
        preferred_batch: 2,
        max_batch: 2,
        depth: 1,
    };
    ModelEngines {
        detector: Box::new(ScriptedEngine::new(info, script.clone())),
        verifier: None,
    }
}

fn build(
    generation: u32,
    setup: Setup,
    clock: &Arc<MockClock>,
    wires: &Arc<Mutex<Wires>>,
) -> GenerationBuild {
    let script = Script {
        answer: answer(clock, wires),
        ..Script::default()
    };
    GenerationBuild {
        plan: Arc::new(plan(generation, setup)),
        workers: vec![WorkerEngines {
            models: vec![engines(&script)],
        }],
        references: Vec::new(),
        presence: Vec::new(),
        rebuild: Some(Arc::new(Again(script))),
    }
}

fn plan(generation: u32, setup: Setup) -> InspectionPlan {
    let view = |n: usize| PlannedView {
        name: format!("view{n}"),
        camera: CameraId(n as u16),
        camera_name: format!("cam{n}"),
        model: 0,
        offset: Duration::from_secs_f64(CAMERA_MM[n] / SPEED_MM_S),
        window: setup.window,
        size: None,
        frame_per_trigger: setup.counted,
        tiles: None,
        include: Vec::new(),
        exclude: Vec::new(),
        reference: None,
    };
    let recipe = RecipeRef {
        external_id: format!("product{}", generation % 2),
        internal_id: "I".into(),
        version: generation.to_string(),
        hash: "00".into(),
    };
    InspectionPlan {
        generation: Generation(generation),
        recipe,
        product_id: None,
        // the odd ones leave engines less time
        deadline: Duration::from_millis(if generation.is_multiple_of(2) {
            900
        } else {
            500
        }),
        views: (0..CAMERAS).map(view).collect(),
        models: vec![PlannedModel {
            name: "finder".into(),
            refs: vec![ModelRef {
                name: "test".into(),
                version: "1".into(),
                digest: "00".into(),
                engine: "scripted".into(),
            }],
            task: sightline_verdict::Task::Detect,
            classes: vec![PlannedClass {
                code: "open".into(),
                name_en: "open".into(),
                severity: Severity::Major,
                score_limit: 0.5,
                min_area_px: 0.0,
                max_area_px: None,
                count: 1,
            }],
            verifier: None,
        }],
        combine: Combine::AnyFails,
        challenge: None,
    }
}
