//! The gate as a machine: a flap that rests in reject, takes time to move, and can be stuck.

use crate::belt::Belt;
use crate::fault::{FaultScript, GatePosition};
use serde::{Deserialize, Serialize};
use sightline_model::{Disposition, MonoTime, TrackId};
use std::collections::VecDeque;
use std::time::Duration;

/// Where the gate stands and how it moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateSettings {
    /// From the photo-eye to the flap, mm.
    pub position_mm: f64,
    /// From a command to the flap being there, ms; until then it counts as rejecting.
    pub actuation_ms: f64,
    /// A pass command lasts so long, then a spring takes the flap back to reject, ms.
    pub pass_hold_ms: f64,
    /// From the flap to the reject bin's sensor, as time, ms.
    pub sensor_ms: f64,
    /// From the flap to where parts leave the station for good, mm. What passes wrongly can be taken off before.
    pub exit_mm: f64,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            position_mm: 300.0,
            actuation_ms: 3.0,
            pass_hold_ms: 60.0,
            sensor_ms: 20.0,
            exit_mm: 400.0,
        }
    }
}

/// Where a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhysicalEnd {
    /// It left the station on the belt.
    Passed,
    /// It lies in the reject bin.
    Rejected,
    /// It passed the gate against its command or without one, and was taken off while the line was held.
    Contained,
}

/// What the gate's surroundings report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateEvent {
    /// The sensor in the reject bin saw a part. (A real one does not know which.)
    Confirmed {
        /// The part.
        track: TrackId,
        /// When.
        at: MonoTime,
    },
    /// A part reached its end.
    Ended {
        /// The part.
        track: TrackId,
        /// Where.
        end: PhysicalEnd,
        /// When.
        at: MonoTime,
    },
}

#[derive(Clone, Copy, Debug)]
struct OnBelt {
    track: TrackId,
    /// Belt position at which it is at the flap, mm.
    at_flap_mm: f64,
    /// The last command for it.
    commanded: Option<Disposition>,
}

/// A stretch of time in which the flap stands in pass.
#[derive(Clone, Copy, Debug)]
struct OpenSpan {
    from: MonoTime,
    until: MonoTime,
}

/// One gate. Fail-safe: without a command, with one too late, or with one whose time is over, parts are rejected.
#[derive(Debug)]
pub struct SimGate {
    settings: GateSettings,
    coming: VecDeque<OnBelt>,
    beyond: VecDeque<OnBelt>,
    open: VecDeque<OpenSpan>,
    falling: VecDeque<(TrackId, MonoTime)>,
    last_crossed: TrackId,
}

impl SimGate {
    /// A gate at rest.
    pub fn new(settings: GateSettings) -> Self {
        Self {
            settings,
            coming: VecDeque::with_capacity(256),
            beyond: VecDeque::with_capacity(256),
            open: VecDeque::with_capacity(256),
            falling: VecDeque::with_capacity(256),
            last_crossed: TrackId(0),
        }
    }

    /// A part passed the photo-eye when the belt was at `position_mm`; parts come in the order of their positions.
    pub fn part(&mut self, track: TrackId, position_mm: f64) {
        self.coming.push_back(OnBelt {
            track,
            at_flap_mm: position_mm + self.settings.position_mm,
            commanded: None,
        });
    }

    /// Moves the flap for `track` now. The flap knows time only: whichever part is there while it is open passes.
    pub fn actuate(&mut self, track: TrackId, disposition: Disposition, now: MonoTime) {
        if let Some(part) = self.coming.iter_mut().find(|p| p.track == track) {
            part.commanded = Some(disposition);
        }
        let there = now + ms(self.settings.actuation_ms);
        // Whatever was ordered before ends when the new order takes effect.
        if let Some(last) = self.open.back_mut() {
            last.until = last.until.min(there.max(last.from));
        }
        if disposition == Disposition::Pass {
            self.open.push_back(OpenSpan {
                from: there,
                until: there + ms(self.settings.pass_hold_ms),
            });
        }
    }

    /// Lets everything happen that happens until `now`, in the order in which it happens for each part.
    pub fn advance(
        &mut self,
        belt: &Belt,
        faults: &FaultScript,
        now: MonoTime,
        mut event: impl FnMut(GateEvent),
    ) {
        while let Some(part) = self.coming.front().copied() {
            let Some(at) = belt.time_at(part.at_flap_mm).filter(|at| *at <= now) else {
                break;
            };
            self.coming.pop_front();
            self.last_crossed = part.track;
            match self.stands(part.track, faults, at) {
                GatePosition::Pass => self.beyond.push_back(part),
                GatePosition::Reject => {
                    self.falling
                        .push_back((part.track, at + ms(self.settings.sensor_ms)));
                    event(GateEvent::Ended {
                        track: part.track,
                        end: PhysicalEnd::Rejected,
                        at,
                    });
                }
            }
        }
        while let Some((track, at)) = self.falling.front().copied().filter(|(_, at)| *at <= now) {
            self.falling.pop_front();
            event(GateEvent::Confirmed { track, at });
        }
        while let Some(part) = self.beyond.front().copied() {
            let exit_mm = part.at_flap_mm + self.settings.exit_mm;
            let Some(at) = belt.time_at(exit_mm).filter(|at| *at <= now) else {
                break;
            };
            self.beyond.pop_front();
            event(GateEvent::Ended {
                track: part.track,
                end: PhysicalEnd::Passed,
                at,
            });
        }
        while self
            .open
            .front()
            .is_some_and(|s| s.until < now && self.open.len() > 1)
        {
            self.open.pop_front();
        }
    }

    /// The line is held: whoever holds it takes off what passed without a pass command and has not left yet.
    pub fn contain(&mut self, now: MonoTime, mut event: impl FnMut(GateEvent)) {
        self.beyond.retain(|part| {
            let meant = part.commanded == Some(Disposition::Pass);
            if !meant {
                event(GateEvent::Ended {
                    track: part.track,
                    end: PhysicalEnd::Contained,
                    at: now,
                });
            }
            meant
        });
    }

    /// When something happens next: a part at the flap or at the exit, or the sensor's next signal.
    pub fn next_at(&self, belt: &Belt) -> Option<MonoTime> {
        let flap = self.coming.front().and_then(|p| belt.time_at(p.at_flap_mm));
        let exit = self
            .beyond
            .front()
            .and_then(|p| belt.time_at(p.at_flap_mm + self.settings.exit_mm));
        let sensor = self.falling.front().map(|(_, at)| *at);
        [flap, exit, sensor].into_iter().flatten().min()
    }

    /// The part that was at the flap last, 0 before the first.
    pub fn last_crossed(&self) -> TrackId {
        self.last_crossed
    }

    /// Parts that have not reached their end.
    pub fn on_the_way(&self) -> usize {
        self.coming.len() + self.beyond.len()
    }

    fn stands(&self, track: TrackId, faults: &FaultScript, at: MonoTime) -> GatePosition {
        if let Some(stuck) = faults.gate(track, at) {
            return stuck;
        }
        if self.open.iter().any(|s| s.from <= at && at < s.until) {
            GatePosition::Pass
        } else {
            GatePosition::Reject
        }
    }
}

fn ms(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1_000.0)
}

#[cfg(test)]
mod tests {
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
}
