//! A new generation takes over under load: every part one verdict, no view lost, every result names its generation.

mod rig;

use rig::*;
use sightline_domain::*;
use sightline_flow::FlowError;
use sightline_threads::{Team, Thread};
use std::collections::BTreeMap;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn changing_over_under_load_loses_nothing() {
    let options = Options {
        slots: 16,
        ..Options::default()
    };
    let mut rig = Rig::new(build(plan(1, 2, DEADLINE), 2, 1, &script()), options);
    let (parts, mut told) = (3_000u64, 0u64);
    let mut generations: BTreeMap<u64, u32> = BTreeMap::new();
    let mut take = |rig: &Rig, n: u64| {
        for _ in 0..n {
            let result = rig.result();
            assert_eq!(result.evaluation, Evaluation::OK, "{result:?}");
            let before = generations.insert(result.track_id, result.generation);
            assert_eq!(before, None, "a second verdict");
        }
    };
    std::thread::scope(|scope| {
        let (go, goes) = sightline_queue::bounded::<u32>("changeovers", 8);
        let flow = std::sync::Arc::clone(&rig.flow);
        scope.spawn(move || {
            while let Ok(generation) = goes.recv() {
                let next = build(plan(generation, 2, DEADLINE), 2, 1, &script());
                assert_eq!(flow.activate(next).unwrap(), Generation(generation));
            }
        });
        for n in 1..=parts {
            rig.part(Picture::default());
            if n % 500 == 0 {
                go.send(2 + (n / 500) as u32).unwrap();
            }
            // no more parts under way than a camera has slots: the overload has its own test
            if n - told >= 8 {
                take(&rig, 4);
                told += 4;
            }
        }
        drop(go);
    });
    take(&rig, parts - told);
    rig.assert_conserved(parts);
    let order: Vec<u32> = generations.values().copied().collect();
    assert!(
        order.is_sorted(),
        "parts are inspected by the generation of their trigger"
    );
    assert!(
        order
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            >= 5
    );
    let line = rig.flow.counters().line;
    assert_eq!(
        (line.late_views, line.unknown_views, line.not_decidable),
        (0, 0, 0)
    );
    rig.flow.stop();
    let retired = rig.heard.retired.lock().unwrap().clone();
    assert!(retired.is_sorted() && retired.len() >= 5, "{retired:?}");
}

#[test]
fn a_part_under_way_is_finished_by_its_own_generation() {
    let mut rig = Rig::new(
        build(plan(1, 2, DEADLINE), 1, 1, &script()),
        Options::default(),
    );
    let old = rig.trigger();
    rig.see(0, Picture::default());
    rig.flow
        .activate(build(plan(2, 2, DEADLINE), 1, 1, &script()))
        .unwrap();
    assert!(rig.heard.retired.lock().unwrap().is_empty());
    let new = rig.trigger();
    // the new part's window is open, too: the second camera's frame is nearer to the newer trigger
    rig.see(0, Picture::default());
    rig.see(1, Picture::default());
    let first = rig.result();
    assert_eq!((first.track_id, first.generation), (new, 2));
    rig.flow.stop();
    let second = rig.result();
    assert_eq!((second.track_id, second.generation), (old, 1));
    rig.assert_conserved(2);
    assert_eq!(*rig.heard.retired.lock().unwrap(), [Generation(1)]);
}

#[test]
fn what_cannot_take_over_does_not() {
    let rig = Rig::new(
        build(plan(3, 1, DEADLINE), 2, 1, &script()),
        Options::default(),
    );
    let refused = |b| rig.flow.activate(b).unwrap_err();
    let same = refused(build(plan(3, 1, DEADLINE), 2, 1, &script()));
    assert!(matches!(same, FlowError::Order { .. }), "{same}");
    let fewer = refused(build(plan(4, 1, DEADLINE), 1, 1, &script()));
    assert!(fewer.to_string().contains("expected 2, found 1"), "{fewer}");
    assert_eq!(rig.flow.counters().generation, Generation(3));
}

