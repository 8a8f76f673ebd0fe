//! Waits between attempts: doubled each time, with jitter, so that a hall of stations does not come back at once.

use std::time::Duration;

/// The next wait, and the bounds it moves in.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The wait before the next attempt: 0.8 to 1.2 times what is due.
    pub(crate) fn wait(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.longest);
        due.mul_f64(0.8 + 0.4 * fraction())
    }

    /// It worked: the next wait is short again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Jitter in 0..1 from the hasher's random keys; no better randomness is needed here.
fn fraction() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_with_jitter_and_begin_again_after_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 5 * second);
        for due in [1.0, 2.0, 4.0, 5.0, 5.0] {
            let wait = backoff.wait().as_secs_f64();
            assert!((0.8 * due..=1.2 * due).contains(&wait), "{wait} for {due}");
        }
        backoff.reset();
        assert!(backoff.wait() <= second.mul_f64(1.2));
        let different: std::collections::BTreeSet<_> = (0..20)
            .map(|_| Backoff::new(second, second).wait())
            .collect();
        assert!(different.len() > 1, "no jitter");
    }
}
