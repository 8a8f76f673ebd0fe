//! What the encoder says of the belt, true or not.

use crate::fault::{EncoderFault, FaultScript};
use crate::seed;
use sightline_domain::MonoTime;

/// Furthest that noise takes a count from the truth.
const NOISE: u64 = 20_000;

/// An encoder on the belt. Counts are those of the belt until a fault takes them elsewhere.
#[derive(Debug, Default)]
pub struct SimEncoder {
    /// The belt's own count at the newest reading, and what the encoder made of it.
    belt: i64,
    shown: i64,
    /// Faults that change the count once, by number in the script.
    done: Vec<usize>,
}

impl SimEncoder {
    /// What it says at `now`, where the belt itself is at `belt`; `None`: it does not answer.
    pub fn read(&mut self, belt: i64, faults: &FaultScript, now: MonoTime) -> Option<i64> {
        let active = faults.encoder(now);
        let run = belt - self.belt;
        if run < 0 {
            // a moment ago
            return Some(self.shown + run);
        }
        let (number, fault) = active.unzip();
        match fault {
            Some(EncoderFault::LosesCounts) => {}
            Some(EncoderFault::Reversed) => self.shown -= run,
            _ => self.shown += run,
        }
        self.belt = belt;
        if let Some(number) = number
            && !self.done.contains(&number)
        {
            self.done.push(number);
            match fault {
                Some(EncoderFault::Reset) => self.shown = 0,
                Some(EncoderFault::Wraps) => self.shown -= 1 << 32,
                _ => {}
            }
        }
        match fault {
            Some(EncoderFault::Silent) => None,
            Some(EncoderFault::Noisy) => {
                let dice = seed::derive(now.0, 0x0E_C0DE);
                let far = (dice >> 8) % (2 * NOISE) + 1;
                Some(match dice % 3 {
                    0 => self.shown + far as i64 - NOISE as i64,
                    _ => self.shown,
                })
            }
            _ => Some(self.shown),
        }
    }
}
