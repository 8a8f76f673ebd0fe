//! Intervals of time: when a frame may have been captured, when a view may be seen.

use super::Sighting;
use sightline_domain::MonoTime;
use std::time::Duration;

/// From and to, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub from: MonoTime,
    pub to: MonoTime,
}

impl Interval {
    pub(super) fn around(middle: MonoTime, reach: Duration) -> Self {
        Self {
            from: middle - reach,
            to: middle + reach,
        }
    }

    /// When the frame may have been captured: not after it was here.
    pub(super) fn of(sighting: &Sighting, now: MonoTime) -> Self {
        let around = Self::around(sighting.captured, sighting.uncertainty);
        Self {
            to: around.to.min(now.max(sighting.captured)),
            ..around
        }
    }

    /// The least distance of any of its moments from `t`.
    pub(super) fn nearest_to(&self, t: MonoTime) -> Duration {
        self.from.since(t).max(t.since(self.to))
    }

    /// The greatest.
    pub(super) fn farthest_from(&self, t: MonoTime) -> Duration {
        t.since(self.from).max(self.to.since(t))
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        other.from <= self.from && self.to <= other.to
    }
}
