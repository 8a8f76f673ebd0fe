//! The fuzz targets on stable Rust: sound inputs, changed at random by a seeded generator. A failure prints the target
//! and keeps the input. `SIGHTLINE_FUZZ_INPUTS=1000000000 cargo test -p sightline-fuzz --release` goes on for long.

mod mutate;
mod seeds;

use mutate::Mutator;
use sightline_fuzz::{TARGETS, Target};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Inputs a target in `make test`.
const INPUTS: u64 = 1_000_000;
/// Fewer for targets that go through files, which cost more than the reading.
const FEWER: [(&str, u64); 4] = [
    ("archive", 20_000),
    ("coco", 100_000),
    ("journal", 5_000),
    ("manifest", 100_000),
];
/// Nothing that small may take longer to read, also on a busy machine.
const AT_MOST: Duration = Duration::from_secs(5);

fn inputs(target: &Target) -> u64 {
    let asked = std::env::var("SIGHTLINE_FUZZ_INPUTS").ok();
    let asked = asked.map(|n| n.parse().expect("SIGHTLINE_FUZZ_INPUTS is a number"));
    let fewer = FEWER.iter().find(|(name, _)| *name == target.name);
    asked.unwrap_or(fewer.map_or(INPUTS, |(_, n)| *n))
}

fn attack(name: &str) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("a target");
    let seeds = seeds::of(name);
    for seed in &seeds {
        (target.run)(seed);
    }
    let mut mutator = Mutator::new(0);
    for n in 0..inputs(target) {
        let input = mutator.next(&seeds);
        let began = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let slow = began.elapsed() > AT_MOST;
        if ended.is_err() || slow {
            let file = std::env::temp_dir().join(format!("sightline-fuzz-{name}"));
            std::fs::write(&file, &input).expect("the input can be kept");
            let what = if slow { "took too long" } else { "panicked" };
            panic!("{name} {what} at input {n}, kept as {}", file.display());
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            attack(stringify!($name));
        })*

        #[test]
        fn every_target_is_attacked_and_has_its_file() {
            let attacked = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|t| t.name), attacked);
            for name in attacked {
                let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz_targets");
                assert!(std::path::Path::new(file).join(format!("{name}.rs")).exists(), "{name}");
            }
        }
    };
}

targets!(archive coco command configuration journal manifest recipe recording wire_to_console wire_to_station);
