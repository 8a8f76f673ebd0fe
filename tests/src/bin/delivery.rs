//! Figures of delivery on this machine, with a real mosquitto.
//!
//! `cargo run --release -p sightline-tests --bin delivery -- drain [RESULTS]`: an outage of so many results is stored,
//! then drained; bytes a result and results a second.
//! `… -- latency [SECONDS] [PARTS_PER_S]`: from the verdict to the subscriber's hands, commit included.

use serde_json::{Value, json};
use sightline_journal::Reader;
use sightline_model::UtcMicros;
use sightline_tests::broker::mosquitto_with;
use sightline_tests::campaign::produce;
use sightline_tests::campaign::subscriber::Subscriber;
use sightline_tests::free_port;
use std::path::Path;
use std::time::Instant;

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
        _ => panic!("expected `drain` or `latency`"),
    }
}

fn drain(folder: &Path, results: u64) {
    let (port, journal) = (free_port(), folder.join("journal"));
    let begin = Instant::now();
    produce::run(&journal, port, f64::INFINITY, results);
    let stored_s = begin.elapsed().as_secs_f64();
    let stat = Reader::open(&journal)
        .and_then(|r| r.stat())
        .expect("the journal");
    assert_eq!((stat.pending, stat.lost), (results, 0));
    let _broker = mosquitto_with(
        port,
        folder,
        "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n",
    );
    let subscriber = Subscriber::start(port);
    subscriber.wait();
    let begin = Instant::now();
    let counters = produce::run(&journal, port, 1.0, 1);
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
    );
    let mut ms: Vec<f64> = subscriber
        .heard()
        .iter()
        .map(|(at_s, payload)| {
            let result: Value = serde_json::from_str(payload).expect("a result");
            let decided = result["times"]["decided"]
                .as_str()
                .and_then(UtcMicros::from_rfc3339);
            at_s * 1e3 - decided.expect("a time").0 as f64 / 1e3
        })
        .collect();
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| ms[((ms.len() - 1) as f64 * share) as usize];
    println!(
        "{}",
        json!({
            "kind": "latency", "results": ms.len(), "parts_per_s": parts_per_s,
            "verdict_to_subscriber_ms": {"p50": at(0.5), "p99": at(0.99), "max": at(1.0)},
        })
    );
}
