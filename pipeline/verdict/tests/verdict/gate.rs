//! When parts are at the gate and what happens to them, one situation a test.

use crate::common::*;
use sightline_configs::station::{Gate, GateAt, GateKind, GateMechanism};
use sightline_domain::{
    Disposition, DispositionReason as Reason, MonoTime, Timing, TrackId, Trigger, UtcMicros,
};
use sightline_verdict::{
    AlreadyFinal, Confirmation, GateAlarmKind, GateCommand, GateSchedule, Outcome, Registered,
};

pub fn gate(at: GateAt, confirm_within_ms: Option<f64>) -> Gate {
    Gate {
        kind: GateKind::Simulated,
        at,
        lead_ms: 5.0,
        confirm_within_ms,
        mechanism: Default::default(),
        actuation_ms: None,
        max_counts_per_s: None,
    }
}

/// Parts are at the gate 200 ms after their trigger; commands are given at 195 ms.
pub fn timed(capacity: usize) -> GateSchedule {
    GateSchedule::new(&gate(GateAt::DelayMs(200.0), None), capacity).unwrap()
}

pub fn poll(g: &mut GateSchedule, now: MonoTime, encoder: Option<i64>) -> Vec<GateCommand> {
    g.poll(now, encoder).collect()
}

pub fn command(track: u64, outcome: Outcome) -> GateCommand {
    GateCommand {
        track: TrackId(track),
        disposition: outcome.disposition,
        reason: outcome.reason,
    }
}

pub fn register(g: &mut GateSchedule, track: u64, at: MonoTime) {
    assert_eq!(g.register(&trigger(track, at), at), Registered::Scheduled);
}

pub fn kinds(g: &GateSchedule) -> Vec<GateAlarmKind> {
    g.alarms().map(|a| a.kind).collect()
}

const NO_VERDICT: Outcome = Outcome::reject(Reason::NoVerdict);
const LATE: Outcome = Outcome::reject(Reason::Late);
const VERDICT: Outcome = Outcome::reject(Reason::Verdict);

#[test]
fn a_verdict_in_time_is_what_happens() {
    let mut g = timed(8);
    register(&mut g, 1, ms(0));
    register(&mut g, 2, ms(10));
    assert_eq!(g.decide(TrackId(2), VERDICT, ms(50), None), Ok(VERDICT));
    assert_eq!(
        g.decide(TrackId(1), Outcome::PASS, ms(194), None),
        Ok(Outcome::PASS)
    );
    assert_eq!(g.next_due(ms(194), None), Some(ms(195)));
    assert_eq!(poll(&mut g, ms(194), None), []);
    assert_eq!(poll(&mut g, ms(195), None), [command(1, Outcome::PASS)]);
    assert_eq!(poll(&mut g, ms(205), None), [command(2, VERDICT)]);
    assert_eq!((g.next_due(ms(205), None), g.coming()), (None, 0));
    assert_eq!(g.alarms().count(), 0);
}

#[test]
fn a_part_without_a_verdict_is_rejected_and_its_late_verdict_says_so() {
    let mut g = timed(8);
    register(&mut g, 1, ms(0));
    assert_eq!(poll(&mut g, ms(196), None), [command(1, NO_VERDICT)]);
    assert_eq!(g.decide(TrackId(1), Outcome::PASS, ms(197), None), Ok(LATE));
    let c = g.counters();
    assert_eq!((c.by_default, c.late_verdicts, c.dispositions), (1, 1, 1));
}

#[test]
fn a_verdict_that_is_due_is_late_even_if_the_gate_thread_was_not_there_yet() {
    let mut g = timed(8);
    register(&mut g, 1, ms(0));
    assert_eq!(g.decide(TrackId(1), Outcome::PASS, ms(195), None), Ok(LATE));
    assert_eq!(poll(&mut g, ms(195), None), [command(1, LATE)]);
    assert_eq!(poll(&mut g, ms(900), None), []);
}

