//! In steady state a part costs the judge and the gate no memory.

use crate::common::*;
use sightline_configs::station::{Gate, GateAt, GateKind};
use sightline_domain::{Disposition, MissReason, TrackId, ViewId};
use sightline_verdict::{Confirmation, GateSchedule, Judge, Registered};

#[test]
fn ten_thousand_parts_allocate_nothing_once_the_pool_is_warm() {
    let (plan, mut judge) = (plan(4), Judge::new(8));
    let gate = Gate {
        kind: GateKind::Simulated,
        at: GateAt::DelayMs(165.0),
        lead_ms: 5.0,
        confirm_within_ms: Some(50.0),
        mechanism: Default::default(),
        actuation_ms: None,
        max_counts_per_s: None,
    };
    let mut gate = GateSchedule::new(&gate, 64).unwrap();
    let found = [finding(0, 0.9); 40];
    let mut passed = 0u32;
    let mut part = |n: u64| {
        let now = ms(n * 40);
        let t = trigger(n, now);
        assert_eq!(gate.register(&t, now), Registered::Scheduled);
        judge.open(&plan, &t).expect("room");
        for view in 0..4 {
            match (n % 5, view) {
                (0, 3) => {}
                (1, 2) => {
                    let reason = MissReason::CameraDown;
                    judge.missed(TrackId(n), ViewId(2), reason, None, now);
                }
                (2, 1) => see(&mut judge, n, 1, &found, now),
                _ => see(&mut judge, n, view, &found[..0], now),
            }
        }
        while let Some(dossier) = judge.next_decided(now) {
            let track = dossier.trigger().track_id;
            let asked = dossier.decision().asked;
            gate.decide(track, asked, now, None).expect("first verdict");
            judge.recycle(dossier);
        }
        let mut seen = None;
        for command in gate.poll(now, None) {
            match command.disposition {
                Disposition::Pass => passed += 1,
                Disposition::Reject => seen = Some(command.track),
            }
        }
        if seen.is_some() {
            gate.confirmed(
                Confirmation {
                    track: seen,
                    at: now,
                },
                now,
            );
        }
    };
    (1..=100).for_each(&mut part);
    let spent = allocation_counter::measure(|| (101..=10_100).for_each(&mut part));
    assert_eq!(spent.count_total, 0, "{spent:?}");
    assert!(passed > 3_000, "{passed}");
    let c = judge.counters();
    assert_eq!((c.allocated, c.opened), (0, 10_100));
    assert_eq!(gate.counters().unconfirmed, 0);
}
