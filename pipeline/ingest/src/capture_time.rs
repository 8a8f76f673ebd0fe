//! When a frame was captured, as near as its source can say, and how near that is.
//!
//! A source's time stamps run by its own clock. A frame cannot arrive before it was taken, so the least of
//! `arrival - stamp` lays them onto ours (as clock filters do: Mills, "Network Time Protocol", RFC 5905, 10; Moon,
//! Skelly, Towsley, "Estimation and removal of clock skew from network delay measurements", INFOCOM 1999). What a frame
//! arrives later than that is its age: a link that held a stream and then lets it go in a burst makes no picture new.
//! The least delay itself stays unknown and is the recipe's `offset_ms`.
//!
//! How near it is must be earned: a connection may begin with pictures that waited for it, and after a stream was held
//! its sender may have begun its time stamps anew. Until frames have come as far apart as they were stamped, their time
//! is known to no better than [`HELD`].

use sightline_domain::{MonoTime, TimeSource, Timing};
use std::time::Duration;

const MS: i128 = 1_000_000;
/// The longest a connection is believed to keep pictures back before anything is known of it.
const HELD: Duration = Duration::from_secs(1);
/// The same for a device of this machine.
const HELD_HERE: Duration = Duration::from_millis(50);
/// A clock drifts by at most so many parts in a million against ours.
const DRIFT_PPM: i128 = 200;
/// What scheduling does to the time of one arrival.
const GRAIN: Duration = Duration::from_millis(1);
/// Later than this a frame does not show that the stream runs evenly.
const NEAR: i128 = 20 * MS;
/// A stream that was held for so long has to earn trust anew.
const LONG_HELD: i128 = 100 * MS;
/// And that takes at least so long.
const DISTRUST: Duration = Duration::from_millis(200);
/// Frames after which time is known to no better than before, once a stream was held.
const AFTER_HOLD: i32 = -3;
/// Time stamps that jump by so much are not of one clock any more.
const JUMP: i128 = 250 * MS;
/// Even frames until single ones cannot shake the estimate.
const SETTLED: i32 = 8;
/// Frames that are later than this, and stay so, are told.
const STALE: i128 = 200 * MS;
const STALE_FOR: Duration = Duration::from_secs(5);
/// Intervals from which the rate of a source without time stamps is learned.
const INTERVALS: usize = 15;

/// A frame's capture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) captured: MonoTime,
    pub(crate) timing: Timing,
    /// How late it arrived, beyond the least delay.
    pub(crate) late: Duration,
    /// Every frame of the last seconds was late: the source must be opened anew.
    pub(crate) is_stale: bool,
}

/// Where connections can keep pictures back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Here,
    Network,
}

/// The capture times of one session.
#[derive(Debug)]
pub(crate) struct CaptureTime {
    held: Duration,
    arrival_uncertainty: Duration,
    stamps: Option<Stamps>,
    arrivals: Arrivals,
    /// Frames come evenly unless they are triggered.
    even: bool,
    /// The time stamps are counted by somebody, not read from a clock.
    no_clock: bool,
    stale_since: Option<MonoTime>,
}

impl CaptureTime {
    pub(crate) fn new(reach: Reach, arrival_uncertainty: Duration, even: bool) -> Self {
        Self {
            held: match reach {
                Reach::Here => HELD_HERE,
                Reach::Network => HELD,
            },
            arrival_uncertainty,
            stamps: None,
            arrivals: Arrivals::default(),
            even,
            no_clock: false,
            stale_since: None,
        }
    }

    /// A frame with a time stamp of its source, ns on any scale, that runs by `source`.
    pub(crate) fn stamped(
        &mut self,
        stamp_ns: u64,
        source: TimeSource,
        arrival: MonoTime,
    ) -> Moment {
        if self.no_clock {
            return self.arrived(arrival);
        }
        let (stamp, at) = (i128::from(stamp_ns), i128::from(arrival.0));
        let late = match &mut self.stamps {
            Some(stamps) if stamps.source == source => stamps.add(stamp, at),
            _ => {
                self.stamps = Some(Stamps::new(source, stamp, at));
                0
            }
        };
        if self.stamps.as_ref().is_some_and(|s| s.rate.is_no_clock()) {
            self.no_clock = true;
            return self.arrived(arrival);
        }
        let uncertainty = self
            .stamps
            .as_ref()
            .map_or(self.held, |s| s.uncertainty(at, self.held));
        let late = Duration::from_nanos(u64::try_from(late).unwrap_or(0));
        Moment {
            captured: arrival - late,
            timing: Timing {
                uncertainty,
                source,
            },
            late,
            is_stale: self.is_stale(late, arrival),
        }
    }

    /// A frame of which nothing but its arrival is known.
    pub(crate) fn arrived(&mut self, arrival: MonoTime) -> Moment {
        let least = self.arrival_uncertainty;
        let (late, known) = match self.even {
            true => self.arrivals.add(arrival),
            false => (Duration::ZERO, true),
        };
        // it was taken at any time since it could have been
        let half = late / 2;
        Moment {
            captured: arrival - half,
            timing: Timing {
                uncertainty: if known {
                    least + half
                } else {
                    least.max(self.held)
                },
                source: TimeSource::Arrival,
            },
            late,
            is_stale: false,
        }
    }

    fn is_stale(&mut self, late: Duration, arrival: MonoTime) -> bool {
        if (late.as_nanos() as i128) < STALE {
            self.stale_since = None;
            return false;
        }
        let since = *self.stale_since.get_or_insert(arrival);
        arrival.since(since) > STALE_FOR
    }
}