#[test]
fn the_first_verdict_stands() {
    let mut g = timed(8);
    let track = TrackId(1);
    register(&mut g, 1, ms(0));
    let again = Err(AlreadyFinal { track });
    assert_eq!(g.decide(track, VERDICT, ms(10), None), Ok(VERDICT));
    assert_eq!(g.decide(track, Outcome::PASS, ms(11), None), again);
    assert_eq!(poll(&mut g, ms(195), None), [command(1, VERDICT)]);
    assert_eq!(g.decide(track, Outcome::PASS, ms(300), None), again);
    let t = trigger(1, ms(400));
    assert_eq!(g.register(&t, ms(400)), Registered::Duplicate);
    let c = g.counters();
    assert_eq!((c.repeated_verdicts, c.duplicates, c.registered), (2, 1, 1));
}

#[test]
fn by_encoder_a_part_is_there_when_the_belt_has_brought_it() {
    let mut g = GateSchedule::new(&gate(GateAt::EncoderCounts(1_000), None), 8).unwrap();
    let t = Trigger {
        encoder: Some(5_000),
        timing: Timing::default(),
        ..trigger(1, ms(0))
    };
    assert_eq!(g.register(&t, ms(0)), Registered::Scheduled);
    // 2 counts a ms; the lead of 5 ms is 10 counts once the speed is known
    assert_eq!(g.next_due(ms(0), Some(5_000)), None);
    for at in 0..495 {
        assert_eq!(poll(&mut g, ms(at), Some(5_000 + 2 * at as i64)), []);
    }
    assert_eq!(g.next_due(ms(480), Some(5_960)), Some(ms(495)));
    let due = poll(&mut g, ms(495), Some(5_990));
    assert_eq!(due, [command(1, NO_VERDICT)]);
    assert_eq!(g.alarms().count(), 0);
}

#[test]
fn a_standing_belt_brings_nothing_however_long_it_stands() {
    let mut g = GateSchedule::new(&gate(GateAt::EncoderCounts(1_000), None), 8).unwrap();
    let t = Trigger {
        encoder: Some(0),
        timing: Timing::default(),
        ..trigger(1, ms(0))
    };
    assert_eq!(g.register(&t, ms(0)), Registered::Scheduled);
    g.decide(TrackId(1), Outcome::PASS, ms(0), Some(0)).unwrap();
    g.belt_held(true, ms(0));
    for at in 0..10_000 {
        assert_eq!(poll(&mut g, ms(at), Some(900)), []);
    }
    assert_eq!(g.next_due(ms(10_000), Some(900)), None);
    g.belt_held(false, ms(10_000));
    let running = |at: u64| (ms(10_000 + at), Some(900 + at as i64));
    let commands = (1..120).flat_map(|at| {
        let (now, counts) = running(at);
        poll(&mut g, now, counts)
    });
    assert_eq!(commands.collect::<Vec<_>>(), [command(1, Outcome::PASS)]);
}

/// Lets a belt of one count a millisecond run, or stand, for `for_ms`. Returns at which count commands came.
fn carry(g: &mut GateSchedule, at: &mut (u64, i64), for_ms: u64, held: bool) -> Vec<i64> {
    let mut commands = Vec::new();
    for _ in 0..for_ms {
        *at = (at.0 + 1, at.1 + i64::from(!held));
        g.belt_held(held, ms(at.0));
        let came = poll(g, ms(at.0), Some(at.1)).len();
        commands.extend(std::iter::repeat_n(at.1, came));
    }
    commands
}

