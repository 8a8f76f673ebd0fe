//! Where the random part of an event id comes from, so that a replay gives the same ids.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Random bytes for UUIDs.
pub trait IdSource: Send {
    /// Fills all of `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Random bytes from a seed: ChaCha8. Seeded by the operating system on the line, by a fixed number in a replay.
#[derive(Clone, Debug)]
pub struct SeededIds(ChaCha8Rng);

impl SeededIds {
    /// From 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// From a number: the same number, the same ids.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl IdSource for SeededIds {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