/// Time stamps against arrivals, ns.
#[derive(Debug)]
struct Stamps {
    source: TimeSource,
    /// The least `arrival - stamp`, when it was seen.
    offset: i128,
    seen_at: i128,
    last: (i128, i128),
    /// Frames in a row that came as far apart as they were stamped.
    even: i32,
    /// How far the offset may still fall.
    slack: i128,
    distrust_until: i128,
    rate: Rate,
}

/// Whether time stamps run as time does. What a parser counts by a nominal frame rate does not, and says nothing of when
/// a frame was taken.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    frames: u32,
    stamped: i128,
    arrived: i128,
    wrong: u32,
}

/// Frames over which rates are compared, and how often in a row they must differ.
const COMPARED: u32 = 32;
const WRONG: u32 = 2;

impl Rate {
    /// A frame that was stamped `step` after the last one and came `gap` after it.
    fn add(&mut self, step: i128, gap: i128) {
        // held or let go in a burst: says nothing of the rate
        let is_regular = gap > step / 2 && (gap - step).abs() < 30 * MS && step >= 0;
        if !is_regular {
            (self.frames, self.stamped, self.arrived) = (0, 0, 0);
            return;
        }
        self.frames += 1;
        self.stamped += step;
        self.arrived += gap;
        if self.frames >= COMPARED {
            let differs = (self.stamped - self.arrived).abs() * 50 > self.arrived;
            self.wrong = if differs { self.wrong + 1 } else { 0 };
            (self.frames, self.stamped, self.arrived) = (0, 0, 0);
        }
    }

    fn is_no_clock(&self) -> bool {
        self.wrong >= WRONG
    }
}

impl Stamps {
    fn new(source: TimeSource, stamp: i128, at: i128) -> Self {
        Self {
            source,
            offset: at - stamp,
            seen_at: at,
            last: (stamp, at),
            even: 0,
            slack: 0,
            distrust_until: at,
            rate: Rate::default(),
        }
    }

    /// What drift may have done since the offset was seen.
    fn drift(&self, at: i128) -> i128 {
        (at - self.seen_at).max(0) * DRIFT_PPM / 1_000_000
    }

    /// How late this frame is.
    fn add(&mut self, stamp: i128, at: i128) -> i128 {
        let step = stamp - self.last.0;
        self.rate.add(step, at - self.last.1);
        self.last = (stamp, at);
        let (delay, drift) = (at - stamp, self.drift(at));
        // earlier than even drift explains: an offset that was taken from late frames, or time stamps that jumped
        let fall = self.offset - drift - delay;
        if step < 0 || fall > JUMP {
            *self = Self {
                rate: self.rate,
                ..Self::new(self.source, stamp, at)
            };
            return 0;
        }
        let late = delay - (self.offset + drift);
        if late <= 0 {
            (self.offset, self.seen_at) = (delay, at);
        }
        if fall > 0 {
            self.fell(fall, step);
        } else if late > LONG_HELD {
            self.even = self.even.min(AFTER_HOLD);
            self.distrust_until = at + DISTRUST.as_nanos() as i128;
        } else if late <= NEAR {
            self.even = self.even.saturating_add(1);
            self.slack -= self.slack / 4;
        }
        if at < self.distrust_until {
            self.even = self.even.min(0);
        }
        late.max(0)
    }

    /// Frames that come closer together than they were taken come from a queue; a little of that is jitter.
    fn fell(&mut self, fall: i128, step: i128) {
        if self.even < SETTLED && fall > (step / 4).min(NEAR) {
            self.even = self.even.min(0);
            self.slack = 0;
        } else {
            self.even = self.even.saturating_add(1);
            self.slack = (self.slack + 2 * fall).min(HELD.as_nanos() as i128);
        }
    }

    fn uncertainty(&self, at: i128, held: Duration) -> Duration {
        let held_ns = held.as_nanos() as i128;
        let unknown = match self.even {
            ..=0 => held_ns,
            1 => held_ns / 32,
            _ => 0,
        };
        let ns = unknown.max(self.slack + self.drift(at));
        GRAIN + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// Arrivals alone: a gap and then frames in a burst means that they waited somewhere.
#[derive(Debug, Default)]
struct Arrivals {
    last: Option<MonoTime>,
    steps: [u64; INTERVALS],
    seen: usize,
    late_ns: u64,
    distrust_until: MonoTime,
}

impl Arrivals {
    /// How late the frame may be, and whether that is known at all yet.
    fn add(&mut self, at: MonoTime) -> (Duration, bool) {
        let Some(last) = self.last.replace(at) else {
            return (Duration::ZERO, false);
        };
        let step = at.since(last).as_nanos() as u64;
        let usual = self.usual();
        let is_burst = usual.is_some_and(|usual| self.late_ns > 0 && step < usual / 2);
        // what comes in a burst says nothing of the rate
        if !is_burst {
            self.steps[self.seen % INTERVALS] = step;
            self.seen += 1;
        }
        let Some(usual) = usual else {
            return (Duration::ZERO, false);
        };
        if step > usual + usual / 2 {
            self.late_ns += step - usual;
        } else if step < usual / 2 {
            self.late_ns = (self.late_ns + step).saturating_sub(usual);
        } else {
            // it had to be waited for: nothing is queued before it
            self.late_ns = 0;
        }
        if i128::from(self.late_ns) > LONG_HELD {
            self.distrust_until = at + DISTRUST;
        }
        (
            Duration::from_nanos(self.late_ns),
            at >= self.distrust_until,
        )
    }

    /// The median interval, once there are a few.
    fn usual(&self) -> Option<u64> {
        if self.seen < 4 {
            return None;
        }
        let mut sorted = self.steps;
        let known = &mut sorted[..self.seen.min(INTERVALS)];
        known.sort_unstable();
        Some(known[known.len() / 2].max(1))
    }
}

#[cfg(test)]
#[path = "capture_time_tests.rs"]
mod tests;
