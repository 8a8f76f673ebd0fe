//! Kills station, broker and network at random under load, and counts.
//!
//! `cargo run --release -p sightline-tests --bin campaign -- [--kills 200] [--seed 1] [--rate 500] [--station]`
//! With `--station` the whole `sightline run` on the simulated line takes the place of its delivery side alone.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use sightline_journal::Reader;
use sightline_tests::broker::mosquitto_with;
use sightline_tests::campaign::proxy::Proxy;
use sightline_tests::campaign::subscriber::Subscriber;
use sightline_tests::campaign::{books, local, produce, whole_station};
use sightline_tests::process::Killed;
use sightline_tests::{PATIENCE, free_port};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What a broker has acknowledged and not passed on dies with it, so it passes everything on at once.
const MORE: &str = "allow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n";

/// What is asked for on the command line.
struct Asked {
    kills: u32,
    seed: u64,
    rate_hz: f64,
    whole_station: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let ["produce", folder, port, rate] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let (port, rate) = (port.parse().expect("a port"), rate.parse().expect("a rate"));
        produce::run(Path::new(folder), port, rate, u64::MAX, PATIENCE);
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)?.parse::<f64>().ok()
    };
    let asked = Asked {
        kills: value("--kills").unwrap_or(200.0) as u32,
        seed: value("--seed").unwrap_or(1.0) as u64,
        rate_hz: value("--rate").unwrap_or(500.0),
        whole_station: arguments.iter().any(|a| a == "--station"),
    };
    campaign(&asked)
}

fn campaign(asked: &Asked) -> ExitCode {
    let scratch = tempfile::tempdir().expect("scratch");
    let mut rig = Rig::start(asked, scratch.path());
    let mut random = ChaCha8Rng::seed_from_u64(asked.seed);
    let begin = Instant::now();
    let mut counts = [0_u32; 6];
    for _ in 0..asked.kills {
        std::thread::sleep(Duration::from_millis(random.random_range(20..600)));
        let kind = random.random_range(0..6);
        counts[kind] += 1;
        match kind {
            0 => rig.kill_station(),
            1 => rig.kill_broker(),
            2 => rig.kill_both(),
            3 => rig.proxy.cut(Shutdown::Both),
            4 => rig.proxy.cut(Shutdown::Write),
            _ => rig.stall(Duration::from_millis(random.random_range(20..1_500))),
        }
    }
    rig.finish();
    let books = books::compare(&rig.journal, &rig.subscriber.heard());
    let [station, broker, both, cut, half_closed, stalled] = counts;
    let report = json!({
        "kind": "campaign", "seed": asked.seed, "seconds": begin.elapsed().as_secs(),
        "killed": {"station": station, "broker": broker, "both": both},
        "network": {"cut": cut, "half_closed": half_closed, "stalled": stalled},
        "books": books,
    });
    println!("{report}");
    match books.complaints.is_empty() && books.committed > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

struct Rig {
    folder: PathBuf,
    journal: PathBuf,
    command: Vec<String>,
    broker_port: u16,
    proxy: Proxy,
    subscriber: Subscriber,
    broker: Option<Killed>,
    station: Option<Killed>,
}

impl Rig {
    fn start(asked: &Asked, folder: &Path) -> Self {
        let broker_port = free_port();
        let proxy = Proxy::start(local(broker_port));
        let journal = folder.join("journal");
        let command = match asked.whole_station {
            true => whole_station(folder, &journal, proxy.port(), &[]),
            false => vec![
                std::env::current_exe()
                    .expect("this program")
                    .display()
                    .to_string(),
                "produce".into(),
                journal.display().to_string(),
                proxy.port().to_string(),
                asked.rate_hz.to_string(),
            ],
        };
        // The subscriber comes back to a broker by itself, but gives up if there is none at first.
        let broker = mosquitto_with(broker_port, folder, MORE);
        let mut rig = Self {
            folder: folder.to_path_buf(),
            journal,
            command,
            broker_port,
            proxy,
            subscriber: Subscriber::start(broker_port),
            broker: Some(broker),
            station: None,
        };
        rig.let_through();
        rig.begin_station();
        rig
    }

    fn begin_broker(&mut self) {
        self.broker = Some(mosquitto_with(self.broker_port, &self.folder, MORE));
        self.let_through();
    }

    /// A new broker knows nothing. The station reaches it once the subscriber is there: what a broker acknowledges while
    /// nobody has subscribed is nobody's.
    fn let_through(&self) {
        self.subscriber.wait();
        self.proxy.open();
    }

    fn begin_station(&mut self) {
        let (program, arguments) = self.command.split_first().expect("a program");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        self.station = Some(Killed(child.expect("the station")));
    }

    fn kill_station(&mut self) {
        // SIGKILL, and waited for.
        self.station = None;
        self.begin_station();
    }

    fn kill_broker(&mut self) {
        self.broker = None;
        self.proxy.close();
        self.begin_broker();
    }

    fn kill_both(&mut self) {
        self.station = None;
        self.kill_broker();
        self.begin_station();
    }

    fn stall(&mut self, time: Duration) {
        self.proxy.stall();
        std::thread::sleep(time);
        self.proxy.open();
    }

    /// Ends the station in order until nothing waits: one that ends while its connection is being made anew leaves its
    /// results to the next.
    fn finish(&mut self) {
        let begin = Instant::now();
        loop {
            let before = self.subscriber.count();
            while self.subscriber.count() < before + 10 && begin.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut station = self.station.take().expect("a station");
            station.signal("INT");
            let ended = station.0.wait().expect("the station ends");
            assert!(ended.success(), "the station ended with {ended}");
            let stat = Reader::open(&self.journal).and_then(|r| r.stat());
            if stat.expect("the journal").pending == 0 || begin.elapsed() > PATIENCE {
                break;
            }
            self.begin_station();
        }
        // The subscriber's last lines.
        std::thread::sleep(Duration::from_millis(500));
    }
}
