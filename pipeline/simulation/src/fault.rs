//! What goes wrong on the line, when, and for how long.

use serde::{Deserialize, Serialize};
use sightline_domain::{MonoTime, TrackId};

/// One scripted fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub what: FaultKind,
    /// While when.
    pub window: Window,
}

/// From when to when a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Window {
    /// By time since the line's start.
    Time {
        /// First moment, ms.
        from_ms: u64,
        /// For so long, ms.
        for_ms: u64,
    },
    /// By part number.
    Parts {
        /// The first part, from 1.
        from: u64,
        /// For so many parts.
        count: u64,
    },
}

impl Window {
    /// True for a window of time that holds `since_start_ns`.
    fn is_open(&self, since_start_ns: u64) -> bool {
        matches!(self, Self::Time { .. }) && self.contains(TrackId(0), since_start_ns)
    }

    /// True for the part `track` at `since_start_ns` after the line's start.
    pub fn contains(&self, track: TrackId, since_start_ns: u64) -> bool {
        match *self {
            Self::Time { from_ms, for_ms } => {
                let ms = since_start_ns / 1_000_000;
                ms >= from_ms && ms - from_ms < for_ms
            }
            Self::Parts { from, count } => track.0 >= from && track.0 - from < count,
        }
    }
}

/// What can go wrong. Cameras are counted from 0, in the order of the line's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The camera is there or has the fault its condition says.
    Camera {
        /// Which camera.
        camera: u16,
        /// What is wrong with it.
        condition: Condition,
    },
    /// Parts come closer together.
    Burst {
        /// Distances are divided by this, at least 1.
        factor: f64,
    },
    /// The gate does not move.
    GateStuck {
        /// Where it stands.
        at: GatePosition,
    },
    /// The encoder does not say where the belt is. By time only.
    Encoder {
        /// What it says instead.
        fault: EncoderFault,
    },
    /// The belt stands, and nobody ordered it. By time only.
    BeltStops,
}

/// What an encoder does instead of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderFault {
    /// It starts from 0 again.
    Reset,
    /// Its 32 bits are full, and it goes on from the other end.
    Wraps,
    /// The belt runs and it counts nothing; what it missed is lost.
    LosesCounts,
    /// It counts backwards.
    Reversed,
    /// Counts are far off now and then.
    Noisy,
    /// It does not answer.
    Silent,
}

/// How a camera is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Well.
    #[default]
    Good,
    /// Gives no frames.
    Unplugged,
    /// Repeats its last picture; the frame numbers run on.
    Frozen,
    /// Repeats its last picture with its number.
    FrozenNumber,
    /// The light is off.
    Dark,
    /// The light is far too strong.
    Bright,
    /// Out of focus.
    Blurred,
}

/// Where the gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatePosition {
    /// Parts go on.
    Pass,
    /// Parts go into the reject bin.
    Reject,
}

/// The line's faults, asked for what holds now.
#[derive(Clone, Debug, Default)]
pub struct FaultScript {
    faults: Vec<Fault>,
    /// Ended by a repair before their window closed.
    ended: Vec<bool>,
    start: MonoTime,
}

impl FaultScript {
    /// The script of a line that starts at `start`.
    pub fn new(faults: Vec<Fault>, start: MonoTime) -> Self {
        Self {
            ended: vec![false; faults.len()],
            faults,
            start,
        }
    }

    /// The script's times count from `start` from now on.
    pub(crate) fn begin(&mut self, start: MonoTime) {
        self.start = start;
    }

    /// Ends the stuck-gate faults that hold for `track` at `at`.
    pub fn repair_gate(&mut self, track: TrackId, at: MonoTime) {
        let ns = self.ns(at);
        for (fault, ended) in self.faults.iter().zip(&mut self.ended) {
            let stuck = matches!(fault.what, FaultKind::GateStuck { .. });
            *ended |= stuck && fault.window.contains(track, ns);
        }
    }

