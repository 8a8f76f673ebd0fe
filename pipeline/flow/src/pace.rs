//! How long a batch of one model takes, as its workers measure it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Share of a new sample in the average: one in `WEIGHT`.
const WEIGHT: u64 = 8;
/// Batches after which an old minimum is forgotten.
const ROUND: u64 = 8;

/// Written by every worker, read by the batcher. A lost update between two workers does no harm: it is an estimate.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    typical_us: AtomicU64,
    least_us: AtomicU64,
    least_before_us: AtomicU64,
    samples: AtomicU64,
}

impl Pace {
    /// A batch took so long in an engine.
    pub(crate) fn observe(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let n = self.samples.fetch_add(1, Ordering::Relaxed);
        let old = self.typical_us.load(Ordering::Relaxed);
        let typical = if n == 0 {
            us
        } else {
            old - old / WEIGHT + us / WEIGHT
        };
        self.typical_us.store(typical, Ordering::Relaxed);
        if n.is_multiple_of(ROUND) {
            let least = self.least_us.swap(us, Ordering::Relaxed);
            let before = if n == 0 { us } else { least };
            self.least_before_us.store(before, Ordering::Relaxed);
        } else {
            self.least_us.fetch_min(us, Ordering::Relaxed);
        }
    }

    /// What a batch usually takes; zero while nothing is known.
    pub(crate) fn typical(&self) -> Duration {
        Duration::from_micros(self.typical_us.load(Ordering::Relaxed))
    }

    /// The least one of the last batches took: what cannot be made in this time cannot be made.
    pub(crate) fn least(&self) -> Duration {
        let now = self.least_us.load(Ordering::Relaxed);
        let before = self.least_before_us.load(Ordering::Relaxed);
        Duration::from_micros(now.min(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_batch_moves_the_average_but_not_the_least() {
        let pace = Pace::default();
        assert_eq!(pace.typical(), Duration::ZERO);
        for _ in 0..20 {
            pace.observe(Duration::from_millis(8));
        }
        pace.observe(Duration::from_millis(800));
        assert!(pace.typical() > Duration::from_millis(90));
        assert_eq!(pace.least(), Duration::from_millis(8));
    }

    #[test]
    fn an_old_minimum_is_forgotten() {
        let pace = Pace::default();
        pace.observe(Duration::from_millis(1));
        for _ in 0..2 * ROUND {
            pace.observe(Duration::from_millis(9));
        }
        assert_eq!(pace.least(), Duration::from_millis(9));
    }
}
