//! The whole system in one simulation: the product's own state machines, journal, way to the broker, alarm list and state
//! machine on one thread, moved by one scheduler from one seed, with simulated clock, plant, disk faults, broker and people.
//!
//! Where to start: `world.rs` (the scheduler), `station.rs` (the product, put together), `plant.rs` (belt, cameras, gate and
//! the truth), `troubles.rs` (what goes wrong), `books.rs` and `service.rs` (the ten invariants of `docs/reliability.md`),
//! `holes.rs` (holes put back, to show that they are found).
//!
//! A seed that fails is printed with the command that runs it again. `SIGHTLINE_SIMULATION_SEED=7` runs one seed,
//! `SIGHTLINE_SIMULATION_SEEDS=10000` so many, `SIGHTLINE_SIMULATION_SECONDS=3600` disturbs each for so much line time.

mod books;
mod broker;
mod delivery;
mod disk;
mod feeds;
mod holes;
mod lives;
mod plant;
mod service;
mod station;
mod trace;
mod troubles;
mod wires;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};
use world::{Outcome, run};

/// Seeds in the normal test run.
const SEEDS: u64 = 200;
/// Line time with troubles, of each.
const DISTURBED: Duration = Duration::from_secs(40);
/// Seeds in which a hole must be found.
const WITHIN: u64 = 100;

fn number(name: &str) -> Option<u64> {
    let asked = std::env::var(name).ok()?;
    Some(
        asked
            .parse()
            .unwrap_or_else(|_| panic!("{name}: expected a number, found `{asked}`")),
    )
}

fn disturbed() -> Duration {
    number("SIGHTLINE_SIMULATION_SECONDS").map_or(DISTURBED, Duration::from_secs)
}

/// The scripted engine's panics are part of the play and need no backtrace.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let words = info.payload_as_str().unwrap_or_default();
            if !words.contains(station::DIES) {
                usual(info);
            }
        }));
    });
}

/// One seed; a panic is a violation like any other.
fn play(seed: u64, disturbed: Duration, hole: Option<holes::Hole>) -> Outcome {
    quiet_panics();
    let played = catch_unwind(AssertUnwindSafe(|| run(seed, disturbed, hole)));
    played.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Outcome {
            trace: 0,
            noted: 0,
            parts: 0,
            passed: 0,
            delivered: 0,
            corrected: 0,
            escapes_by_model: 0,
            excused: BTreeMap::new(),
            violation: Some(format!("10, no panic: {}", words.unwrap_or_default())),
        }
    })
}

/// Plays seeds on all cores until `stop` says so; gives each outcome with its seed, in any order.
fn play_all(
    seeds: impl Iterator<Item = u64> + Send,
    hole: Option<holes::Hole>,
    stop: impl Fn(u64, Outcome) -> bool + Sync,
) {
    let (seeds, over) = (Mutex::new(seeds), AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while over.load(Ordering::Relaxed) == 0 {
                    let next = seeds.lock().expect("whole").next();
                    let Some(seed) = next else { return };
                    if stop(seed, play(seed, disturbed(), hole)) {
                        over.store(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// What plays this seed again.
fn command(seed: u64) -> String {
    let seconds = disturbed().as_secs();
    format!(
        "SIGHTLINE_SIMULATION_SEED={seed} SIGHTLINE_SIMULATION_SECONDS={seconds} cargo nextest run --workspace -E 'binary(simulation) and test(every_invariant)' --no-capture"
    )
}

#[test]
fn every_invariant_holds_whatever_goes_wrong() {
    let one = number("SIGHTLINE_SIMULATION_SEED");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIGHTLINE_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let count = seeds.end - seeds.start;
    let (began, sums) = (Instant::now(), Mutex::new(BTreeMap::<&str, u64>::new()));
    let failed = Mutex::new(Vec::new());
    play_all(seeds, None, |seed, outcome| {
        let mut sums = sums.lock().expect("whole");
        let mut add = |what, n| *sums.entry(what).or_default() += n;
        add("parts", outcome.parts);
        add("passed as told", outcome.passed);
        add("delivered", outcome.delivered);
        add("corrected", outcome.corrected);
        add("escapes of the model's own", outcome.escapes_by_model);
        for (what, n) in &outcome.excused {
            add(what, *n);
        }
        drop(sums);
        if one.is_some() {
            println!("{outcome:#?}");
        }
        if let Some(violation) = outcome.violation {
            let mut failed = failed.lock().expect("whole");
            failed.push(format!("seed {seed}: {violation}\n  {}", command(seed)));
            return failed.len() >= 10;
        }
        false
    });
    let took = began.elapsed();
    println!(
        "{count} seeds of {:?} disturbed line time in {took:.1?}: {:#?}",
        disturbed(),
        sums.lock().expect("whole")
    );
    let failed = failed.into_inner().expect("whole");
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..4 {
        let (a, b) = (play(seed, DISTURBED, None), play(seed, DISTURBED, None));
        assert!(a.noted > 1_000, "{a:?}");
        assert_eq!((a.trace, a.noted), (b.trace, b.noted), "seed {seed}");
    }
    let (a, b) = (play(0, DISTURBED, None), play(1, DISTURBED, None));
    assert_ne!(a.trace, b.trace, "another seed is another run");
}

fn is_found(hole: holes::Hole) {
    let found = Mutex::new(None);
    play_all(0..WITHIN, Some(hole), |seed, outcome| {
        let Some(violation) = outcome.violation else {
            return false;
        };
        *found.lock().expect("whole") = Some((seed, violation));
        true
    });
    let found = found.into_inner().expect("whole");
    let (seed, violation) =
        found.unwrap_or_else(|| panic!("{hole:?} is not found in {WITHIN} seeds"));
    println!("{hole:?} is found at seed {seed}: {violation}");
}

#[test]
fn every_hole_that_is_put_back_is_found() {
    for hole in holes::ALL {
        is_found(hole);
    }
}