#[test]
fn a_belt_that_stops_before_the_gate_and_runs_again_is_no_fault() {
    let at_gate = GateAt::EncoderCounts(1_000);
    let mut g = GateSchedule::new(&gate(at_gate, Some(100.0)), 8).unwrap();
    let mut at = (0, 0);
    carry(&mut g, &mut at, 100, false);
    for track in [1, 2] {
        let t = Trigger {
            encoder: Some(at.1),
            ..trigger(track, ms(at.0))
        };
        assert_eq!(g.register(&t, ms(at.0)), Registered::Scheduled);
        g.decide(TrackId(track), VERDICT, ms(at.0), Some(at.1))
            .unwrap();
        carry(&mut g, &mut at, 100, false);
    }
    // Ten counts before the first command: a short stop, in which the average of the speed comes down to nothing.
    assert!(carry(&mut g, &mut at, 785, false).is_empty());
    carry(&mut g, &mut at, 3_000, true);
    assert_eq!(carry(&mut g, &mut at, 12, false), [1_095]);
    // And one before the sensor sees the part.
    carry(&mut g, &mut at, 3_000, true);
    carry(&mut g, &mut at, 50, false);
    let seen = Confirmation {
        track: Some(TrackId(1)),
        at: ms(at.0),
    };
    g.confirmed(seen, ms(at.0));
    assert_eq!(kinds(&g), []);
    assert_eq!(carry(&mut g, &mut at, 100, false), [1_195]);
    carry(&mut g, &mut at, 200, false);
    assert_eq!(
        kinds(&g),
        [GateAlarmKind::Unconfirmed],
        "the second is missed"
    );
}

#[test]
fn a_pass_whose_pictures_were_due_while_the_belt_was_stopped_is_none() {
    let mut g = GateSchedule::new(&gate(GateAt::EncoderCounts(1_000), None), 8).unwrap();
    let set_out = |track: u64, at: u64, g: &mut GateSchedule| {
        let mut t = trigger(track, ms(at));
        t.encoder = Some(at as i64);
        assert_eq!(g.register(&t, ms(at)), Registered::Scheduled);
    };
    set_out(1, 0, &mut g);
    g.decide(TrackId(1), Outcome::PASS, ms(50), Some(50))
        .unwrap();
    set_out(2, 60, &mut g);
    g.belt_held(true, ms(100));
    g.belt_held(false, ms(180));
    // its trigger was before the stop, the word of it came after
    set_out(3, 90, &mut g);
    set_out(4, 200, &mut g);
    let fault = Outcome::reject(Reason::Fault);
    for (track, expected) in [(2, fault), (3, fault), (4, Outcome::PASS)] {
        let decided = g.decide(TrackId(track), Outcome::PASS, ms(300), Some(220));
        assert_eq!(decided, Ok(expected), "{track}");
    }
}

#[test]
fn a_lost_encoder_holds_the_line_until_it_is_back() {
    let mut g = GateSchedule::new(&gate(GateAt::EncoderCounts(100), None), 8).unwrap();
    let mut t = trigger(1, ms(0));
    t.encoder = Some(0);
    assert_eq!(g.register(&t, ms(0)), Registered::Scheduled);
    // nobody knows where the part is from now on
    let lost = Outcome::reject(Reason::Fault);
    assert_eq!(poll(&mut g, ms(1), None), [command(1, lost)]);
    assert_eq!(
        (kinds(&g), g.hold()),
        (
            vec![GateAlarmKind::EncoderLost, GateAlarmKind::Unsynchronised],
            true
        )
    );
    assert_eq!(
        g.decide(TrackId(1), Outcome::PASS, ms(1), None),
        Ok(lost),
        "its verdict comes too late"
    );
    g.acknowledge(ms(2));
    assert!(g.hold(), "a person's word brings no encoder back");
    assert_eq!(poll(&mut g, ms(3), Some(100)), []);
    assert!(!g.hold());
    assert!(!g.is_synchronised(), "it has to be plausible for a while");
    // a trigger without a count cannot be followed
    t = trigger(2, ms(4));
    let now = Outcome::reject(Reason::Fault);
    assert_eq!(
        g.register(&t, ms(4)),
        Registered::Immediate(command(2, now))
    );
    assert_eq!(
        g.decide(TrackId(2), Outcome::PASS, ms(5), Some(100)),
        Ok(now)
    );
}

