//! Figures of delivery on this machine, with a real mosquitto.
//!
//! `cargo run --release -p sightline-tests --bin delivery -- drain [RESULTS]`: an outage of so many results is stored,
//! then drained; bytes a result and results a second.
//! `… -- latency [SECONDS] [PARTS_PER_S]`: from the verdict to the subscriber's hands, commit included.
//! `… -- beside [RESULTS] [ROUNDS] [SECONDS]`: a release build of `sightline run` inspects for so long while it drains so
//! many results, against the same with an empty journal, in turns; trigger to verdict, results drained a second, and
//! verdict to subscriber where nothing is to drain.

mod beside;

use serde_json::{Value, json};
use sightline_domain::UtcMicros;
use sightline_journal::Reader;
use sightline_tests::broker::{mosquitto_sub, mosquitto_with};
use sightline_tests::campaign::TOPIC;
use sightline_tests::campaign::produce::{self, Production};
use sightline_tests::campaign::subscriber::Subscriber;
use sightline_tests::{PATIENCE, free_port};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For 2.6 million results, three days of ten a second, also on a machine that others use.
const LONG: Duration = Duration::from_secs(3_600);
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
        Some("beside") => beside::run(
            folder.path(),
            number(1, 150_000),
            number(2, 4),
            number(3, 15),
        ),
        _ => panic!("expected `drain`, `latency` or `beside`"),
    }
}

fn drain(folder: &Path, results: u64) {
    let (port, journal) = (free_port(), folder.join("journal"));
    let begin = Instant::now();
    outage(&journal, port, results);
    let stored_s = begin.elapsed().as_secs_f64();
    let stat = Reader::open(&journal)
        .and_then(|r| r.stat())
        .expect("the journal");
    assert_eq!((stat.pending, stat.lost), (results, 0));
    let _broker = mosquitto_with(port, folder, MORE);
    // Millions of results are counted, not kept.
    let heard = Arc::new(AtomicU64::new(0));
    let count = heard.clone();
    let (_subscriber, standing) = mosquitto_sub(port, TOPIC, "mqttv5", 0, move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        true
    });
    standing.recv_timeout(PATIENCE).expect("a subscription");
    let begin = Instant::now();
    let counters = produce::run(Production {
        journal: &journal,
        broker_port: port,
        rate_hz: 1.0,
        most: 1,
        patience: LONG,
        diary: None,
        clock: Arc::default(),
    });
    let drained_s = begin.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "kind": "drain", "results": results, "bytes_a_result": stat.bytes / results,
            "stored_per_s": (results as f64 / stored_s) as u64,
            "drained_per_s": (counters.acknowledged as f64 / drained_s) as u64,
            "drained_in_s": drained_s as u64, "acknowledged": counters.acknowledged,
            "pending": counters.pending, "heard": heard.load(Ordering::Relaxed),
        })
    );
}

/// Stores so many results while nobody listens at `port`.
fn outage(journal: &Path, port: u16, results: u64) {
    produce::run(Production {
        journal,
        broker_port: port,
        rate_hz: f64::INFINITY,
        most: results,
        patience: Duration::ZERO,
        diary: None,
        clock: Arc::default(),
    });
}

fn latency(folder: &Path, seconds: u64, parts_per_s: u64) {
    let port = free_port();
    let _broker = mosquitto_with(port, folder, "allow_anonymous true\nset_tcp_nodelay true\n");
    let subscriber = Subscriber::start(port);
    subscriber.wait();
    produce::run(Production {
        journal: &folder.join("journal"),
        broker_port: port,
        rate_hz: parts_per_s as f64,
        most: seconds * parts_per_s,
        patience: LONG,
        diary: None,
        clock: Arc::default(),
    });
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
