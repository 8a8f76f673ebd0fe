//! Figures of delivery on this machine, with a real mosquitto.
//!
//! `cargo run --release -p sightline-tests --bin delivery -- drain [RESULTS]`: an outage of so many results is stored,
//! then drained; bytes a result and results a second.
//! `… -- latency [SECONDS] [PARTS_PER_S]`: from the verdict to the subscriber's hands, commit included.
//! `… -- beside [RESULTS] [ROUNDS]`: a release build of `sightline run` inspects while it drains so many results, against
//! the same with an empty journal, in turns; trigger to verdict, and verdict to subscriber where nothing is to drain.

use serde_json::{Value, json};
use sightline_journal::Reader;
use sightline_model::UtcMicros;
use sightline_tests::broker::mosquitto_with;
use sightline_tests::campaign::subscriber::Subscriber;
use sightline_tests::campaign::{produce, whole_station};
use sightline_tests::free_port;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// For 2.6 million results, three days of ten a second.
const LONG: Duration = Duration::from_secs(1_200);
/// A broker that takes everything and waits for nothing.
const MORE: &str =
    "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, or: u64| {
        arguments
            .get(i)
            .map_or(or, |a| a.parse().expect("a number"))
    };
    let folder = tempfile::tempdir().expect("scratch");
    match arguments.first().map(String::as_str) {
        Some("drain") => drain(folder.path(), number(1, 100_000)),
        Some("latency") => latency(folder.path(), number(1, 30), number(2, 10)),
        Some("beside") => beside(folder.path(), number(1, 100_000), number(2, 3)),
        _ => panic!("expected `drain`, `latency` or `beside`"),
    }
}

fn drain(folder: &Path, results: u64) {
    let (port, journal) = (free_port(), folder.join("journal"));
    let begin = Instant::now();
    produce::run(&journal, port, f64::INFINITY, results, Duration::ZERO);
    let stored_s = begin.elapsed().as_secs_f64();
    let stat = Reader::open(&journal)
        .and_then(|r| r.stat())
        .expect("the journal");
    assert_eq!((stat.pending, stat.lost), (results, 0));
    let _broker = mosquitto_with(port, folder, MORE);
    let subscriber = Subscriber::start(port);
    subscriber.wait();
    let begin = Instant::now();
    let counters = produce::run(&journal, port, 1.0, 1, LONG);
    let drained_s = begin.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "kind": "drain", "results": results, "bytes_a_result": stat.bytes / results,
            "stored_per_s": (results as f64 / stored_s) as u64,
            "drained_per_s": (counters.acknowledged as f64 / drained_s) as u64,
            "acknowledged": counters.acknowledged, "pending": counters.pending,
        })
    );
}

fn latency(folder: &Path, seconds: u64, parts_per_s: u64) {
    let port = free_port();
    let _broker = mosquitto_with(port, folder, "allow_anonymous true\nset_tcp_nodelay true\n");
    let subscriber = Subscriber::start(port);
    subscriber.wait();
    produce::run(
        &folder.join("journal"),
        port,
        parts_per_s as f64,
        seconds * parts_per_s,
        LONG,
    );
    let mut ms = verdict_to_subscriber(&subscriber);
    println!(
        "{}",
        json!({
            "kind": "latency", "results": ms.len(), "parts_per_s": parts_per_s,
            "verdict_to_subscriber_ms": spread(&mut ms),
        })
    );
}

/// From each verdict until the subscriber had it, ms.
fn verdict_to_subscriber(subscriber: &Subscriber) -> Vec<f64> {
    let took = |(at_s, payload): &(f64, String)| {
        let result: Value = serde_json::from_str(payload).expect("a result");
        let decided = result["times"]["decided"]
            .as_str()
            .and_then(UtcMicros::from_rfc3339);
        at_s * 1e3 - decided.expect("a time").0 as f64 / 1e3
    };
    subscriber.heard().iter().map(took).collect()
}

fn spread(ms: &mut [f64]) -> Value {
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| ms[((ms.len() - 1) as f64 * share) as usize];
    json!({"p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}

/// Parts a second of [`beside`]'s line, about: the demo's at 500 mm/s.
const FAST_LINE: [(&str, &str); 2] = [
    ("encoder_counts = 2000", "encoder_counts = 6000"),
    ("[simulation]\n", "[simulation]\nspeed_mm_s = 500.0\n"),
];

fn beside(folder: &Path, results: u64, rounds: u64) {
    let mut ms = [Vec::new(), Vec::new()];
    let (mut drained, mut arrived) = (0, Vec::new());
    for round in 0..rounds {
        for (with, ms) in ms.iter_mut().enumerate() {
            let scratch = folder.join(format!("{round}-{with}"));
            std::fs::create_dir(&scratch).expect("scratch");
            let (port, journal) = (free_port(), scratch.join("journal"));
            if with == 1 {
                produce::run(&journal, port, f64::INFINITY, results, Duration::ZERO);
            }
            let _broker = mosquitto_with(port, &scratch, MORE);
            let subscriber = (with == 0).then(|| Subscriber::start(port));
            subscriber.iter().for_each(Subscriber::wait);
            let before = Reader::open(&journal).and_then(|r| r.stat());
            let before = before.map_or(0, |s| s.pending);
            ms.extend(inspect(&whole_station(
                &scratch, &journal, port, &FAST_LINE,
            )));
            arrived.extend(subscriber.iter().flat_map(verdict_to_subscriber));
            let after = Reader::open(&journal).and_then(|r| r.stat());
            drained += before - after.expect("the journal").pending.min(before);
        }
    }
    let [mut without, mut with] = ms;
    println!(
        "{}",
        json!({
            "kind": "beside", "drained": drained, "parts": [without.len(), with.len()],
            "verdict_to_subscriber_ms": spread(&mut arrived),
            "trigger_to_verdict_ms": {"without": spread(&mut without), "draining": spread(&mut with)},
        })
    );
}

/// Trigger to verdict of each part that a station inspects in its first seconds, ms.
fn inspect(command: &[String]) -> Vec<f64> {
    let (program, arguments) = command.split_first().expect("a program");
    let output = Command::new("timeout")
        .args(["--foreground", "--preserve-status", "-s", "INT", "15"])
        .arg(program)
        .args(arguments)
        .arg("--json")
        .stderr(Stdio::null())
        .output()
        .expect("timeout is part of coreutils");
    assert!(output.status.success(), "the station: {}", output.status);
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let took = |line: &str| {
        let result: Value = serde_json::from_str(line).expect("a result");
        let at = |name: &str| {
            result["times"][name]
                .as_str()
                .and_then(UtcMicros::from_rfc3339)
        };
        Some((at("decided")?.0 - at("trigger")?.0) as f64 / 1e3)
    };
    // The first parts find engines that have just been built.
    lines.lines().filter_map(took).skip(10).collect()
}