#[test]
fn a_full_schedule_rejects_at_once_and_says_so() {
    let mut g = timed(2);
    register(&mut g, 1, ms(0));
    register(&mut g, 2, ms(1));
    let full = Outcome::reject(Reason::Overflow);
    let third = g.register(&trigger(3, ms(2)), ms(2));
    assert_eq!(third, Registered::Immediate(command(3, full)));
    assert_eq!(kinds(&g), [GateAlarmKind::Full]);
    assert!(!g.hold());
    assert_eq!(g.decide(TrackId(3), Outcome::PASS, ms(3), None), Ok(full));
    assert_eq!(poll(&mut g, ms(300), None).len(), 2);
    // both went without a verdict and keep their places until it comes
    let fourth = g.register(&trigger(4, ms(300)), ms(300));
    assert_eq!(fourth, Registered::Immediate(command(4, full)));
    assert_eq!(g.decide(TrackId(1), Outcome::PASS, ms(301), None), Ok(LATE));
    register(&mut g, 5, ms(302));
    let alarm = g.next_alarm_change().unwrap().to_alarm(UtcMicros(9));
    assert_eq!(
        (alarm.id.to_string().as_str(), alarm.active),
        ("gate-full", true)
    );
    assert!(
        alarm.message.starts_with("part 4: there is no room"),
        "{}",
        alarm.message
    );
    assert!(alarm.message.ends_with("(2 so far)"), "{}", alarm.message);
}

#[test]
fn a_verdict_for_a_part_the_gate_never_heard_of_is_a_reject_and_an_alarm() {
    let mut g = timed(2);
    let unknown = g.decide(TrackId(5), Outcome::PASS, ms(1), None);
    assert_eq!(unknown, Ok(Outcome::reject(Reason::Fault)));
    assert_eq!(kinds(&g), [GateAlarmKind::Unregistered]);
}

#[test]
fn a_pass_that_was_carried_out_too_late_is_taken_back_and_corrected() {
    let mut g = timed(4);
    register(&mut g, 1, ms(0));
    g.decide(TrackId(1), Outcome::PASS, ms(1), None).unwrap();
    assert_eq!(poll(&mut g, ms(195), None), [command(1, Outcome::PASS)]);
    // the process stood still before the driver had it
    g.acted(TrackId(1), ms(230));
    assert_eq!(g.next_due(ms(230), None), Some(ms(230)));
    assert_eq!(poll(&mut g, ms(230), None), [command(1, LATE)]);
    assert_eq!(g.next_correction().expect("told").outcome, LATE);
    let c = g.counters();
    assert_eq!(
        (c.passed, c.rejected, c.late_passes, c.corrected),
        (0, 1, 1, 1)
    );
    // in time it stands
    register(&mut g, 2, ms(300));
    g.decide(TrackId(2), Outcome::PASS, ms(301), None).unwrap();
    assert_eq!(poll(&mut g, ms(495), None), [command(2, Outcome::PASS)]);
    g.acted(TrackId(2), ms(497));
    assert_eq!((g.counters().passed, g.next_correction()), (1, None));
}

#[test]
fn a_kick_that_comes_too_late_holds_the_line_and_a_late_pass_is_what_it_does_anyway() {
    let kick = Gate {
        mechanism: GateMechanism::Kick,
        ..gate(GateAt::DelayMs(200.0), None)
    };
    let mut g = GateSchedule::new(&kick, 4).unwrap();
    register(&mut g, 1, ms(0));
    register(&mut g, 2, ms(1));
    g.decide(TrackId(1), Outcome::PASS, ms(1), None).unwrap();
    assert_eq!(
        poll(&mut g, ms(400), None),
        [command(1, Outcome::PASS), command(2, NO_VERDICT)]
    );
    assert_eq!((kinds(&g), g.hold()), (vec![GateAlarmKind::Behind], true));
    assert_eq!(g.next_correction(), None);
    g.acknowledge(ms(500));
    assert!(!g.hold());
}

