//! The sensor in the reject bin.

use crate::common::*;
use crate::gate::{gate, kinds, poll, register};
use sightline_configs::station::GateAt;
use sightline_domain::{DispositionReason, MonoTime, TrackId};
use sightline_verdict::{Confirmation, GateAlarmKind, GateSchedule, Outcome};

/// Rejects are commanded at trigger + 195 ms and must be seen within 5 + 50 ms of that.
fn with_sensor(capacity: usize) -> GateSchedule {
    GateSchedule::new(&gate(GateAt::DelayMs(200.0), Some(50.0)), capacity).unwrap()
}

fn sensor(track: Option<u64>, at: MonoTime) -> Confirmation {
    let track = track.map(TrackId);
    Confirmation { track, at }
}

#[test]
fn a_reject_that_is_seen_in_time_is_well() {
    for track in [Some(1), None] {
        let mut g = with_sensor(8);
        register(&mut g, 1, ms(0));
        assert_eq!(poll(&mut g, ms(195), None).len(), 1);
        assert_eq!(g.next_due(ms(195), None), Some(MonoTime(250_000_001)));
        g.confirmed(sensor(track, ms(250)), ms(251));
        assert_eq!(poll(&mut g, ms(900), None), []);
        assert_eq!((g.counters().confirmed, g.alarms().count()), (1, 0));
        assert_eq!(g.next_due(ms(900), None), None);
    }
}

#[test]
fn a_reject_that_is_not_seen_holds_the_line_until_somebody_came() {
    let mut g = with_sensor(8);
    register(&mut g, 1, ms(0));
    assert_eq!(poll(&mut g, ms(195), None).len(), 1);
    assert_eq!(poll(&mut g, ms(250), None), []);
    assert!(!g.hold());
    assert_eq!(poll(&mut g, ms(251), None), []);
    assert_eq!(
        (kinds(&g), g.hold()),
        (vec![GateAlarmKind::Unconfirmed], true)
    );
    assert_eq!(g.counters().unconfirmed, 1);
    // seen after all: counted, but somebody has to look
    g.confirmed(sensor(None, ms(260)), ms(260));
    assert_eq!(poll(&mut g, ms(300), None), []);
    let c = g.counters();
    assert_eq!((c.confirmed_late, c.unconfirmed, c.unexpected), (1, 1, 0));
    assert!(g.hold());
    g.acknowledge(ms(400));
    assert!(!g.hold());
}

#[test]
fn what_somebody_has_seen_to_cannot_excuse_a_later_signal() {
    let mut g = with_sensor(8);
    register(&mut g, 1, ms(0));
    assert_eq!(poll(&mut g, ms(195), None).len(), 1);
    assert_eq!(poll(&mut g, ms(251), None), []);
    g.acknowledge(ms(300));
    g.confirmed(sensor(None, ms(400)), ms(400));
    assert_eq!(kinds(&g), [GateAlarmKind::Unexpected]);
}

#[test]
fn a_late_signal_raises_the_alarm_even_before_the_poll_found_it_missing() {
    let mut g = with_sensor(8);
    register(&mut g, 1, ms(0));
    assert_eq!(poll(&mut g, ms(195), None).len(), 1);
    g.confirmed(sensor(Some(1), ms(251)), ms(251));
    assert_eq!((g.counters().unconfirmed, g.hold()), (1, true));
    assert_eq!(poll(&mut g, ms(900), None), []);
    assert_eq!(g.counters().unconfirmed, 1);
}

#[test]
fn a_passed_part_in_the_bin_is_an_alarm() {
    let mut g = with_sensor(8);
    register(&mut g, 1, ms(0));
    g.decide(TrackId(1), Outcome::PASS, ms(1), None).unwrap();
    assert_eq!(poll(&mut g, ms(195), None).len(), 1);
    g.confirmed(sensor(Some(1), ms(210)), ms(210));
    g.confirmed(sensor(None, ms(211)), ms(211));
    assert_eq!(kinds(&g), [GateAlarmKind::Unexpected]);
    assert_eq!((g.counters().unexpected, g.hold()), (2, false));
    // and no reject has come yet, so an earlier signal is nobody's either
    register(&mut g, 2, ms(300));
    g.confirmed(sensor(Some(2), ms(301)), ms(301));
    assert_eq!(g.counters().unexpected, 3);
}

#[test]
fn without_a_track_the_signal_belongs_to_the_part_whose_time_it_is() {
    let mut g = with_sensor(8);
    register(&mut g, 1, ms(0));
    register(&mut g, 2, ms(60));
    assert_eq!(poll(&mut g, ms(195), None).len(), 1);
    // part 1 never shows up; 255 ms is in part 2's time
    assert_eq!(poll(&mut g, ms(255), None).len(), 1);
    g.confirmed(sensor(None, ms(256)), ms(256));
    let c = g.counters();
    assert_eq!((c.confirmed, c.unconfirmed, c.confirmed_late), (1, 1, 0));
    assert_eq!(g.alarms().next().unwrap().track, Some(TrackId(1)));
}

#[test]
fn a_gate_stuck_for_long_needs_no_more_room() {
    let mut g = with_sensor(4);
    for track in 0..100 {
        let at = ms(track * 300);
        register(&mut g, track, at);
        let defect = Outcome::reject(DispositionReason::Verdict);
        g.decide(TrackId(track), defect, at, None).unwrap();
        assert_eq!(poll(&mut g, ms(track * 300 + 195), None).len(), 1);
    }
    assert_eq!(poll(&mut g, ms(100_000), None), []);
    assert_eq!(g.counters().unconfirmed, 100);
    assert_eq!(g.alarms().next().unwrap().times, 100);
}
