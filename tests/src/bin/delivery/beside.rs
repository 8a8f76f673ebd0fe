//! Inspecting while draining, against inspecting alone, in turns.

use super::{MORE, outage, spread, verdict_to_subscriber};
use serde_json::{Value, json};
use sightline_domain::UtcMicros;
use sightline_journal::Reader;
use sightline_tests::broker::mosquitto_with;
use sightline_tests::campaign::subscriber::Subscriber;
use sightline_tests::campaign::whole_station;
use sightline_tests::free_port;
use sightline_tests::process::Killed;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Engines are built and the line runs after that.
const WARM_UP: Duration = Duration::from_secs(3);
/// About ten parts a second: the demo's line at 500 mm/s.
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
pub fn run(folder: &Path, results: u64, rounds: u64, seconds: u64) {
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
    if let Some(subscriber) = &subscriber {
        subscriber.wait();
    }
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
