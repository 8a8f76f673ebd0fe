//! What engines do wrong, and the second stage.

mod rig;

use rig::*;
use sightline_domain::*;
use sightline_engine::scripted::{Script, ScriptedEngine};
use sightline_engine::{Batch, Engine, EngineError, EngineInfo, ReferencePicture, Rejected, Task};
use sightline_flow::{ModelEngines, Rebuild};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(5);

fn poison() -> Picture {
    Picture {
        poison: true,
        ..Picture::default()
    }
}

#[test]
fn a_batch_that_the_engine_fails_on_is_not_decidable_and_the_next_goes_on() {
    let faulty = Script {
        faults: [1].into(),
        ..script()
    };
    let mut rig = Rig::new(
        build(plan(1, 1, DEADLINE), 1, 1, &faulty),
        Options::default(),
    );
    for n in 0..3 {
        rig.part(Picture::default());
        let result = rig.result();
        match n {
            1 => {
                assert_eq!(result.views[0].missed, Some(MissReason::EngineFault));
                assert_eq!(result.disposition_reason, DispositionReason::Fault);
                let fault = result.views[0].fault.as_deref().unwrap_or_default();
                assert!(fault.starts_with("model `"), "{fault}");
                assert!(rig.heard.told("engine.0.fault", true));
            }
            _ => assert_eq!(result.evaluation, Evaluation::OK),
        }
    }
    assert!(
        rig.heard.told("engine.0.fault", false),
        "it works again, and that is told"
    );
    assert_eq!(rig.flow.counters().line.engine_faults, 1);
    rig.assert_conserved(3);
}

/// Makes engines anew, and counts how often.
struct Workshop(AtomicUsize);

impl Rebuild for Workshop {
    fn rebuild(&self, _worker: usize, _model: usize) -> Result<ModelEngines, EngineError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(ModelEngines {
            detector: engine(1, &script()),
            verifier: None,
        })
    }
}

#[test]
fn an_engine_that_panics_is_made_anew() {
    let workshop = Arc::new(Workshop(AtomicUsize::new(0)));
    let mut first = build(plan(1, 1, DEADLINE), 1, 1, &script());
    first.rebuild = Some(workshop.clone());
    let mut rig = Rig::new(first, Options::default());
    rig.part(poison());
    let result = rig.result();
    assert_eq!(result.views[0].missed, Some(MissReason::EngineFault));
    let fault = result.views[0].fault.as_deref().unwrap_or_default();
    assert!(fault.contains("the engine panicked"), "{fault}");
    rig.part(Picture::default());
    let result = rig.result();
    assert_eq!(
        (result.evaluation, &result.views[0].fault),
        (Evaluation::OK, &None)
    );
    assert_eq!(workshop.0.load(Ordering::SeqCst), 1);
    assert_eq!(rig.flow.counters().workers, 1);
    rig.flow.stop();
    assert_eq!(
        rig.pools[0].gauge().free,
        4,
        "the poisoned slot came home, too"
    );
}

#[test]
fn workers_whose_engines_died_leave_the_work_to_others_until_none_is_left() {
    let mut rig = Rig::new(
        build(plan(1, 1, DEADLINE), 2, 1, &script()),
        Options::default(),
    );
    rig.part(poison());
    assert_eq!(rig.result().views[0].missed, Some(MissReason::EngineFault));
    for _ in 0..10 {
        rig.part(Picture::default());
        assert_eq!(rig.result().evaluation, Evaluation::OK);
    }
    rig.part(poison());
    rig.result();
    // nobody is left: every part is rejected at once, long before its deadline
    for _ in 0..10 {
        rig.part(Picture::default());
        let result = rig.result();
        assert_eq!(result.views[0].missed, Some(MissReason::EngineFault));
        let fault = result.views[0].fault.as_deref().unwrap_or_default();
        assert!(fault.contains("found none left"), "{fault}");
        assert!(result.times.margin_ms > 1_000.0);
    }
    let alarms = rig.heard.alarms.lock().unwrap().clone();
    let urgent = |a: &&Alarm| a.id.kind() == AlarmKind::EngineNone;
    assert!(
        alarms
            .iter()
            .any(|a| urgent(&a) && a.message.contains("no engine is left"))
    );
    rig.assert_conserved(22);

    // a new generation brings engines that work
    rig.flow
        .activate(build(plan(2, 1, DEADLINE), 2, 1, &script()))
        .unwrap();
    rig.part(Picture::default());
    let result = rig.result();
    assert_eq!((result.evaluation, result.generation), (Evaluation::OK, 2));
    assert_eq!(rig.flow.counters().workers, 2);
}

