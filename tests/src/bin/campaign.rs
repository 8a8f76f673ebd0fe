//! Strikes station, broker, network, disk and clock at random under load, and counts.
//!
//! `cargo run --release -p sightline-tests --bin campaign -- [--kills 200] [--seed 1] [--rate 500] [--station]`
//! So many blows, each kind once before any comes again at random ([`Blow`]).
//! With `--station` the whole `sightline run` on the simulated line takes the place of its delivery side alone.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use sightline_tests::PATIENCE;
use sightline_tests::campaign::books;
use sightline_tests::campaign::clock::SteppedClock;
use sightline_tests::campaign::produce::{self, Production};
use sightline_tests::campaign::rig::{Blow, Rig};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What is asked for on the command line.
struct Asked {
    blows: usize,
    seed: u64,
    rate_hz: f64,
    whole_station: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let ["produce", folder, port, rate, diary] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        produce::run(Production {
            journal: Path::new(folder),
            broker_port: port.parse().expect("a port"),
            rate_hz: rate.parse().expect("a rate"),
            most: u64::MAX,
            patience: PATIENCE,
            diary: Some(Path::new(diary)),
            clock: SteppedClock::follow(BufReader::new(std::io::stdin())),
        });
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)?.parse::<f64>().ok()
    };
    campaign(&Asked {
        blows: value("--kills").unwrap_or(200.0) as usize,
        seed: value("--seed").unwrap_or(1.0) as u64,
        rate_hz: value("--rate").unwrap_or(500.0),
        whole_station: arguments.iter().any(|a| a == "--station"),
    })
}

fn campaign(asked: &Asked) -> ExitCode {
    let scratch = tempfile::tempdir().expect("scratch");
    let rate_hz = (!asked.whole_station).then_some(asked.rate_hz);
    let mut rig = Rig::start(scratch.path(), rate_hz);
    let mut random = ChaCha8Rng::seed_from_u64(asked.seed);
    let begin = Instant::now();
    let kinds = rig.blows();
    let mut counts: BTreeMap<Blow, u32> = kinds.iter().map(|blow| (*blow, 0)).collect();
    for blow in order(kinds, asked.blows, &mut random) {
        std::thread::sleep(Duration::from_millis(random.random_range(20..600)));
        *counts.entry(blow).or_default() += 1;
        rig.strike(blow, &mut random);
    }
    rig.finish();
    let mut books = books::compare(&rig.journal, &rig.subscriber.heard(), rig.diary());
    books.panics(&rig.log());
    let [delayed, swallowed, quota, then_cut, nobody] = rig.proxy.counts();
    let report = json!({
        "kind": "campaign", "seed": asked.seed, "seconds": begin.elapsed().as_secs(),
        "blows": counts, "acknowledgements": {
            "delayed": delayed, "swallowed": swallowed, "quota": quota, "then_cut": then_cut, "of_nobody": nobody,
        },
        "books": books,
    });
    println!("{report}");
    for (first, last) in &books.missing {
        explain(&rig, *first, *last);
    }
    match books.complaints.is_empty() && books.committed > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Everything known of results that were never heard, and where their journal is.
fn explain(rig: &Rig, first: u64, last: u64) {
    for seq in [first.saturating_sub(1), first, last, last + 1] {
        eprintln!("{seq}: {}", json!(rig.proxy.carried(seq)));
    }
    for (at_s, what) in rig.around(rig.proxy.carried(first).at_s) {
        eprintln!("{at_s:.3} {what}");
    }
    let kept = std::env::temp_dir().join(format!("campaign-{}", std::process::id()));
    std::fs::create_dir_all(&kept).expect("a folder");
    for file in std::fs::read_dir(&rig.journal)
        .expect("the journal")
        .flatten()
    {
        std::fs::copy(file.path(), kept.join(file.file_name())).expect("a copy");
    }
    eprintln!("the journal is kept in {}", kept.display());
}

/// Each kind once, shuffled; then any.
fn order(mut kinds: Vec<Blow>, blows: usize, random: &mut ChaCha8Rng) -> Vec<Blow> {
    kinds.shuffle(random);
    let any = kinds.clone();
    let more = std::iter::repeat_with(|| any[random.random_range(0..any.len())]);
    kinds.into_iter().chain(more).take(blows).collect()
}
