//! Seeds: everything random is derived from one number, so that the same seed gives the same line.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A seed for `what` derived from `seed` (splitmix64 finaliser: nearby inputs give unrelated outputs).
pub fn derive(seed: u64, what: u64) -> u64 {
    let mut z = seed ^ what.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A generator for `what` derived from `seed`.
pub fn stream(seed: u64, what: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derive(seed, what))
}

/// xorshift64*: a few cycles a number, for noise on pixels where statistics matter and secrecy does not.
#[derive(Clone, Debug)]
pub(crate) struct PixelNoise(u64);

impl PixelNoise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(derive(seed, 0x5049_5845) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Roughly normal with standard deviation 1 (sum of eight bytes), in 1/64.
    pub(crate) fn gauss64(&mut self) -> i32 {
        let sum: i32 = self
            .next()
            .to_le_bytes()
            .iter()
            .map(|&b| i32::from(b))
            .sum();
        // Eight uniform bytes: mean 1020, standard deviation 209.
        (sum - 1020) * 64 / 209
    }
}

/// A hash of a pixel's place, for roughness that belongs to the place and not to the drawing order.
pub(crate) fn at_pixel(seed: u64, x: i32, y: i32) -> u32 {
    let mut z =
        seed ^ (x as u32 as u64 | ((y as u32 as u64) << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z >> 32) as u32
}
