//! The line end to end on real threads, over the scripted engine.

mod rig;

use rig::*;
use sightline_configs::challenge::{Challenge, ChallengePart, Overdue};
use sightline_domain::*;
use sightline_flow::FlowError;
use sightline_frames::{TapSink, Tapped, TriggerSink, View};
use sightline_verdict::InspectionPlan;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(5);

fn good() -> Picture {
    Picture::default()
}

fn bad() -> Picture {
    Picture {
        defects: 2,
        ..Picture::default()
    }
}

#[test]
fn every_part_gets_its_one_verdict() {
    let mut rig = Rig::new(
        build(plan(1, 2, DEADLINE), 2, 1, &script()),
        Options::default(),
    );
    for n in 0..50u64 {
        let track = rig.part(if n % 5 == 0 { bad() } else { good() });
        let result = rig.result();
        assert_eq!(
            (result.track_id, result.seq, result.generation),
            (track, n + 1, 1)
        );
        let expected = match n % 5 {
            0 => (Evaluation::NotOK, Disposition::Reject),
            _ => (Evaluation::OK, Disposition::Pass),
        };
        assert_eq!((result.evaluation, result.disposition), expected);
        assert_eq!(result.result_state, ResultState::Complete);
        let found = if n % 5 == 0 { 2 } else { 0 };
        assert!(result.views.iter().all(|v| v.detections.len() == found));
    }
    rig.assert_conserved(50);
    let counters = rig.flow.counters();
    assert_eq!(counters.stages.trigger_to_verdict.count, 50);
    assert_eq!(counters.cameras[0].claimed, 50);
    // The result is out a moment before the last part is put away.
    while !rig.flow.idle() {
        std::thread::yield_now();
    }
    rig.flow.stop();
    let at_home = rig.pools.iter().all(|p| p.gauge().free == 4);
    assert!(at_home, "every slot came home");
    assert!(rig.heard.alarms.lock().unwrap().is_empty());
}

#[test]
fn a_view_that_never_comes_is_not_decidable_at_the_deadline() {
    let deadline = Duration::from_millis(60);
    let mut rig = Rig::new(
        build(plan(1, 2, deadline), 1, 1, &script()),
        Options::default(),
    );
    rig.trigger();
    rig.see(0, good());
    let result = rig.result();
    assert_eq!(result.evaluation, Evaluation::NotDecidable);
    assert_eq!(result.disposition, Disposition::Reject);
    assert_eq!(result.views[1].missed, Some(MissReason::NotArrived));
    assert_eq!(result.views[0].missed, None);
    assert!(result.times.margin_ms <= 0.0);
    assert_eq!(rig.flow.counters().cameras[1].missed, 1);
    rig.assert_conserved(1);
}

#[test]
fn a_camera_that_is_down_decides_its_parts_at_once() {
    let mut rig = Rig::new(
        build(plan(1, 2, DEADLINE), 1, 1, &script()),
        Options::default(),
    );
    rig.trigger();
    rig.see(0, good());
    rig.flow.set_camera_down(CameraId(1));
    let result = rig.result();
    assert_eq!(result.views[1].missed, Some(MissReason::CameraDown));
    assert_eq!(result.disposition_reason, DispositionReason::MissedAcq);
    // and the next part before the camera is back
    rig.trigger();
    rig.see(0, good());
    assert_eq!(rig.result().views[1].missed, Some(MissReason::CameraDown));
    rig.part(good());
    // its own trigger came while the camera was down, so this one is missed too; the next is whole
    rig.result();
    rig.part(good());
    assert_eq!(rig.result().evaluation, Evaluation::OK);
    rig.assert_conserved(4);
}