#[test]
fn one_view_without_its_golden_picture_does_not_spoil_the_batch() {
    let mut two = plan(1, 2, DEADLINE);
    two.views[0].reference = Some(sightline_configs::recipe::Reference {
        picture: Some("golden.png".into()),
        registration: sightline_configs::recipe::Registration::None,
        max_shift_px: 1.0,
        max_rotation_deg: 1.0,
        min_correlation: 0.5,
    });
    let mut first = build(two, 1, 2, &script());
    let mut wants = info(2, Task::Detect, &["open"]);
    wants.wants_reference = true;
    first.workers[0].models[0].detector = Box::new(ScriptedEngine::new(wants, script()));
    let golden = Arc::new(ReferencePicture::blank(SIDE, SIDE, PixelFormat::Gray8));
    first.references = vec![Some(golden), None];
    let mut rig = Rig::new(first, Options::default());
    rig.part(Picture::default());
    let result = rig.result();
    assert_eq!(
        result.views[0].missed, None,
        "the view with a golden picture was looked at"
    );
    assert_eq!(result.views[1].missed, Some(MissReason::EngineFault));
    assert_eq!(result.views[0].fault, None);
    let fault = result.views[1].fault.as_deref().unwrap_or_default();
    assert!(fault.contains("brought no reference picture"), "{fault}");
    let alarms = rig.heard.alarms.lock().unwrap();
    assert!(
        alarms[0].message.contains("brought no reference picture"),
        "{}",
        alarms[0].message
    );
}

/// A line whose findings a classifier looks at again; it calls what `judge` says, by the crop.
fn cascade(classes: usize, judge: fn(BoxView) -> Vec<f32>) -> Rig {
    let mut two_stages = plan(1, 2, DEADLINE);
    two_stages.models[0].verifier = Some(planned_verifier());
    let refs = two_stages.models[0].refs[0].clone();
    two_stages.models[0].refs.push(refs);
    let second = Script {
        answer: Arc::new(move |_, region, out| {
            out.class_scores.extend(judge(region.crop.expect("a crop")));
        }),
        ..Script::default()
    };
    let names = ["open", "false_call", "more"];
    let mut first = build(two_stages.clone(), 1, 4, &script());
    // `build` knows no second stage, so the engines are put together here
    for worker in &mut first.workers {
        let info = info(4, Task::Classify, &names[..classes]);
        let verifier = ScriptedEngine::new(info, second.clone());
        worker.models[0].verifier = Some(Box::new(verifier));
    }
    Rig::new(first, Options::default())
}

#[test]
fn the_second_stage_confirms_and_dismisses_findings_of_all_cameras() {
    // findings lie at x = 0, 1, 2, …; crops are 4 pixels wide: dismiss those whose crop begins at the left border
    let mut rig = cascade(2, |crop| match crop.x {
        x if x < 0.5 => vec![0.1, 0.9],
        _ => vec![0.8, 0.2],
    });
    let pictures = |defects| Picture {
        defects,
        ..Picture::default()
    };
    rig.part(pictures(1));
    let result = rig.result();
    assert_eq!(
        result.evaluation,
        Evaluation::OK,
        "the only finding was a false call"
    );
    assert!(result.views.iter().all(|v| v.detections.is_empty()));
    rig.part(pictures(4));
    let result = rig.result();
    assert_eq!(result.evaluation, Evaluation::NotOK);
    assert!(
        result.views.iter().all(|v| v.detections.len() == 2),
        "{result:?}"
    );
    rig.assert_conserved(2);
}

#[test]
fn a_second_stage_that_answers_nonsense_makes_the_part_not_decidable() {
    let mut rig = cascade(2, |_| vec![f32::NAN, 0.5]);
    let found = Picture {
        defects: 1,
        ..Picture::default()
    };
    rig.part(found);
    let result = rig.result();
    assert_eq!(result.evaluation, Evaluation::NotDecidable);
    // views without findings do not need it
    rig.part(Picture::default());
    assert_eq!(rig.result().evaluation, Evaluation::OK);
}

#[test]
fn batches_fill_up_to_what_the_engine_prefers() {
    let options = Options {
        settings: Box::new(|s| s.batch_wait = Duration::from_millis(500)),
        ..Options::default()
    };
    let mut rig = Rig::new(build(plan(1, 4, DEADLINE), 1, 4, &script()), options);
    for _ in 0..10 {
        rig.part(Picture::default());
        assert_eq!(rig.result().evaluation, Evaluation::OK);
    }
    let line = rig.flow.counters().line;
    assert_eq!((line.batches, line.batch_views), (10, 40));
    // nothing more is expected of the part, so a batch that is not full does not wait
    assert!(rig.flow.counters().stages.batch_wait.max_us < 400_000);
    rig.trigger();
    for camera in 0..3 {
        rig.see(camera, Picture::default());
    }
    rig.flow.set_camera_down(CameraId(3));
    let result = rig.result();
    assert_eq!(result.views[3].missed, Some(MissReason::CameraDown));
    assert!(result.views[..3].iter().all(|v| v.missed.is_none()));
    assert!(result.times.stages_us.batch_wait < 400_000);
}

