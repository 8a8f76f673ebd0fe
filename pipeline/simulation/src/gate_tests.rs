//! The flap against time, faults and holds.

use super::*;
use crate::belt::BeltSettings;
use crate::fault::{Fault, FaultKind, Window};

/// 200 mm/s: a part at 0 mm is at the flap (300 mm) after 1.5 s and at the exit (700 mm) after 3.5 s.
struct Rig {
    gate: SimGate,
    belt: Belt,
    faults: FaultScript,
    events: Vec<GateEvent>,
}

impl Rig {
    fn new(faults: Vec<Fault>) -> Self {
        let start = MonoTime(0);
        Self {
            gate: SimGate::new(GateSettings::default()),
            belt: Belt::new(&BeltSettings::default(), start),
            faults: FaultScript::new(faults, start),
            events: Vec::new(),
        }
    }

    fn to(&mut self, at_ms: u64) {
        self.gate
            .advance(&self.belt, &self.faults, at(at_ms), |e| self.events.push(e));
    }

    fn ends(&self) -> Vec<(u64, PhysicalEnd)> {
        let end = |e: &GateEvent| match e {
            GateEvent::Ended { track, end, .. } => Some((track.0, *end)),
            GateEvent::Confirmed { .. } => None,
        };
        self.events.iter().filter_map(end).collect()
    }

    fn confirmed(&self) -> usize {
        self.events.len() - self.ends().len()
    }
}

fn at(ms: u64) -> MonoTime {
    MonoTime(ms * 1_000_000)
}

fn stuck(position: GatePosition, window: Window) -> Vec<Fault> {
    vec![Fault {
        what: FaultKind::GateStuck { at: position },
        window,
    }]
}

#[test]
fn without_a_command_a_part_is_rejected_and_the_sensor_sees_it() {
    let mut rig = Rig::new(vec![]);
    rig.gate.part(TrackId(1), 0.0);
    rig.to(1_499);
    assert_eq!(rig.events, []);
    rig.to(1_500);
    assert_eq!(rig.ends(), [(1, PhysicalEnd::Rejected)]);
    assert_eq!(rig.confirmed(), 0);
    rig.to(1_520);
    assert_eq!(
        rig.events[1],
        GateEvent::Confirmed {
            track: TrackId(1),
            at: at(1_520)
        }
    );
}

#[test]
fn a_pass_in_time_passes_one_too_late_and_one_long_over_reject() {
    for (command_ms, end) in [
        (1_495, PhysicalEnd::Passed),
        (1_498, PhysicalEnd::Rejected),
        (1_400, PhysicalEnd::Rejected),
    ] {
        let mut rig = Rig::new(vec![]);
        rig.gate.part(TrackId(1), 0.0);
        rig.gate
            .actuate(TrackId(1), Disposition::Pass, at(command_ms));
        rig.to(4_000);
        assert_eq!(rig.ends(), [(1, end)], "commanded at {command_ms} ms");
    }
}

#[test]
fn a_reject_closes_what_a_pass_had_opened() {
    let mut rig = Rig::new(vec![]);
    rig.gate.part(TrackId(1), 0.0);
    rig.gate.part(TrackId(2), 4.0);
    rig.gate.actuate(TrackId(1), Disposition::Pass, at(1_495));
    rig.gate.actuate(TrackId(2), Disposition::Reject, at(1_510));
    rig.to(4_000);
    assert_eq!(
        rig.ends(),
        [(2, PhysicalEnd::Rejected), (1, PhysicalEnd::Passed)]
    );
}

#[test]
fn stuck_in_pass_gives_no_confirmation_and_a_hold_contains_the_part() {
    let window = Window::Parts { from: 1, count: 1 };
    let mut rig = Rig::new(stuck(GatePosition::Pass, window));
    rig.gate.part(TrackId(1), 0.0);
    rig.gate.actuate(TrackId(1), Disposition::Reject, at(1_495));
    rig.to(1_700);
    assert_eq!(rig.events, []);
    rig.gate.contain(at(1_700), |e| rig.events.push(e));
    rig.belt.run(false, at(1_700));
    rig.to(9_000);
    assert_eq!(rig.ends(), [(1, PhysicalEnd::Contained)]);
    assert_eq!(rig.gate.on_the_way(), 0);
}

#[test]
fn a_hold_too_late_finds_the_part_gone() {
    let window = Window::Parts { from: 1, count: 1 };
    let mut rig = Rig::new(stuck(GatePosition::Pass, window));
    rig.gate.part(TrackId(1), 0.0);
    rig.to(3_500);
    rig.gate.contain(at(3_500), |e| rig.events.push(e));
    assert_eq!(rig.ends(), [(1, PhysicalEnd::Passed)]);
}

#[test]
fn a_hold_leaves_alone_what_was_meant_to_pass() {
    let mut rig = Rig::new(vec![]);
    rig.gate.part(TrackId(1), 0.0);
    rig.gate.actuate(TrackId(1), Disposition::Pass, at(1_490));
    rig.to(1_600);
    rig.gate.contain(at(1_600), |e| rig.events.push(e));
    rig.to(4_000);
    assert_eq!(rig.ends(), [(1, PhysicalEnd::Passed)]);
}

#[test]
fn stuck_in_reject_rejects_good_parts_until_it_is_repaired() {
    let window = Window::Time {
        from_ms: 0,
        for_ms: 60_000,
    };
    let mut rig = Rig::new(stuck(GatePosition::Reject, window));
    for (track, ms) in [(1, 1_495), (2, 1_995)] {
        rig.gate.part(TrackId(track), (track - 1) as f64 * 100.0);
        rig.gate.actuate(TrackId(track), Disposition::Pass, at(ms));
        rig.to(ms + 10);
        rig.faults.repair_gate(rig.gate.last_crossed(), at(ms + 10));
    }
    rig.to(5_000);
    assert_eq!(
        rig.ends(),
        [(1, PhysicalEnd::Rejected), (2, PhysicalEnd::Passed)]
    );
}
