//! The simulated line in real time through the public API, on a fast belt so that the tests are short.

#[path = "../../ingest/tests/support/mod.rs"]
mod support;

use sightline_configs::station::{
    Fault, FaultKind, Gate, GateAt, GateKind, HealthLimits, Simulation, Source,
};
use sightline_domain::{
    CameraId, Clock, Disposition, DispositionReason, Evaluation, Health, MissReason, SystemClock,
    Trigger,
};
use sightline_frames::TriggerSink;
use sightline_ingest::{CameraContext, CameraHandle, CameraState, start};
use sightline_simulated_line::{LineSetup, SimulatedCamera, SimulatedLine};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use support::{Notes, camera, context, is, wait};

const OFFSET: Duration = Duration::from_millis(15);
const LONG: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Triggers(Mutex<Vec<Trigger>>);

impl TriggerSink for Triggers {
    fn trigger(&self, trigger: Trigger) -> Result<(), Trigger> {
        self.0.lock().unwrap().push(trigger);
        Ok(())
    }
}

struct Rig {
    line: Arc<SimulatedLine>,
    triggers: Arc<Triggers>,
    clock: Arc<dyn Clock>,
    folder: tempfile::TempDir,
}

/// About 60 parts a second.
fn fast() -> Simulation {
    Simulation {
        speed_mm_s: 3_000.0,
        board_px: 160,
        defective_share: 0.5,
        ..Simulation::default()
    }
}

impl Rig {
    fn new(simulation: Simulation) -> Self {
        Self::in_folder(simulation, tempfile::tempdir().unwrap())
    }

