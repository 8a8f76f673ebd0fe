//! Changes to sound inputs: bits, bytes, numbers, words, ranges moved, cut and doubled, two inputs joined.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Longest input made, bytes.
const LONGEST: usize = 64 << 10;
/// What numbers in text are replaced with.
const NUMBERS: [&str; 13] = [
    "0",
    "-1",
    "1e300",
    "-1e300",
    "nan",
    "inf",
    "-0.0",
    "0.5",
    "4294967296",
    "18446744073709551615",
    "9223372036854775808",
    "99999999999999999999999",
    "\"\"",
];
/// What is put into binary inputs: lengths and counts that overflow, signs that turn.
const WORDS: [u64; 9] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    i64::MAX as u64,
    u64::MAX,
];

pub struct Mutator(ChaCha8Rng);

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// One of `seeds`, changed in one to six places.
    pub fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.0.random_range(0..seeds.len())].clone();
        for _ in 0..self.0.random_range(1..=6) {
            self.change(&mut bytes, seeds);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let at = self.0.random_range(0..bytes.len());
        let end = (at + self.0.random_range(1..64)).min(bytes.len());
        match self.0.random_range(0..9) {
            0 => bytes[at] ^= 1 << self.0.random_range(0..8),
            1 => bytes[at] = self.0.random(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let range = bytes[at..end].to_vec();
                bytes.splice(at..at, range);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = &seeds[self.0.random_range(0..seeds.len())];
                let from = self.0.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            6 => self.word(bytes, at),
            7 => self.number(bytes, at),
            _ => self.0.fill_bytes(&mut bytes[at..end]),
        }
    }

    fn word(&mut self, bytes: &mut [u8], at: usize) {
        let word = WORDS[self.0.random_range(0..WORDS.len())].to_le_bytes();
        let width = [1, 2, 4, 8][self.0.random_range(0..4)].min(bytes.len() - at);
        bytes[at..at + width].copy_from_slice(&word[..width]);
    }

    /// Replaces the next number in a text from `at` on.
    fn number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit) else {
            return;
        };
        let start = at + start;
        let length = bytes[start..]
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'.')
            .count();
        let number = NUMBERS[self.0.random_range(0..NUMBERS.len())];
        bytes.splice(start..start + length, number.bytes());
    }
}