#[test]
fn every_frame_of_a_camera_can_be_a_part() {
    let options = Options {
        settings: Box::new(|s| s.every_frame = Some(CameraId(0))),
        ..Options::default()
    };
    let rig = Rig::new(build(plan(1, 1, DEADLINE), 1, 1, &script()), options);
    for n in 1..=20 {
        assert!(rig.see(0, if n % 2 == 0 { bad() } else { good() }));
        let result = rig.result();
        assert_eq!(result.track_id, n);
        let expected = if n % 2 == 0 {
            Evaluation::NotOK
        } else {
            Evaluation::OK
        };
        assert_eq!(result.evaluation, expected);
    }
    // a frame that was lost is a part that nobody saw
    let missed = sightline_frames::Missed {
        camera: CameraId(0),
        frame_id: None,
        at: rig.clock.now(),
        reason: MissReason::Undecodable,
    };
    rig.tap.deliver(Tapped::Missed(missed)).unwrap();
    let result = rig.result();
    assert_eq!(result.evaluation, Evaluation::NotDecidable);
    assert_eq!(result.views[0].missed, Some(MissReason::Undecodable));
    rig.assert_conserved(21);
}

#[test]
fn nothing_passes_before_the_challenge_parts_have_shown_what_they_must() {
    let part = |part_id: &str, findings: Vec<String>| ChallengePart {
        part_id: part_id.into(),
        findings,
    };
    let challenged = InspectionPlan {
        challenge: Some(Challenge {
            after_change: true,
            every_parts: None,
            every_hours: None,
            grace_parts: 0,
            overdue: Overdue::Lock,
            parts: vec![part("BAD", vec!["open".into()])],
        }),
        ..plan(1, 1, DEADLINE)
    };
    let mut rig = Rig::new(build(challenged, 1, 1, &script()), Options::default());
    let mut inspect = |part_id: Option<&str>, picture| {
        rig.named_part(part_id, picture);
        let result = rig.result();
        let passed = result.challenge.map(|c| c.passed);
        (
            result.evaluation,
            result.disposition,
            result.disposition_reason,
            passed,
        )
    };
    use Disposition::{Pass, Reject};
    use DispositionReason::{Challenge as Asked, Verdict};
    use Evaluation::{NotDecidable, NotOK, OK};
    assert_eq!(inspect(None, good()), (NotDecidable, Reject, Asked, None));
    assert_eq!(inspect(None, bad()), (NotOK, Reject, Verdict, None));
    assert_eq!(
        inspect(Some("BAD"), bad()),
        (NotOK, Reject, Verdict, Some(true))
    );
    assert_eq!(inspect(None, good()), (OK, Pass, Verdict, None));
    // the model is blind to it now: it must not leave with the others
    assert_eq!(
        inspect(Some("BAD"), good()),
        (OK, Reject, Asked, Some(false))
    );
    assert_eq!(inspect(None, good()), (NotDecidable, Reject, Asked, None));
    let counted = rig.flow.challenge(&plan(1, 1, DEADLINE)).1;
    assert_eq!((counted.passed, counted.failed), (1, 1));
    rig.assert_conserved(6);
}

#[test]
fn an_unhealthy_view_is_never_ok() {
    let mut rig = Rig::new(
        build(plan(1, 1, DEADLINE), 1, 1, &script()),
        Options::default(),
    );
    rig.trigger();
    let mut lease = lease(&rig.pools[0], 0, 1, rig.arrived, good()).unwrap();
    lease.set_health(Health::TooDark);
    let view = View {
        lease,
        reference: None,
    };
    rig.tap.deliver(Tapped::View(view)).unwrap();
    let result = rig.result();
    assert_eq!(result.evaluation, Evaluation::NotDecidable);
    assert_eq!(result.views[0].health, Some(Health::TooDark));
}

#[test]
fn a_track_id_used_twice_opens_nothing_and_loses_nothing() {
    let mut rig = Rig::new(
        build(plan(1, 1, DEADLINE), 1, 1, &script()),
        Options::default(),
    );
    rig.trigger();
    let again = trigger(1, rig.clock.now());
    rig.triggers.trigger(again.clone()).unwrap();
    rig.see(0, good());
    assert_eq!(rig.result().track_id, 1);
    rig.triggers.trigger(again).unwrap();
    rig.part(good());
    assert_eq!(rig.result().track_id, 2);
    let line = rig.flow.counters().line;
    assert_eq!(
        (line.triggers, line.duplicate_triggers, line.results),
        (4, 2, 2)
    );
    assert_eq!(line.conservation().triggers, 2);
}

