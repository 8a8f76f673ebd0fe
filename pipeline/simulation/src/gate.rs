//! The gate as a machine: a flap that rests in reject, takes time to move, and can be stuck.

use crate::belt::Belt;
use crate::fault::{FaultScript, GatePosition};
use serde::{Deserialize, Serialize};
use sightline_domain::{Disposition, MonoTime, TrackId};
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
    /// Where it stands when nothing is commanded: in reject (a diverter), or in pass (a kick).
    pub rest: GatePosition,
    /// A command against its rest lasts so long, then a spring takes the flap back, ms.
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
            rest: GatePosition::Reject,
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

/// A stretch of time in which the flap does not stand in its rest.
#[derive(Clone, Copy, Debug)]
struct OpenSpan {
    from: MonoTime,
    until: MonoTime,
}

/// One gate. One that rests in reject is fail-safe: without a command, with one too late, or with one whose time is over,
/// parts are rejected.
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
        let wanted = match disposition {
            Disposition::Pass => GatePosition::Pass,
            Disposition::Reject => GatePosition::Reject,
        };
        let to_rest = wanted == self.settings.rest;
        if to_rest && self.settings.rest == GatePosition::Pass {
            // a kick that is under way is not called back
            return;
        }
        let there = now + ms(self.settings.actuation_ms);
        // Whatever was ordered before ends when the new order takes effect.
        if let Some(last) = self.open.back_mut() {
            last.until = last.until.min(there.max(last.from));
        }
        if !to_rest {
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

    /// Somebody takes off everything that is under way.
    pub fn take_off(&mut self, now: MonoTime, mut event: impl FnMut(GateEvent)) {
        for part in self.coming.drain(..).chain(self.beyond.drain(..)) {
            event(GateEvent::Ended {
                track: part.track,
                end: PhysicalEnd::Contained,
                at: now,
            });
        }
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
        let moved = self.open.iter().any(|s| s.from <= at && at < s.until);
        match (self.settings.rest, moved) {
            (GatePosition::Reject, false) | (GatePosition::Pass, true) => GatePosition::Reject,
            (GatePosition::Reject, true) | (GatePosition::Pass, false) => GatePosition::Pass,
        }
    }
}

fn ms(ms: f64) -> Duration {
    Duration::from_secs_f64(ms.max(0.0) / 1_000.0)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