#[test]
fn a_belt_that_is_stopped_while_parts_are_followed_by_time_alone_loses_them() {
    let mut g = timed(4);
    register(&mut g, 1, ms(0));
    register(&mut g, 2, ms(10));
    g.decide(TrackId(1), Outcome::PASS, ms(20), None).unwrap();
    g.belt_held(true, ms(100));
    let lost = Outcome::reject(Reason::Fault);
    assert_eq!(
        poll(&mut g, ms(100), None),
        [command(1, lost), command(2, lost)]
    );
    assert_eq!(g.next_correction().expect("told").outcome, lost);
    assert_eq!(g.decide(TrackId(2), Outcome::PASS, ms(101), None), Ok(lost));
    assert_eq!(
        (kinds(&g), g.hold()),
        (vec![GateAlarmKind::Unsynchronised], false)
    );
    g.belt_held(false, ms(1_000));
    assert_eq!(poll(&mut g, ms(1_000), None), []);
    assert_eq!(poll(&mut g, ms(1_201), None), []);
    assert_eq!(kinds(&g), []);
    register(&mut g, 3, ms(1_300));
    g.decide(TrackId(3), Outcome::PASS, ms(1_301), None)
        .unwrap();
    assert_eq!(poll(&mut g, ms(1_495), None), [command(3, Outcome::PASS)]);
}

#[test]
fn a_reject_commanded_too_late_is_an_alarm() {
    let mut g = timed(4);
    register(&mut g, 1, ms(0));
    register(&mut g, 2, ms(1));
    g.decide(TrackId(1), Outcome::PASS, ms(1), None).unwrap();
    assert_eq!(poll(&mut g, MonoTime(200_500_000), None).len(), 2);
    assert_eq!(g.counters().behind, 1);
    assert_eq!(kinds(&g), [GateAlarmKind::LatePass]);
    let correction = g.next_correction().expect("it was told to pass");
    assert_eq!((correction.track, correction.outcome), (TrackId(1), LATE));
    assert_eq!(g.next_correction(), None);
    g.acknowledge(ms(250));
    register(&mut g, 3, ms(300));
    assert_eq!(poll(&mut g, ms(501), None).len(), 1);
    assert_eq!(kinds(&g), [GateAlarmKind::Behind]);
}

#[test]
fn a_gate_that_does_not_take_a_command_holds_the_line_until_somebody_came() {
    let mut g = timed(4);
    register(&mut g, 1, ms(0));
    assert_eq!(poll(&mut g, ms(195), None).len(), 1);
    g.failed(TrackId(1), ms(196));
    assert_eq!((kinds(&g), g.hold()), (vec![GateAlarmKind::Refused], true));
    g.acknowledge(ms(500));
    assert_eq!((kinds(&g), g.hold()), (vec![], false));
    assert!(g.next_alarm_change().unwrap().active, "it was not told yet");
    assert!(!g.next_alarm_change().unwrap().active);
    assert!(g.next_alarm_change().is_none());
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |g: Gate| GateSchedule::new(&g, 4).unwrap_err().to_string();
    let bad = refused(gate(GateAt::EncoderCounts(-1), None));
    assert!(
        bad.starts_with("gate.at.encoder_counts: expected 0 or more, found -1"),
        "{bad}"
    );
    let bad = refused(gate(GateAt::DelayMs(f64::NAN), None));
    assert!(
        bad.starts_with("gate.at.delay_ms: expected 0 to 86400000 ms, found NaN"),
        "{bad}"
    );
    let bad = refused(gate(GateAt::DelayMs(1.0), Some(-1.0)));
    assert!(bad.starts_with("gate.confirm_within_ms: expected"), "{bad}");
    assert!(matches!(
        GateSchedule::new(&gate(GateAt::DelayMs(1.0), None), 0)
            .unwrap()
            .register(&trigger(1, ms(0)), ms(0)),
        Registered::Scheduled
    ));
    assert_eq!(Outcome::PASS.disposition, Disposition::Pass);
}