    fn in_folder(simulation: Simulation, folder: tempfile::TempDir) -> Self {
        let triggers = Arc::new(Triggers::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let cameras = [0u16, 1].map(|i| SimulatedCamera {
            id: CameraId(i),
            name: format!("cam{i}"),
            offset: OFFSET,
        });
        let gate = Gate {
            kind: GateKind::Simulated,
            at: GateAt::DelayMs(60.0),
            lead_ms: 5.0,
            confirm_within_ms: None,
            mechanism: Default::default(),
            actuation_ms: None,
            max_counts_per_s: None,
        };
        let line = SimulatedLine::build(LineSetup {
            simulation,
            gate: Some(gate),
            cameras: cameras.to_vec(),
            base_dir: folder.path().to_owned(),
            clock: Arc::clone(&clock),
            triggers: Arc::clone(&triggers) as Arc<dyn TriggerSink>,
        })
        .unwrap();
        Self {
            line,
            triggers,
            clock,
            folder,
        }
    }

    fn camera(
        &self,
        id: u16,
        sink: &Arc<Notes>,
        change: impl FnOnce(&mut CameraContext),
    ) -> CameraHandle {
        let mut config = camera(Source::Simulated { face: None });
        config.name = format!("cam{id}");
        config.slot_bytes = None;
        config.slots = 8;
        let mut ctx = context(config, Arc::clone(sink), self.folder.path());
        ctx.id = CameraId(id);
        ctx.clock = Arc::clone(&self.clock);
        change(&mut ctx);
        let source = (self.line).source(ctx.id, &ctx.config, ctx.place(), ctx.wants_reference);
        ctx.source = Some(source.unwrap());
        start(ctx).unwrap()
    }

    /// Runs the belt until `parts` triggers came, then lets it run empty.
    fn run(&self, parts: usize) {
        self.line.run().unwrap();
        let begun = Instant::now();
        while self.triggers.0.lock().unwrap().len() < parts {
            assert!(begun.elapsed() < LONG, "{:?}", self.line.summary());
            std::thread::sleep(Duration::from_millis(2));
        }
        self.line.stop_feeding();
        while !self.line.is_empty() {
            assert!(begun.elapsed() < LONG, "{:?}", self.line.summary());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn every_part_is_triggered_once_seen_by_each_camera_at_its_moment_and_accounted_for() {
    let rig = Rig::new(fast());
    let sinks = [Notes::keeping(), Arc::new(Notes::default())];
    *sinks[0].kept.lock().unwrap() = None;
    let cams = [0u16, 1].map(|id| {
        rig.camera(id, &sinks[usize::from(id)], |ctx| {
            ctx.wants_reference = id == 1
        })
    });
    for cam in &cams {
        wait(cam, LONG, is(CameraState::Live));
    }
    assert_eq!(
        cams[0].gauge().slot_bytes / 160,
        160,
        "slots are as large as the drawn boards"
    );
    rig.run(30);
    let triggers = rig.triggers.0.lock().unwrap().clone();
    for (i, trigger) in triggers.iter().enumerate() {
        assert_eq!(trigger.track_id.0, i as u64 + 1);
        rig.line.record_verdict(
            trigger.track_id,
            Evaluation::NotDecidable,
            Disposition::Reject,
            DispositionReason::NoVerdict,
            false,
        );
    }
    for (cam, sink) in cams.iter().zip(&sinks) {
        wait(cam, LONG, |c| {
            c.status().counts.frames as usize == triggers.len()
        });
        for (meta, trigger) in sink.views().iter().zip(&triggers) {
            let late_us = meta.captured.signed_us(trigger.at + OFFSET);
            assert!(late_us.abs() < 50, "captured {late_us} us from its moment");
            assert!(meta.captured_utc.0 - trigger.at_utc.0 > 10_000);
            assert_eq!(
                (meta.health, meta.host_copies, meta.width),
                (Health::Ok, 0, 160)
            );
        }
        assert_eq!(cam.status().counts.lost, 0);
    }
    let with_reference = |sink: &Notes| {
        let seen = sink.seen.lock().unwrap();
        seen.iter()
            .filter(|s| matches!(s, support::Seen::View(_, true, _)))
            .count()
    };
    assert_eq!(
        (with_reference(&sinks[0]), with_reference(&sinks[1])),
        (0, triggers.len())
    );
    let summary = rig.line.summary();
    assert_eq!(summary.triggers as usize, triggers.len());
    assert!(
        summary.counts.conserved && summary.counts.defective > 0,
        "{summary:?}"
    );
    assert_eq!(
        summary.counts.rejected, summary.triggers,
        "without commands the gate rejects"
    );
    assert_eq!((summary.dropped, summary.on_the_way), (0, 0));
}

#[test]
fn scripted_camera_faults_are_seen_as_what_they_are_and_pass() {
    let fault = |kind, at_s: f64| Fault {
        kind,
        camera: Some("cam0".into()),
        at_s,
        for_s: 0.25,
    };
    let faults = vec![
        fault(FaultKind::Dark, 0.5),
        fault(FaultKind::Bright, 0.75),
        fault(FaultKind::Blurred, 1.0),
        fault(FaultKind::Frozen, 1.25),
        fault(FaultKind::Unplugged, 1.5),
    ];
    let rig = Rig::new(Simulation { faults, ..fast() });
    let sinks = [0, 1].map(|_| Arc::new(Notes::default()));
    let health = HealthLimits {
        frozen_after: 2,
        focus_share: 0.35,
        focus_learn: 5,
        ..HealthLimits::default()
    };
    let cams = [0u16, 1].map(|id| {
        rig.camera(id, &sinks[usize::from(id)], |ctx| {
            ctx.config.health = health.clone();
            ctx.config.retry.max_ms = 100;
        })
    });
    wait(&cams[0], LONG, is(CameraState::Live));
    rig.line.run().unwrap();
    wait(&cams[0], LONG, |c| {
        c.status().state == CameraState::Retrying
    });
    assert!(cams[0].status().reason.contains("unplugged"));
    wait(&cams[0], LONG, is(CameraState::Live));
    let before = cams[0].status().counts.frames;
    wait(&cams[0], LONG, |c| c.status().counts.frames > before + 3);
    rig.run(0);
    let unhealthy = cams[0].status().counts.unhealthy;
    assert!(
        unhealthy.dark >= 3 && unhealthy.bright >= 3 && unhealthy.out_of_focus >= 3,
        "{unhealthy:?}"
    );
    assert!(unhealthy.frozen >= 3, "{unhealthy:?}");
    assert_eq!(unhealthy.corrupt, 0);
    let down = sinks[0]
        .misses()
        .iter()
        .filter(|(_, why)| *why == MissReason::CameraDown)
        .count();
    assert_eq!(down, 1, "told once, at the change");
    let other = cams[1].status();
    assert_eq!(
        (other.state, other.counts.frames),
        (CameraState::Live, rig.line.summary().triggers)
    );
    assert!(
        sinks[1].views().iter().all(|m| m.health == Health::Ok) && sinks[1].misses().is_empty()
    );
}

#[test]
fn trigger_and_gate_work_without_any_simulated_camera() {
    let triggers = Arc::new(Triggers::default());
    let line = SimulatedLine::build(LineSetup {
        simulation: fast(),
        gate: None,
        cameras: Vec::new(),
        base_dir: ".".into(),
        clock: Arc::new(SystemClock::default()),
        triggers: Arc::clone(&triggers) as Arc<dyn TriggerSink>,
    })
    .unwrap();
    line.run().unwrap();
    let begun = Instant::now();
    while triggers.0.lock().unwrap().len() < 5 {
        assert!(begun.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(2));
    }
    line.stop();
    let summary = line.summary();
    assert_eq!(
        (summary.counts.parts, summary.dropped),
        (summary.triggers, 0)
    );
}

#[test]
fn a_held_belt_stands_and_the_gate_obeys_commands() {
    let rig = Rig::new(fast());
    rig.line.run().unwrap();
    let cam = rig.camera(0, &Arc::new(Notes::default()), |_| {});
    wait(&cam, LONG, |c| c.status().counts.frames > 2);
    rig.line.hold();
    // What had reached the photo-eye by then is still told.
    std::thread::sleep(Duration::from_millis(40));
    let (held_at, encoder) = (
        rig.line.summary().triggers,
        rig.line.encoder(rig.clock.now()),
    );
    std::thread::sleep(Duration::from_millis(60));
    assert!(rig.line.is_held());
    assert_eq!(rig.line.summary().triggers, held_at);
    assert_eq!(rig.line.encoder(rig.clock.now()), encoder);
    rig.line.release();
    wait(&cam, LONG, |_| rig.line.summary().triggers > held_at);
    // A flap that is held open by a command for each moment lets parts pass.
    rig.line.stop_feeding();
    let begun = Instant::now();
    while !rig.line.is_empty() && begun.elapsed() < LONG {
        for trigger in rig.triggers.0.lock().unwrap().iter() {
            rig.line
                .command_gate(trigger.track_id, Disposition::Pass, rig.clock.now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for trigger in rig.triggers.0.lock().unwrap().iter() {
        let decided = (
            Evaluation::OK,
            Disposition::Pass,
            DispositionReason::Verdict,
        );
        rig.line
            .record_verdict(trigger.track_id, decided.0, decided.1, decided.2, true);
    }
    let counts = rig.line.summary().counts;
    assert!(counts.passed > 0 && counts.conserved, "{counts:?}");
    assert_eq!(counts.escapes_by_other, 0);
}

#[test]
fn real_pictures_on_the_belt_bring_their_truth() {
    let folder = tempfile::tempdir().unwrap();
    for (name, level) in [("good.png", 100u8), ("bad.png", 150)] {
        image::GrayImage::from_fn(64, 64, |x, y| image::Luma([level + ((x * y) % 50) as u8]))
            .save(folder.path().join(name))
            .unwrap();
    }
    let coco = r#"{"images":[{"id":1,"file_name":"good.png"},{"id":2,"file_name":"bad.png"},{"id":3,"file_name":"gone.png"}],
        "annotations":[{"id":1,"image_id":2,"category_id":4,"bbox":[1,2,3,4]}],"categories":[{"id":4,"name":"scratch"}]}"#;
    std::fs::write(folder.path().join("line.json"), coco).unwrap();
    let rig = Rig::in_folder(
        Simulation {
            images: Some("line.json".into()),
            ..fast()
        },
        folder,
    );
    let sinks = [0, 1].map(|_| Arc::new(Notes::default()));
    let cams = [0u16, 1].map(|id| {
        rig.camera(id, &sinks[usize::from(id)], |ctx| {
            ctx.config.slot_bytes = Some(64 * 64)
        })
    });
    for cam in &cams {
        wait(cam, LONG, is(CameraState::Live));
    }
    rig.run(12);
    let triggers = rig.line.summary().triggers;
    for cam in &cams {
        wait(cam, LONG, |c| {
            c.status().counts.frames + c.status().counts.undecodable == triggers
        });
        assert!(
            cam.status().counts.undecodable >= 3,
            "one picture in three is gone"
        );
    }
    for track in 1..=triggers {
        let (e, d, r) = (
            Evaluation::NotOK,
            Disposition::Reject,
            DispositionReason::Verdict,
        );
        rig.line
            .record_verdict(sightline_domain::TrackId(track), e, d, r, true);
    }
    let counts = rig.line.summary().counts;
    // Two cameras take two of three pictures in turn: the bad one is on two parts of three.
    assert!(counts.conserved, "{counts:?}");
    assert!(
        counts.defective * 3 >= triggers * 2 - 3 && counts.overkill > 0,
        "{counts:?}"
    );
}