#[test]
fn workers_that_do_not_come_back_are_left_behind_and_a_new_generation_inspects() {
    // both engines sit on their first batch until they are let go
    let (let_go, held) = sightline_queue::bounded::<()>("hold", 1);
    let hangs = sightline_engine::scripted::Script {
        answer: std::sync::Arc::new(move |_, _, _| {
            let _ = held.recv_timeout(PATIENCE);
        }),
        ..Default::default()
    };
    let options = Options {
        slots: 16,
        settings: Box::new(|s| s.hang_after = Duration::from_millis(50)),
        ..Options::default()
    };
    let deadline = Duration::from_millis(200);
    let mut rig = Rig::new(build(plan(1, 1, deadline), 2, 1, &hangs), options);
    for _ in 0..6 {
        rig.part(Picture::default());
        assert_eq!(rig.result().evaluation, Evaluation::NotDecidable);
    }
    assert!(rig.heard.told("engine.0.hung", true));
    let begin = std::time::Instant::now();
    let next = build(plan(2, 1, DEADLINE), 2, 1, &script());
    assert_eq!(rig.flow.activate(next).unwrap(), Generation(2));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    let counters = rig.flow.counters();
    assert_eq!((counters.left_behind, counters.hanging), (2, 0));
    for _ in 0..20 {
        rig.part(Picture::default());
        let result = rig.result();
        assert_eq!((result.evaluation, result.generation), (Evaluation::OK, 2));
    }
    assert!(rig.heard.told("engine.0.hung", false), "over");
    assert!(rig.heard.told("engine.left-behind", true), "and counted");
    // those who come back after all change nothing
    drop(let_go);
    for _ in 0..20 {
        rig.part(Picture::default());
        assert_eq!(rig.result().evaluation, Evaluation::OK);
    }
    rig.assert_conserved(46);
    let begin = std::time::Instant::now();
    rig.flow.stop();
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(rig.flow.counters().batches_in_flight, 0);
}

#[test]
fn a_worker_that_was_left_behind_does_not_keep_the_station_from_ending() {
    let (let_go, held) = sightline_queue::bounded::<()>("hold", 1);
    let hangs = sightline_engine::scripted::Script {
        answer: std::sync::Arc::new(move |_, _, _| {
            let _ = held.recv_timeout(PATIENCE);
        }),
        ..Default::default()
    };
    let options = Options {
        settings: Box::new(|s| s.hang_after = Duration::from_millis(50)),
        ..Options::default()
    };
    let first = build(plan(1, 1, Duration::from_millis(50)), 1, 1, &hangs);
    let mut rig = Rig::new(first, options);
    rig.part(Picture::default());
    rig.result();
    let next = build(plan(2, 1, DEADLINE), 1, 1, &script());
    rig.flow.activate(next).unwrap();
    let begin = std::time::Instant::now();
    rig.flow.stop();
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    drop(let_go);
}

