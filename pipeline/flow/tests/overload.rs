//! More parts than the engines can look at: nothing stalls, nothing is lost, and the line recovers at once.

mod rig;

use rig::*;
use sightline_domain::*;
use sightline_engine::scripted::{Latency, Script};
use std::sync::Arc;
use std::time::Duration;

fn slow(latency: Duration) -> Script {
    Script {
        latency: Latency::Sleep(latency),
        ..script()
    }
}

#[test]
fn a_burst_ends_as_verdicts_with_reasons_and_the_line_recovers() {
    let engine = slow(Duration::from_millis(10));
    let options = Options {
        slots: 8,
        ..Options::default()
    };
    let deadline = Duration::from_millis(80);
    let mut rig = Rig::new(build(plan(1, 2, deadline), 1, 1, &engine), options);
    let burst = 60;
    for _ in 0..burst {
        rig.part(Picture::default());
    }
    let mut ok = 0;
    for _ in 0..burst {
        let result = rig.result();
        let missed: Vec<_> = result.views.iter().filter_map(|v| v.missed).collect();
        match result.evaluation {
            Evaluation::OK => ok += 1,
            Evaluation::NotDecidable => {
                assert_eq!(result.disposition, Disposition::Reject);
                assert!(!missed.is_empty());
                let known = [
                    MissReason::Late,
                    MissReason::NoFreeSlot,
                    MissReason::NotArrived,
                ];
                assert!(missed.iter().all(|m| known.contains(m)), "{missed:?}");
            }
            other => panic!("{other:?} of a part without defects"),
        }
    }
    rig.assert_conserved(burst);
    assert!(ok >= 1, "some of the burst could be made");
    // the very next part is inspected as if nothing had been
    rig.part(Picture::default());
    assert_eq!(rig.result().evaluation, Evaluation::OK);
    rig.flow.stop();
    assert!(rig.pools.iter().all(|p| p.gauge().free == 8));
}

#[test]
fn under_lasting_overload_engines_work_for_parts_that_can_still_be_made() {
    // one view takes 20 ms; parts of one view come every 2 ms or a little more: few of them can be made
    let engine = slow(Duration::from_millis(20));
    let options = Options {
        slots: 16,
        ..Options::default()
    };
    let deadline = Duration::from_millis(100);
    let mut rig = Rig::new(build(plan(1, 1, deadline), 1, 1, &engine), options);
    let parts = 250u64;
    let (pace, told) = sightline_queue::bounded::<()>("pace", 1);
    for _ in 0..parts {
        rig.part(Picture::default());
        // nobody sends: this is the spacing of the parts
        let _ = told.recv_timeout(Duration::from_millis(2));
    }
    drop(pace);
    for _ in 0..parts {
        rig.result();
    }
    rig.assert_conserved(parts);
    let line = rig.flow.counters().line;
    let made = line.ok as f64;
    let looked = line.batch_views as f64;
    // what an engine looked at became a verdict: its time was not spent on parts that were over anyway
    assert!(
        made >= 0.8 * looked,
        "{made} verdicts of {looked} views looked at: {line:?}"
    );
    assert!(line.not_decidable > 0, "it was an overload");
}

#[test]
fn a_dead_slow_engine_stops_neither_triggers_nor_verdicts() {
    // the engine sits on its first batch until it is let go
    let (let_go, held) = sightline_queue::bounded::<()>("hold", 1);
    let engine = Script {
        answer: Arc::new(move |_, _, _| {
            let _ = held.recv_timeout(PATIENCE);
        }),
        ..Script::default()
    };
    let options = Options {
        settings: Box::new(|s| s.hang_after = Duration::from_millis(50)),
        ..Options::default()
    };
    let deadline = Duration::from_millis(50);
    let mut rig = Rig::new(build(plan(1, 1, deadline), 1, 1, &engine), options);
    for _ in 0..20 {
        rig.part(Picture::default());
        let result = rig.result();
        assert_eq!(result.evaluation, Evaluation::NotDecidable);
        let reason = result.views[0].missed;
        // on a machine busy with other things the frame itself may come after the deadline
        let told = [
            MissReason::Late,
            MissReason::NoFreeSlot,
            MissReason::NotArrived,
        ];
        assert!(reason.is_some_and(|r| told.contains(&r)), "{reason:?}");
    }
    rig.assert_conserved(20);
    assert!(rig.heard.told("engine.0.hung", true), "a person was told");
    drop(let_go);
    rig.flow.stop();
    rig.assert_conserved(20);
    assert_eq!(
        rig.flow.counters().line.ok,
        0,
        "the held view came late and changed nothing"
    );
}
