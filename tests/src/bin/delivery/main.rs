//! Figures of delivery on this machine, with a real mosquitto.
//!
//! `cargo run --release -p sightline-tests --bin delivery -- drain [RESULTS]`: an outage of so many results is stored,
//! then drained; bytes a result and results a second.
//! `… -- latency [SECONDS] [PARTS_PER_S]`: from the verdict to the subscriber's hands, commit included.
//! `… -- beside [RESULTS] [ROUNDS] [SECONDS]`: a release build of `sightline run` inspects for so long while it drains so
//! many results, against the same with an empty journal, in turns; trigger to verdict, results drained a second, and
//! verdict to subscriber where nothing is to drain.

use serde_json::{Value, json};
use sightline_journal::Reader;
use sightline_model::UtcMicros;
use sightline_tests::broker::mosquitto_with;
use sightline_tests::campaign::produce::{self, Production};
use sightline_tests::campaign::subscriber::Subscriber;
use sightline_tests::campaign::whole_station;
use sightline_tests::free_port;
use sightline_tests::process::Killed;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Engines are built and the line runs after that.
const WARM_UP: Duration = Duration::from_secs(3);
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
        Some("beside") => beside(
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
    let subscriber = Subscriber::start(port);
    subscriber.wait();
    let begin = Instant::now();
    let counters = produce::run(Production {
        journal: &journal,
        broker_port: port,
        rate_hz: 1.0,
        most: 1,
        patience: LONG,
        clock: Arc::default(),
    });
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

/// Stores so many results while nobody listens at `port`.
fn outage(journal: &Path, port: u16, results: u64) {
    produce::run(Production {
        journal,
        broker_port: port,
        rate_hz: f64::INFINITY,
        most: results,
        patience: Duration::ZERO,
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

/// Parts a second of [`beside`]'s line, about: the demo's at 500 mm/s.
const FAST_LINE: [(&str, &str); 2] = [
    ("encoder_counts = 2000", "encoder_counts = 6000"),
    ("[simulation]\n", "[simulation]\nspeed_mm_s = 500.0\n"),
];

/// What the phases of one kind gave.
#[derive(Default)]
struct Phases {
    trigger_to_verdict_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    /// Where a subscriber listens.
    verdict_to_subscriber_ms: Vec<f64>,
    drained: u64,
    seconds: f64,
    /// The least that was left to drain at a phase's end: 0 means that it drained for a part of that phase only.
    left: Option<u64>,
}

/// In turns, each round the other way round than the one before, so that a machine that grows slower favours neither.
fn beside(folder: &Path, results: u64, rounds: u64, seconds: u64) {
    let mut phases = [Phases::default(), Phases::default()];
    for round in 0..rounds {
        for turn in 0..2 {
            let draining = (round + turn) % 2;
            let scratch = folder.join(format!("{round}-{draining}"));
            std::fs::create_dir(&scratch).expect("scratch");
            let backlog = results * draining;
            phase(&scratch, backlog, seconds, &mut phases[draining as usize]);
            // The next phase must not wait for this one's disk.
            std::fs::remove_dir_all(&scratch).expect("scratch");
        }
    }
    let [mut without, mut with] = phases;
    println!(
        "{}",
        json!({
            "kind": "beside", "rounds": rounds, "seconds": seconds,
            "parts": [without.trigger_to_verdict_ms.len(), with.trigger_to_verdict_ms.len()],
            "drained": with.drained, "drained_per_s": (with.drained as f64 / with.seconds) as u64,
            "least_left": with.left,
            "verdict_to_subscriber_ms": spread(&mut without.verdict_to_subscriber_ms),
            "trigger_to_verdict_ms": {
                "without": spread(&mut without.trigger_to_verdict_ms),
                "draining": spread(&mut with.trigger_to_verdict_ms),
            },
            "p99_of_each_phase_ms": {"without": without.p99_ms, "draining": with.p99_ms},
        })
    );
}

fn phase(scratch: &Path, backlog: u64, seconds: u64, phases: &mut Phases) {
    let (port, journal) = (free_port(), scratch.join("journal"));
    if backlog > 0 {
        outage(&journal, port, backlog);
    }
    let _broker = mosquitto_with(port, scratch, MORE);
    let subscriber = (backlog == 0).then(|| Subscriber::start(port));
    subscriber.iter().for_each(Subscriber::wait);
    let station = whole_station(scratch, &journal, port, &FAST_LINE);
    let waiting = || {
        let stat = Reader::open(&journal).and_then(|r| r.stat());
        stat.expect("the journal").pending
    };
    let mut seen = inspect(&station, seconds, waiting);
    phases.p99_ms.push(
        spread(&mut seen.trigger_to_verdict_ms)["p99"]
            .as_f64()
            .expect("a number"),
    );
    phases
        .trigger_to_verdict_ms
        .extend(seen.trigger_to_verdict_ms);
    let heard = subscriber.iter().flat_map(verdict_to_subscriber);
    phases.verdict_to_subscriber_ms.extend(heard);
    let [before, left] = seen.waiting;
    phases.drained += before.saturating_sub(left);
    phases.seconds += seen.between_s;
    phases.left = Some(phases.left.map_or(left, |least| least.min(left)));
}

/// What was seen of a station at work.
struct Seen {
    trigger_to_verdict_ms: Vec<f64>,
    /// Results that waited for the broker when the line was running, and at the end of the phase.
    waiting: [u64; 2],
    /// Between these two looks.
    between_s: f64,
}

/// Lets a station inspect for so many seconds.
fn inspect(command: &[String], seconds: u64, waiting: impl Fn() -> u64) -> Seen {
    let (program, arguments) = command.split_first().expect("a program");
    let mut child = Command::new(program)
        .args(arguments)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the station");
    let mut stdout = child.stdout.take().expect("piped");
    let mut station = Killed(child);
    let text = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    std::thread::sleep(WARM_UP);
    let (begin, before) = (Instant::now(), waiting());
    std::thread::sleep(Duration::from_secs(seconds).saturating_sub(WARM_UP));
    let (between_s, left) = (begin.elapsed().as_secs_f64(), waiting());
    station.signal("INT");
    let ended = station.0.wait().expect("the station ends");
    assert!(ended.success(), "the station: {ended}");
    let text = text.join().expect("no panic").expect("UTF-8");
    Seen {
        trigger_to_verdict_ms: text.lines().filter_map(took).skip(10).collect(),
        waiting: [before, left],
        between_s,
    }
}

/// From trigger to verdict, ms; the first parts, which find engines that have just been built, are for the caller to skip.
fn took(line: &str) -> Option<f64> {
    let result: Value = serde_json::from_str(line).expect("a result");
    let at = |name: &str| {
        let time = result["times"][name].as_str();
        time.and_then(UtcMicros::from_rfc3339)
    };
    Some((at("decided")?.0 - at("trigger")?.0) as f64 / 1e3)
}
