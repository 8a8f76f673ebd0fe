//! The station, its broker, the network, the disk and the clock of a campaign, and what is done to them.

use super::diary::Made;
use super::maker::parts::small_disk::SmallDisk;
use super::proxy::{Acknowledgements, Proxy};
use super::subscriber::Subscriber;
use super::{TOPIC, local, whole_station};
use crate::broker::mosquitto_with;
use crate::process::Killed;
use crate::{PATIENCE, free_port, now_s};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use sightline_journal::Reader;
use std::cell::RefCell;
use std::io::Write;
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a broker has acknowledged and not passed on dies with it, so it passes everything on at once.
const BROKER: &str = "allow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n";
/// Room for the journal of a long campaign, MB.
const DISK_MB: usize = 256;
/// So many seconds around a loss are told.
const NEAR_S: f64 = 5.0;
/// The wall clock steps by a year at most.
const STEP_US: i64 = 366 * 86_400_000_000;
/// Where the station may write, below its root. Each of these rights is refused for a while.
const RIGHTS: [&str; 9] = [
    "result", "status", "state", "audit", "review", "kpi", "alarm/#", "gap/#", "+/active",
];

/// Files of the campaign's folder.
const ACL: &str = "rights.acl";
const DIARY: &str = "diary";
const LOG: &str = "station.log";

fn broker_configuration(folder: &Path) -> String {
    format!("{BROKER}acl_file {}\n", folder.join(ACL).display())
}

/// Everything but one.
fn rights(missing: Option<&str>) -> String {
    let root = TOPIC.trim_end_matches("result");
    let given = RIGHTS.iter().filter(|right| Some(**right) != missing);
    let given: String = given
        .map(|right| format!("topic write {root}{right}\n"))
        .collect();
    format!("topic read #\n{given}")
}

/// What is done to the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blow {
    /// `kill -9`.
    StationKilled,
    /// `kill -9`.
    BrokerKilled,
    /// `kill -9` of both.
    BothKilled,
    /// The connection is reset.
    NetworkCut,
    /// One direction of the connection is closed.
    NetworkHalfClosed,
    /// Bytes are kept back for a while.
    NetworkStalled,
    /// Acknowledgements are kept back for a while; then they pass, or the connection is cut.
    AcksDelayed,
    /// Every second acknowledgement is swallowed for a while; then the connection is cut.
    AcksSwallowed,
    /// The journal's disk is full for a while; half of the time the station is killed meanwhile.
    DiskFull,
    /// The wall clock steps, back or forth.
    ClockStepped,
    /// The broker does not give one of the rights to write for a while.
    RightRefused,
    /// Acknowledgements say "quota exceeded" for a while.
    QuotaExceeded,
    /// For a while the connection is cut right after an acknowledgement.
    CutAfterAck,
    /// The station is killed, a bit of one of its journal's files is flipped, and it begins again.
    BitFlipped,
}

/// Everything that a campaign needs.
pub struct Rig {
    folder: PathBuf,
    /// The journal's folder.
    pub journal: PathBuf,
    /// The network.
    pub proxy: Proxy,
    /// The MES.
    pub subscriber: Subscriber,
    command: Vec<String>,
    whole_station: bool,
    disk: Option<SmallDisk>,
    broker_port: u16,
    /// Bits that were flipped.
    flipped: u32,
    /// The next right that is refused.
    right: usize,
    clock_off_by_us: i64,
    broker: Option<Killed>,
    station: Option<Killed>,
    /// What was done, and when, seconds since 1970.
    diary: RefCell<Vec<(f64, String)>>,
}

impl Rig {
    /// Everything is started. `rate_hz`: results a second, of a station's delivery side alone; `None`: the whole station.
    pub fn start(folder: &Path, rate_hz: Option<f64>) -> Self {
        let broker_port = free_port();
        let proxy = Proxy::start(local(broker_port));
        let disk = SmallDisk::mount(DISK_MB);
        let journal = disk
            .as_ref()
            .map_or(folder, SmallDisk::path)
            .join("journal");
        let command = match rate_hz {
            None => whole_station(folder, &journal, proxy.port(), &[]),
            Some(rate_hz) => vec![
                std::env::current_exe()
                    .expect("this program")
                    .display()
                    .to_string(),
                "produce".into(),
                journal.display().to_string(),
                proxy.port().to_string(),
                rate_hz.to_string(),
                folder.join(DIARY).display().to_string(),
            ],
        };
        std::fs::write(folder.join(ACL), rights(None)).expect("the rights");
        // The subscriber comes back to a broker by itself, but gives up if there is none at first.
        let broker = mosquitto_with(broker_port, folder, &broker_configuration(folder));
        let mut rig = Self {
            folder: folder.to_path_buf(),
            journal,
            proxy,
            subscriber: Subscriber::start(broker_port),
            command,
            whole_station: rate_hz.is_none(),
            disk,
            broker_port,
            flipped: 0,
            right: 0,
            clock_off_by_us: 0,
            broker: Some(broker),
            station: None,
            diary: RefCell::default(),
        };
        rig.let_through();
        rig.begin_station();
        rig
    }

    /// What can be done here: a disk is filled where one can be mounted, a whole station has the machine's clock, and what
    /// it made is known from its journal only.
    pub fn blows(&self) -> Vec<Blow> {
        use Blow::*;
        let mut blows = vec![
            StationKilled,
            BrokerKilled,
            BothKilled,
            NetworkCut,
            NetworkHalfClosed,
            NetworkStalled,
            AcksDelayed,
            AcksSwallowed,
            RightRefused,
            QuotaExceeded,
            CutAfterAck,
        ];
        blows.extend(self.disk.as_ref().map(|_| DiskFull));
        if !self.whole_station {
            blows.extend([ClockStepped, BitFlipped]);
        }
        blows
    }

