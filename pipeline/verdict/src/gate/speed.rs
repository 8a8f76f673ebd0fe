//! Belt speed from the encoder, so that a lead time becomes a lead distance.

use sightline_domain::MonoTime;

/// Shortest time between two samples; nearer ones are mostly the encoder's rounding.
const STEP_US: i64 = 5_000;
/// Share of a new sample in the average.
const NEW: f64 = 0.25;

/// A running average of encoder counts per second; backward motion counts as standing.
#[derive(Debug, Default)]
pub(super) struct Speed {
    last: Option<(MonoTime, i64)>,
    average: Option<f64>,
}

impl Speed {
    pub(super) fn observe(&mut self, now: MonoTime, counts: i64) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, counts));
            return;
        };
        let us = now.signed_us(then);
        if us < STEP_US {
            return;
        }
        let sample = (counts.saturating_sub(before).max(0)) as f64 * 1e6 / us as f64;
        self.average = Some(self.average.map_or(sample, |a| a + NEW * (sample - a)));
        self.last = Some((now, counts));
    }

    /// The encoder is gone; what was learned of the belt is not trusted when it comes back.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Counts per second; 0 before two samples were seen.
    pub(super) fn counts_per_s(&self) -> f64 {
        self.average.unwrap_or(0.0)
    }
}