    /// How `camera` is when it takes the picture of `track`; of several faults the first listed.
    pub fn camera(&self, camera: usize, track: TrackId, at: MonoTime) -> Condition {
        self.active(track, self.ns(at))
            .find_map(|what| match what {
                FaultKind::Camera {
                    camera: c,
                    condition,
                } if usize::from(c) == camera => Some(condition),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Where the gate is stuck when `track` reaches it, if it is.
    pub fn gate(&self, track: TrackId, at: MonoTime) -> Option<GatePosition> {
        self.active(track, self.ns(at)).find_map(|what| match what {
            FaultKind::GateStuck { at } => Some(at),
            _ => None,
        })
    }

    /// The encoder's fault at `at`, with its number in the script; of several the first listed.
    pub(crate) fn encoder(&self, at: MonoTime) -> Option<(usize, EncoderFault)> {
        let ns = self.ns(at);
        let faults = self.faults.iter().enumerate();
        faults
            .filter(|(_, f)| f.window.is_open(ns))
            .find_map(|(i, f)| match f.what {
                FaultKind::Encoder { fault } => Some((i, fault)),
                _ => None,
            })
    }

    /// Whether the belt stands at `at` though nobody ordered it.
    pub(crate) fn belt_stops(&self, at: MonoTime) -> bool {
        let ns = self.ns(at);
        let stops = |f: &Fault| f.what == FaultKind::BeltStops && f.window.is_open(ns);
        self.faults.iter().any(stops)
    }

    /// The next moment after `after` and up to `until` at which the belt stops or runs again by a fault.
    pub(crate) fn next_belt_edge(&self, after: MonoTime, until: MonoTime) -> Option<MonoTime> {
        let stops = self
            .faults
            .iter()
            .filter(|f| f.what == FaultKind::BeltStops);
        let edges = stops.filter_map(|f| match f.window {
            Window::Time { from_ms, for_ms } => Some([from_ms, from_ms + for_ms]),
            Window::Parts { .. } => None,
        });
        let times = edges
            .flatten()
            .map(|ms| MonoTime(self.start.0 + ms * 1_000_000));
        times.filter(|t| after < *t && *t <= until).min()
    }

    /// By what the distance before `track` is divided, `running_ns` of belt running time after the start.
    pub(crate) fn burst(&self, track: TrackId, running_ns: u64) -> f64 {
        self.active(track, running_ns)
            .find_map(|what| match what {
                FaultKind::Burst { factor } => Some(factor.max(1.0)),
                _ => None,
            })
            .unwrap_or(1.0)
    }

    fn ns(&self, at: MonoTime) -> u64 {
        at.0.saturating_sub(self.start.0)
    }

    fn active(&self, track: TrackId, since_start_ns: u64) -> impl Iterator<Item = FaultKind> + '_ {
        let active = move |f: &Fault| f.window.contains(track, since_start_ns);
        self.faults
            .iter()
            .zip(&self.ended)
            .filter_map(move |(f, ended)| (!ended && active(f)).then_some(f.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_from_their_first_to_before_their_last_moment() {
        let parts = Window::Parts { from: 5, count: 2 };
        assert_eq!(
            (3..9)
                .filter(|&n| parts.contains(TrackId(n), 0))
                .collect::<Vec<_>>(),
            [5, 6]
        );
        let time = Window::Time {
            from_ms: 100,
            for_ms: 50,
        };
        let ms = |ms: u64| ms * 1_000_000;
        let holds = [99, 100, 149, 150].map(|t| time.contains(TrackId(1), ms(t)));
        assert_eq!(holds, [false, true, true, false]);
    }

    #[test]
    fn a_fault_touches_its_own_camera_only() {
        let what = FaultKind::Camera {
            camera: 1,
            condition: Condition::Dark,
        };
        let window = Window::Time {
            from_ms: 0,
            for_ms: 1_000,
        };
        let script = FaultScript::new(vec![Fault { what, window }], MonoTime(7));
        let at = MonoTime(8);
        assert_eq!(script.camera(1, TrackId(1), at), Condition::Dark);
        assert_eq!(script.camera(0, TrackId(1), at), Condition::Good);
        assert_eq!(script.gate(TrackId(1), at), None);
        assert_eq!(script.burst(TrackId(1), 0), 1.0);
    }
}