    /// Does it.
    pub fn strike(&mut self, blow: Blow, random: &mut ChaCha8Rng) {
        self.note(format!("{blow:?} begins"));
        let time = Duration::from_millis(random.random_range(20..1_500));
        match blow {
            Blow::StationKilled => self.kill_station(),
            Blow::BrokerKilled => self.kill_broker(),
            Blow::BothKilled => {
                self.station = None;
                self.kill_broker();
                self.begin_station();
            }
            Blow::NetworkCut => self.proxy.cut(Shutdown::Both),
            Blow::NetworkHalfClosed => self.proxy.cut(Shutdown::Write),
            Blow::NetworkStalled => {
                self.proxy.stall();
                std::thread::sleep(time);
                self.proxy.open();
            }
            Blow::AcksDelayed => {
                let cut = random.random();
                self.change_acknowledgements(Acknowledgements::Delayed, time, cut);
            }
            Blow::AcksSwallowed => {
                self.change_acknowledgements(Acknowledgements::Swallowed, time, true);
            }
            Blow::DiskFull => self.fill_disk(time, random.random()),
            Blow::RightRefused => self.refuse_a_right(time),
            Blow::QuotaExceeded => {
                self.change_acknowledgements(Acknowledgements::Quota, time, false);
            }
            Blow::CutAfterAck => {
                self.change_acknowledgements(Acknowledgements::ThenCut, time, false);
            }
            Blow::BitFlipped => self.flip_a_bit(random),
            Blow::ClockStepped => self.step_clock(random.random_range(1..STEP_US)),
        }
        self.note(format!("{blow:?} is over"));
    }

    fn note(&self, what: String) {
        self.diary.borrow_mut().push((now_s(), what));
    }

    /// What was done around a moment, seconds since 1970.
    pub fn around(&self, at_s: f64) -> Vec<(f64, String)> {
        let diary = self.diary.borrow();
        let near = diary
            .iter()
            .filter(|(then, _)| (then - at_s).abs() < NEAR_S);
        near.cloned().collect()
    }

    fn begin_broker(&mut self) {
        self.broker = Some(mosquitto_with(
            self.broker_port,
            &self.folder,
            &broker_configuration(&self.folder),
        ));
        self.let_through();
    }

    /// A new broker knows nothing. The station reaches it once the subscriber is there: what a broker acknowledges while
    /// nobody has subscribed is nobody's.
    fn let_through(&self) {
        let since = self.subscriber.wait();
        self.note(format!(
            "the subscription stands since {since:.3}; the way is open"
        ));
        self.proxy.open();
    }

    fn begin_station(&mut self) {
        let (program, arguments) = self.command.split_first().expect("a program");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(self.append_to(LOG))
            .spawn();
        self.station = Some(Killed(child.expect("the station")));
        self.tell_clock(self.clock_off_by_us);
    }

    /// SIGKILL, waited for, and a new one.
    fn kill_station(&mut self) {
        self.station = None;
        self.begin_station();
    }

    fn kill_broker(&mut self) {
        self.broker = None;
        self.proxy.close();
        self.begin_broker();
    }

    fn change_acknowledgements(&self, what: Acknowledgements, time: Duration, cut: bool) {
        self.proxy.acknowledgements(what);
        std::thread::sleep(time);
        if cut {
            self.proxy.cut(Shutdown::Both);
        }
        self.proxy.acknowledgements(Acknowledgements::Pass);
    }

    fn fill_disk(&mut self, time: Duration, kill: bool) {
        let Some(disk) = &self.disk else { return };
        disk.fill();
        std::thread::sleep(time);
        if kill {
            self.station = None;
        }
        disk.clear();
        if kill {
            self.begin_station();
        }
    }

    fn refuse_a_right(&mut self, time: Duration) {
        let (broker, right) = (self.broker.as_ref(), RIGHTS[self.right % RIGHTS.len()]);
        let broker = broker.expect("a broker");
        self.right += 1;
        for missing in [Some(right), None] {
            std::fs::write(self.folder.join(ACL), rights(missing)).expect("the rights");
            broker.signal("HUP");
            if missing.is_some() {
                std::thread::sleep(time);
            }
        }
    }

    fn flip_a_bit(&mut self, random: &mut ChaCha8Rng) {
        self.station = None;
        self.note(super::damage::flip_a_bit(&self.journal, random));
        self.flipped += 1;
        self.begin_station();
    }

    /// Everything the stations wrote to stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }

    /// What was made, where it was written down; and whether the journal was damaged meanwhile.
    pub fn diary(&self) -> Option<(Made, bool)> {
        let made = (!self.whole_station).then(|| Made::read(&self.folder.join(DIARY)))?;
        Some((made, self.flipped > 0))
    }

    fn append_to(&self, name: &str) -> std::fs::File {
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .open(self.folder.join(name));
        file.expect("a file")
    }

    /// Back, and the next time forth, so that it never wanders out of what the journal keeps.
    fn step_clock(&mut self, by_us: i64) {
        let by_us = match self.clock_off_by_us < 0 {
            true => by_us,
            false => -by_us,
        };
        self.clock_off_by_us += by_us;
        self.tell_clock(by_us);
    }

    fn tell_clock(&mut self, by_us: i64) {
        let station = self.station.as_mut().expect("a station");
        let input = station.0.stdin.as_mut().expect("piped");
        // A station that has just died is noticed elsewhere.
        let _ = writeln!(input, "{by_us}");
    }

    /// Ends the station in order until nothing waits: one that ends while its connection is being made anew leaves its
    /// results to the next.
    pub fn finish(&mut self) {
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
