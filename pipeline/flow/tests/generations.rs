//! A new generation takes over under load: every part one verdict, no view lost, every result names its generation.

mod rig;

use rig::*;
use sightline_flow::FlowError;
use sightline_model::*;
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
