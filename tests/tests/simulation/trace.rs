//! What happened, as one number: the same seed, the same number.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher};

/// A hash of everything that is noted, in its order.
#[derive(Default)]
pub struct Trace {
    hasher: DefaultHasher,
    /// Things noted.
    pub noted: u64,
    /// Each thing is printed, too.
    pub aloud: bool,
}

impl Trace {
    /// Notes a thing under a name.
    pub fn note(&mut self, what: &str, thing: &impl Debug) {
        let thing = format!("{thing:?}");
        if self.aloud {
            println!("{what} {thing}");
        }
        self.noted += 1;
        self.hasher.write(what.as_bytes());
        self.hasher.write(thing.as_bytes());
    }

    /// Notes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.noted += 1;
        self.hasher.write(bytes);
    }

    /// All of it.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}
