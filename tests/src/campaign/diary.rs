//! What was made, written down before the journal has it: the truth that journal and subscriber are held against.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::Path;

/// Writes it down: one line a result, which a killed station leaves whole.
pub struct Diary(File);

impl Diary {
    /// Goes on where the run before ended.
    pub fn append_to(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Self(file.expect("the diary"))
    }

    /// A result as it was made.
    pub fn note(&mut self, seq: u64, json: &[u8]) {
        let line = format!("{seq} {}\n", digest(json));
        self.0.write_all(line.as_bytes()).expect("written");
    }
}

/// What was made by number. A number that was neither stored nor sent before its station was killed is given again.
pub struct Made(HashMap<u64, Vec<u64>>);

impl Made {
    /// Everything that was written down.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the diary");
        let mut made: HashMap<u64, Vec<u64>> = HashMap::new();
        for line in text.lines() {
            let (seq, digest) = line.split_once(' ').expect("two numbers");
            let numbers = (seq.parse().expect("a number"), digest.parse());
            made.entry(numbers.0)
                .or_default()
                .push(numbers.1.expect("a digest"));
        }
        Self(made)
    }

    /// Whether these bytes were made under that number, but for how they were sent.
    pub fn has(&self, seq: u64, json: &[u8]) -> bool {
        let known = self.0.get(&seq);
        known.is_some_and(|all| all.contains(&digest(json)))
    }
}

/// Of the result but for `replayed`, its last member.
fn digest(json: &[u8]) -> u64 {
    const NAME: &[u8] = b"\"replayed\":";
    let end = json.windows(NAME.len()).rposition(|w| w == NAME);
    let mut hasher = DefaultHasher::new();
    hasher.write(&json[..end.unwrap_or(json.len())]);
    hasher.finish()
}