#[test]
fn stopping_gives_every_open_part_its_verdict() {
    let mut rig = Rig::new(
        build(plan(1, 2, DEADLINE), 1, 1, &script()),
        Options::default(),
    );
    for _ in 0..3 {
        rig.trigger();
        rig.see(0, good());
    }
    rig.flow.stop();
    for _ in 0..3 {
        let result = rig.result();
        assert_eq!(result.evaluation, Evaluation::NotDecidable);
        assert_eq!(result.views[1].missed, Some(MissReason::NotArrived));
    }
    rig.assert_conserved(3);
    // the door is closed: what comes now comes back
    let late = trigger(9, rig.clock.now());
    assert_eq!(rig.triggers.trigger(late.clone()), Err(late));
    let now = rig.clock.now();
    let view = View {
        lease: lease(&rig.pools[0], 0, 1, now, good()).unwrap(),
        reference: None,
    };
    assert!(rig.tap.deliver(Tapped::View(view)).is_err());
    assert!(rig.pools.iter().all(|p| p.gauge().free == 4));
}

#[test]
fn more_open_parts_than_allowed_are_rejected_as_overflow() {
    let options = Options {
        settings: Box::new(|s| s.max_open_parts = 2),
        ..Options::default()
    };
    let mut rig = Rig::new(build(plan(1, 1, DEADLINE), 1, 1, &script()), options);
    for _ in 0..5 {
        rig.trigger();
    }
    for track in [3, 4, 5] {
        let result = rig.result();
        assert_eq!(result.track_id, track);
        assert_eq!(result.disposition_reason, DispositionReason::Overflow);
        assert_eq!(result.views[0].missed, Some(MissReason::Overflow));
    }
    rig.flow.stop();
    rig.assert_conserved(5);
    assert_eq!(rig.flow.counters().line.overflowed, 3);
}

#[test]
fn a_build_that_is_not_whole_is_refused_with_both_sides() {
    let mut broken = build(plan(1, 1, DEADLINE), 2, 1, &script());
    broken.workers[1].models.clear();
    let clock = std::sync::Arc::new(SystemClock::default());
    let settings = sightline_flow::FlowSettings::new(clock, vec![4]);
    let (tx, _rx) = sightline_queue::bounded("kept", 1);
    let heard = std::sync::Arc::new(Heard::default());
    let started =
        sightline_flow::Flow::start(settings, broken, None, maker(), Box::new(Kept(tx)), heard);
    let error = started.err().expect("refused");
    assert!(matches!(error, FlowError::Build { .. }));
    assert!(
        error
            .to_string()
            .contains("expected 1 models on every worker, found 0"),
        "{error}"
    );
}

#[test]
fn threads_are_pinned_and_a_core_that_is_not_there_is_refused() {
    let options = Options {
        settings: Box::new(|s| {
            s.engine_cores = vec![0];
            s.stage_core = Some(0);
        }),
        ..Options::default()
    };
    let mut rig = Rig::new(build(plan(1, 1, DEADLINE), 2, 1, &script()), options);
    rig.part(good());
    assert_eq!(rig.result().evaluation, Evaluation::OK);
    rig.flow.stop();
    assert!(
        rig.heard.alarms.lock().unwrap().is_empty(),
        "every thread could be pinned"
    );

    let clock = std::sync::Arc::new(SystemClock::default());
    let mut settings = sightline_flow::FlowSettings::new(clock, vec![4]);
    settings.engine_cores = vec![999];
    let (tx, _rx) = sightline_queue::bounded("kept", 1);
    let heard = std::sync::Arc::new(Heard::default());
    let first = build(plan(1, 1, DEADLINE), 1, 1, &script());
    let started =
        sightline_flow::Flow::start(settings, first, None, maker(), Box::new(Kept(tx)), heard);
    assert!(matches!(
        started.err(),
        Some(FlowError::Core { core: 999, .. })
    ));
}