#[test]
fn counters_and_commands_do_not_wait_for_a_generation_that_takes_long() {
    let (let_go, held) = sightline_queue::bounded::<()>("hold", 1);
    let hangs = sightline_engine::scripted::Script {
        answer: std::sync::Arc::new(move |_, _, _| {
            let _ = held.recv_timeout(PATIENCE);
        }),
        ..Default::default()
    };
    let mut rig = Rig::new(
        build(plan(1, 1, Duration::from_millis(50)), 1, 1, &hangs),
        Options::default(),
    );
    rig.part(Picture::default());
    rig.result();
    let flow = std::sync::Arc::clone(&rig.flow);
    let next = std::thread::spawn(move || {
        let next = build(plan(2, 1, DEADLINE), 1, 1, &script());
        flow.activate(next)
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(!next.is_finished(), "it waits for the worker");
    for _ in 0..50 {
        let begin = std::time::Instant::now();
        let _ = rig.flow.counters();
        rig.flow.set_job(Some("job".into()));
        let took = begin.elapsed();
        assert!(took < Duration::from_millis(50), "{took:?}");
    }
    drop(let_go);
    assert_eq!(next.join().unwrap().unwrap(), Generation(2));
}

#[test]
fn a_view_that_does_not_look_like_a_part_is_never_ok() {
    let side = 96;
    let board: Vec<u8> = (0..side * side)
        .map(|i| {
            if (i % side / 13 + i / side / 17) % 2 == 0 {
                30
            } else {
                220
            }
        })
        .collect();
    let good = PictureRef {
        width: side as u32,
        height: side as u32,
        format: PixelFormat::Gray8,
        levels: sightline_domain::Levels::default(),
        layout: PixelFormat::Gray8.default_layout(side as u32, side as u32),
        bytes: &board,
    };
    let taught = sightline_flow::Presence::taught(&[good], 0.5).unwrap();
    let mut first = build(plan(1, 1, DEADLINE), 1, 1, &script());
    first.presence = vec![Some(std::sync::Arc::new(taught))];
    let mut rig = Rig::new(first, Options::default());
    // an empty belt: the same all over, and the model finds nothing on it
    rig.part(Picture::default());
    let result = rig.result();
    assert_eq!(result.evaluation, Evaluation::NotDecidable);
    assert_eq!(result.views[0].health, Some(Health::Misaligned));
    rig.assert_conserved(1);
}

/// An engine that hangs in its first batch, with a thread of its own beside the worker's.
struct Hangs {
    inner: sightline_engine::scripted::ScriptedEngine,
    team: Team,
    worker: std::sync::Arc<std::sync::OnceLock<Thread>>,
    held: sightline_queue::Receiver<()>,
}

impl sightline_engine::Engine for Hangs {
    fn info(&self) -> &sightline_engine::EngineInfo {
        self.inner.info()
    }
    fn submit(&mut self, batch: sightline_engine::Batch) -> Result<(), sightline_engine::Rejected> {
        self.inner.submit(batch)
    }
    fn collect(&mut self) -> Option<Result<sightline_engine::Batch, sightline_engine::Rejected>> {
        let _ = self.worker.set(Thread::current());
        let _ = self.held.recv_timeout(PATIENCE);
        self.inner.collect()
    }
    fn threads(&self) -> Team {
        self.team.clone()
    }
}

fn nice(thread: Thread) -> i32 {
    rustix::process::getpriority_process(rustix::process::Pid::from_raw(thread.id())).unwrap()
}

#[test]
fn who_is_left_behind_takes_only_what_others_leave_of_a_core() {
    let (let_go, held) = sightline_queue::bounded::<()>("hold", 1);
    let team = Team::default();
    let worker = std::sync::Arc::new(std::sync::OnceLock::new());
    let (joins, own) = (team.clone(), held.clone());
    let beside = std::thread::spawn(move || {
        joins.join();
        let _ = own.recv_timeout(PATIENCE);
    });
    let inner = sightline_engine::scripted::ScriptedEngine::new(
        info(1, sightline_engine::Task::Detect, &["open"]),
        script(),
    );
    let mut first = build(plan(1, 1, Duration::from_millis(50)), 1, 1, &script());
    first.workers[0].models[0].detector = Box::new(Hangs {
        inner,
        team: team.clone(),
        worker: worker.clone(),
        held,
    });
    let options = Options {
        settings: Box::new(|s| s.hang_after = Duration::from_millis(50)),
        ..Options::default()
    };
    let mut rig = Rig::new(first, options);
    rig.part(Picture::default());
    rig.result();
    let threads = [*worker.get().unwrap(), team.members()[0]];
    let own = nice(Thread::current());
    let next = build(plan(2, 1, DEADLINE), 1, 1, &script());
    rig.flow.activate(next).unwrap();
    assert_eq!(threads.map(nice), [19, 19]);
    assert_eq!(nice(Thread::current()), own, "nobody else is touched");
    rig.part(Picture::default());
    assert_eq!(rig.result().evaluation, Evaluation::OK);
    drop(let_go);
    beside.join().unwrap();
}
