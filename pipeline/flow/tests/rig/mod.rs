//! A line for tests: cameras with a few tiny slots, scripted engines, a plan, and everything that came out.
#![allow(dead_code, reason = "each test binary uses its own share")]

use sightline_configs::recipe::Combine;
use sightline_domain::result::{ModelRef, RecipeRef};
use sightline_domain::*;
use sightline_engine::scripted::{Script, ScriptedEngine};
use sightline_engine::{BatchView, ClassInfo, EngineInfo, Region, RegionOutput, Task};
use sightline_flow::*;
use sightline_frames::{
    FramePool, Lease, MemoryWish, PoolConfig, TapSink, Tapped, TriggerSink, View,
};
use sightline_queue::{Receiver, Sender, bounded};
use sightline_verdict::{
    GateSchedule, InspectionPlan, PlannedClass, PlannedModel, PlannedVerifier, PlannedView,
    ResultConfig, ResultMaker, SeededIds,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const SIDE: u32 = 8;
/// Pictures are of the moment of their trigger.
pub const WINDOW: Duration = Duration::from_micros(1);

/// What the first pixels of a test picture say to the scripted engine.
#[derive(Clone, Copy, Default)]
pub struct Picture {
    /// Findings of class 0, score 0.9.
    pub defects: u8,
    /// The engine panics on it.
    pub poison: bool,
}

/// Finds what the picture says.
pub fn answer() -> sightline_engine::scripted::Answer {
    Arc::new(|view: &BatchView, _: &Region, out: &mut RegionOutput| {
        let bytes = view.lease.bytes();
        assert!(bytes[1] == 0, "poisoned");
        for n in 0..bytes[0] {
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
    })
}

pub fn script() -> Script {
    Script {
        answer: answer(),
        ..Script::default()
    }
}

pub fn info(batch: usize, task: Task, classes: &[&str]) -> EngineInfo {
    let class = |code: &&str| ClassInfo {
        code: (*code).to_owned(),
        name_en: (*code).to_owned(),
        name_zh: (*code).to_owned(),
        severity: Severity::Major,
        default_limit: 0.5,
        good: false,
    };
    EngineInfo {
        name: "scripted".into(),
        bundle: "test".into(),
        version: "1".into(),
        digest: "00".into(),
        task,
        classes: classes.iter().map(class).collect(),
        input_size: (SIDE, SIDE),
        wants_reference: false,
        preferred_batch: batch,
        max_batch: batch,
        depth: 1,
    }
}

pub fn engine(batch: usize, script: &Script) -> Box<ScriptedEngine> {
    let info = info(batch, Task::Detect, &["open"]);
    Box::new(ScriptedEngine::new(info, script.clone()))
}

/// One view a camera, all looked at by one model with one class, `open`.
pub fn plan(generation: u32, cameras: usize, deadline: Duration) -> InspectionPlan {
    let model_ref = ModelRef {
        name: "test".into(),
        version: "1".into(),
        digest: "00".into(),
        engine: "scripted".into(),
    };
    let view = |n: usize| PlannedView {
        name: format!("view-{n}"),
        camera: CameraId(n as u16),
        camera_name: format!("cam-{n}"),
        model: 0,
        offset: Duration::ZERO,
        // parts follow each other as fast as they go, and no two may claim one frame
        window: WINDOW,
        size: None,
        frame_per_trigger: false,
        tiles: None,
        include: Vec::new(),
        exclude: Vec::new(),
        reference: None,
    };
    InspectionPlan {
        generation: Generation(generation),
        recipe: RecipeRef {
            external_id: "E".into(),
            internal_id: "I".into(),
            version: "1".into(),
            hash: "00".into(),
        },
        product_id: None,
        deadline,
        views: (0..cameras).map(view).collect(),
        models: vec![PlannedModel {
            name: "finder".into(),
            refs: vec![model_ref],
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

/// The verifier of `plan`: classes `open` and `false_call`.
/// The same with windows for cameras that do not stamp by the trigger.
pub fn wide(plan: InspectionPlan) -> InspectionPlan {
    let views = plan.views.into_iter();
    let wider = |view| PlannedView {
        window: Duration::from_millis(8),
        ..view
    };
    InspectionPlan {
        views: views.map(wider).collect(),
        ..plan
    }
}

pub fn planned_verifier() -> PlannedVerifier {
    PlannedVerifier {
        context: 2.0,
        min_crop_px: 4.0,
        dismiss_at: 0.5,
        classes: vec![Some(ClassId(0)), None],
    }
}

pub fn build(
    plan: InspectionPlan,
    workers: usize,
    batch: usize,
    script: &Script,
) -> GenerationBuild {
    let models = || {
        let one = |_| ModelEngines {
            detector: engine(batch, script),
            verifier: None,
        };
        (0..plan.models.len()).map(one).collect()
    };
    GenerationBuild {
        workers: (0..workers)
            .map(|_| WorkerEngines { models: models() })
            .collect(),
        references: Vec::new(),
        presence: Vec::new(),
        rebuild: None,
        plan: Arc::new(plan),
    }
}

pub fn maker() -> ResultMaker {
    let config = ResultConfig {
        station: "test".into(),
        boot_id: uuid(),
        configuration_hash: "00".into(),
        is_simulated: true,
        with_findings_below_limit: false,
        first_seq: 1,
    };
    ResultMaker::new(config, Box::new(SeededIds::from_number(7)))
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)
}

/// Keeps results for the test.
pub struct Kept(pub Sender<(InspectionResult, Box<[u8]>)>);

impl ResultSink for Kept {
    fn submit(&mut self, result: InspectionResult, bytes: Box<[u8]>) {
        self.0.try_send((result, bytes)).expect("room for results");
    }
}

/// Keeps what was told.
#[derive(Default)]
pub struct Heard {
    pub alarms: Mutex<Vec<Alarm>>,
    pub retired: Mutex<Vec<Generation>>,
    /// Whoever holds it keeps who hears from taking anything in.
    pub ear: Mutex<()>,
}

impl FlowEvents for Heard {
    fn alarm(&self, alarm: Alarm) {
        let _hears = self.ear.lock().unwrap();
        self.alarms.lock().unwrap().push(alarm);
    }
    fn generation_retired(&self, generation: Generation) {
        self.retired.lock().unwrap().push(generation);
    }
}

impl Heard {
    /// Whether an alarm with this id, raised or cleared, was told, or is within a moment.
    pub fn told(&self, id: &str, active: bool) -> bool {
        let end = std::time::Instant::now() + Duration::from_secs(5);
        let told = || {
            let alarms = self.alarms.lock().unwrap();
            alarms
                .iter()
                .any(|a| a.id.to_string() == id && a.active == active)
        };
        while !told() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        told()
    }
}

pub fn pool(name: &str, slots: usize) -> FramePool {
    FramePool::new(PoolConfig {
        name: name.into(),
        slots,
        slot_bytes: (SIDE * SIDE) as usize,
        memory: MemoryWish::Plain,
    })
    .unwrap()
}

pub fn lease(
    pool: &FramePool,
    camera: u16,
    id: u64,
    at: MonoTime,
    picture: Picture,
) -> Option<Lease> {
    let mut slot = pool.open()?;
    slot.bytes_mut()[..2].copy_from_slice(&[picture.defects, u8::from(picture.poison)]);
    let meta = FrameMeta {
        camera: CameraId(camera),
        frame_id: FrameId(id),
        captured: at,
        captured_utc: UtcMicros(at.0 as i64 / 1_000),
        timing: Timing::default(),
        numbered: true,
        width: SIDE,
        height: SIDE,
        format: PixelFormat::Gray8,
        levels: sightline_domain::Levels::default(),
        layout: PixelFormat::Gray8.default_layout(SIDE, SIDE),
        health: Health::Ok,
        host_copies: 0,
    };
    Some(slot.seal(meta).unwrap())
}

pub fn trigger(track: u64, at: MonoTime) -> Trigger {
    Trigger {
        track_id: TrackId(track),
        part_id: None,
        at,
        at_utc: UtcMicros(at.0 as i64 / 1_000),
        encoder: None,
        timing: Timing::default(),
    }
}

/// A running line.
pub struct Rig {
    pub flow: Arc<FlowHandle>,
    pub tap: FlowTap,
    pub triggers: FlowTrigger,
    pub pools: Vec<FramePool>,
    pub clock: Arc<dyn Clock>,
    pub results: Receiver<(InspectionResult, Box<[u8]>)>,
    pub heard: Arc<Heard>,
    pub next_track: u64,
    /// When the last part arrived.
    pub arrived: MonoTime,
}

/// How a line is to be.
pub struct Options {
    pub slots: usize,
    pub settings: Box<dyn Fn(&mut FlowSettings)>,
    pub gate: Option<(GateSchedule, Box<dyn sightline_verdict::GateDriver>)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slots: 4,
            settings: Box::new(|_| {}),
            gate: None,
        }
    }
}

impl Rig {
    pub fn new(build: GenerationBuild, options: Options) -> Self {
        let (tx, results) = bounded("kept-results", 1 << 14);
        Self::start(build, options, Box::new(Kept(tx)), results)
    }

    /// With a sink of the test's own; `result` gives nothing then.
    pub fn with_sink(build: GenerationBuild, options: Options, sink: Box<dyn ResultSink>) -> Self {
        let (_, results) = bounded("kept-results", 1);
        Self::start(build, options, sink, results)
    }

    fn start(
        build: GenerationBuild,
        options: Options,
        sink: Box<dyn ResultSink>,
        results: Receiver<(InspectionResult, Box<[u8]>)>,
    ) -> Self {
        let cameras = build.plan.views.len();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let mut settings = FlowSettings::new(Arc::clone(&clock), vec![options.slots; cameras]);
        (options.settings)(&mut settings);
        let heard = Arc::new(Heard::default());
        let gate = options.gate;
        let gate = gate.map(|(schedule, driver)| GateSetup { schedule, driver });
        let events: Arc<dyn FlowEvents> = heard.clone();
        let flow = Flow::start(settings, build, gate, maker(), sink, events);
        let flow = Arc::new(flow.unwrap());
        let pools = 0..cameras;
        Self {
            tap: flow.tap(),
            triggers: flow.trigger(),
            pools: pools
                .map(|n| pool(&format!("cam-{n}"), options.slots))
                .collect(),
            flow,
            clock,
            results,
            heard,
            next_track: 1,
            arrived: MonoTime(0),
        }
    }

    /// A part arrives; returns its number.
    pub fn trigger(&mut self) -> u64 {
        self.named_trigger(None)
    }

    fn named_trigger(&mut self, part_id: Option<&str>) -> u64 {
        let track = self.next_track;
        self.next_track += 1;
        self.arrived = self.clock.now().max(self.arrived + 3 * WINDOW);
        let taken = self.triggers.trigger(Trigger {
            part_id: part_id.map(Into::into),
            ..trigger(track, self.arrived)
        });
        taken.expect("the flow takes triggers");
        track
    }

    /// A camera sees the part that arrived last. False: no slot was free, and the flow was told.
    pub fn see(&self, camera: u16, picture: Picture) -> bool {
        let now = self.clock.now();
        let at = match self.arrived {
            MonoTime(0) => now,
            arrived => arrived,
        };
        let pool = &self.pools[usize::from(camera)];
        match lease(pool, camera, now.0, at, picture) {
            Some(lease) => {
                let view = View {
                    lease,
                    reference: None,
                };
                self.tap.deliver(Tapped::View(view)).is_ok()
            }
            None => {
                let missed = sightline_frames::Missed {
                    camera: CameraId(camera),
                    frame_id: None,
                    at,
                    reason: MissReason::NoFreeSlot,
                };
                let _ = self.tap.deliver(Tapped::Missed(missed));
                false
            }
        }
    }

    /// A part arrives and every camera sees it.
    pub fn part(&mut self, picture: Picture) -> u64 {
        self.named_part(None, picture)
    }

    /// The same for a part with an id of its own.
    pub fn named_part(&mut self, part_id: Option<&str>, picture: Picture) -> u64 {
        let track = self.named_trigger(part_id);
        for camera in 0..self.pools.len() {
            self.see(camera as u16, picture);
        }
        track
    }

    /// The next result.
    pub fn result(&self) -> InspectionResult {
        let Ok((result, bytes)) = self.results.recv_timeout(PATIENCE) else {
            panic!("no result in time: {:#?}", self.flow.counters());
        };
        let read: InspectionResult = serde_json::from_slice(&bytes).expect("its own schema");
        assert_eq!(read.event_id, result.event_id);
        result
    }

    /// Asserts that nothing was lost, once everything is told.
    pub fn assert_conserved(&self, parts: u64) {
        let c = self.flow.counters().line;
        assert_eq!(
            (c.triggers, c.parts, c.verdicts, c.dispositions, c.results),
            (parts, parts, parts, parts, parts),
            "{c:?}"
        );
    }
}