#[test]
fn a_double_buffered_engine_gets_its_second_batch_before_the_first_is_back() {
    let mut first = build(plan(1, 1, DEADLINE), 1, 1, &script());
    let mut double = info(1, Task::Detect, &["open"]);
    double.depth = 2;
    let (step, steps) = sightline_queue::bounded::<()>("steps", 8);
    let submitted = Arc::new(AtomicUsize::new(0));
    let inner = ScriptedEngine::new(double, script());
    first.workers[0].models[0].detector = Box::new(Stepped {
        inner,
        steps,
        submitted: Arc::clone(&submitted),
    });
    let mut rig = Rig::new(first, Options::default());
    rig.part(Picture::default());
    rig.part(Picture::default());
    let until = std::time::Instant::now() + PATIENCE;
    // the worker waits for the first batch as soon as it has nothing more to give: so the second is given on top
    // after the first collect, at the latest
    step.send(()).unwrap();
    rig.result();
    while submitted.load(Ordering::SeqCst) < 2 {
        assert!(
            std::time::Instant::now() < until,
            "the second batch was not given"
        );
        std::thread::yield_now();
    }
    for _ in 0..20 {
        rig.part(Picture::default());
        step.send(()).unwrap();
        assert_eq!(rig.result().evaluation, Evaluation::OK);
    }
    step.send(()).unwrap();
    rig.result();
    rig.assert_conserved(22);
}

/// Answers a batch for every step it is let go.
struct Stepped {
    inner: ScriptedEngine,
    steps: sightline_queue::Receiver<()>,
    submitted: Arc<AtomicUsize>,
}

impl Engine for Stepped {
    fn info(&self) -> &EngineInfo {
        self.inner.info()
    }
    fn submit(&mut self, batch: Batch) -> Result<(), Rejected> {
        self.submitted.fetch_add(1, Ordering::SeqCst);
        self.inner.submit(batch)
    }
    fn collect(&mut self) -> Option<Result<Batch, Rejected>> {
        let _ = self.steps.recv_timeout(PATIENCE);
        self.inner.collect()
    }
}

#[test]
fn an_engine_that_hangs_does_not_keep_the_line_from_stopping() {
    let (let_go, held) = sightline_queue::bounded::<()>("hold", 1);
    let engine = Script {
        answer: Arc::new(move |_, _, _| {
            let _ = held.recv_timeout(PATIENCE);
        }),
        ..Script::default()
    };
    let options = Options {
        settings: Box::new(|s| s.stop_patience = Duration::from_millis(50)),
        ..Options::default()
    };
    let mut rig = Rig::new(build(plan(1, 1, DEADLINE), 1, 1, &engine), options);
    rig.part(Picture::default());
    rig.part(Picture::default());
    rig.flow.stop();
    for _ in 0..2 {
        let result = rig.result();
        assert_eq!(result.views[0].missed, Some(MissReason::Late));
    }
    rig.assert_conserved(2);
    assert!(rig.heard.told("flow.sl-engine-0.stuck", true));
    drop(let_go);
}

/// An engine that counts how often it was kept warm.
struct Warm(ScriptedEngine, Arc<AtomicUsize>);

impl Engine for Warm {
    fn info(&self) -> &EngineInfo {
        self.0.info()
    }

    fn submit(&mut self, batch: Batch) -> Result<(), Rejected> {
        self.0.submit(batch)
    }

    fn collect(&mut self) -> Option<Result<Batch, Rejected>> {
        self.0.collect()
    }

    fn keep_warm(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_idle_engine_is_kept_warm_where_that_is_asked_for_and_works_on() {
    for asked in [Some(Duration::from_millis(1)), None] {
        let warmed = Arc::new(AtomicUsize::new(0));
        let mut first = build(plan(1, 1, DEADLINE), 1, 1, &script());
        let inner = ScriptedEngine::new(info(1, Task::Detect, &["open"]), script());
        first.workers[0].models[0].detector = Box::new(Warm(inner, warmed.clone()));
        let options = Options {
            settings: Box::new(move |s| s.keep_warm = asked),
            ..Options::default()
        };
        let mut rig = Rig::new(first, options);
        for _ in 0..3 {
            let before = warmed.load(Ordering::SeqCst);
            while asked.is_some() && warmed.load(Ordering::SeqCst) < before + 2 {
                std::thread::yield_now();
            }
            rig.part(Picture::default());
            assert_eq!(rig.result().evaluation, Evaluation::OK);
        }
        assert_eq!(warmed.load(Ordering::SeqCst) == 0, asked.is_none());
    }
}
