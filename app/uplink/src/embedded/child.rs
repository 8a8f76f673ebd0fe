//! The broker's process: found, started, watched, made anew, ended.

use super::wait_for;
use crate::UplinkError;
use crate::backoff::Backoff;
use crate::shared::Shared;
use sightline_domain::AlarmKind;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where distributions put programs for daemons, which a user's PATH may not have.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];
/// Waits between attempts to start it again.
const RESTART: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// One that ran so long has recovered.
const RECOVERED: Duration = Duration::from_secs(60);
/// How often the process is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long it gets to end by itself.
const GOODBYE: Duration = Duration::from_secs(2);
/// Lines of its log that are remembered for the reason of its end, and their length.
const REMEMBERED: usize = 8;
const LINE: u64 = 1_024;

/// What is started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    broker: PathBuf,
    /// Ties the child's end to ours.
    setpriv: PathBuf,
    /// The user it runs as, where the station is root and there is one for it.
    user: Option<(&'static str, &'static str)>,
}

impl Program {
    /// Looks where distributions put them, then along PATH.
    pub(super) fn find() -> Result<Self, UplinkError> {
        let find = |program: &'static str, package| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = FOLDERS.iter().map(PathBuf::from);
            let mut all = folders.chain(std::env::split_paths(&path));
            all.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()))
                .ok_or(UplinkError::BrokerMissing { program, package })
        };
        let root = std::fs::metadata("/proc/self")
            .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let has = |name: &str| {
            known
                .lines()
                .any(|line| line.split(':').next() == Some(name))
        };
        let users = [("mosquitto", "mosquitto"), ("nobody", "nogroup")];
        let user = users.into_iter().find(|(user, _)| has(user));
        Ok(Self {
            broker: find("mosquitto", "mosquitto")?,
            setpriv: find("setpriv", "util-linux")?,
            user: user.filter(|_| root),
        })
    }

    /// `signal` is what it gets when the station is gone, however that ended. In a group of its own: what a terminal
    /// sends to the station (Ctrl-C) is not for it, the last results still are.
    fn start(&self, file: &Path, signal: &str) -> std::io::Result<Child> {
        let mut command = Command::new(&self.setpriv);
        command.args(["--no-new-privs", "--pdeathsig", signal]);
        if let Some((user, group)) = self.user {
            command.args(["--reuid", user, "--regid", group, "--init-groups"]);
        }
        command
            .arg(&self.broker)
            .arg("-c")
            .arg(file)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// Keeps one running.
pub(super) struct Supervisor {
    pub program: Program,
    pub file: PathBuf,
    pub stop: Arc<AtomicBool>,
    pub shared: Option<Arc<Shared>>,
    pub address: SocketAddr,
    /// It has something to write before it ends.
    pub keeps: bool,
    /// Files of users and rights, read anew when they change.
    pub rights: Vec<PathBuf>,
}

impl Supervisor {
    /// Until told to stop. `up` hears whether the first one came up, or what it said.
    pub(super) fn run(&self, up: &SyncSender<Result<(), String>>) {
        let mut backoff = Backoff::new(RESTART.0, RESTART.1);
        let mut first = true;
        while !self.stopping() {
            let begun = Instant::now();
            let ended = self.one(|| {
                if std::mem::take(&mut first) {
                    // Who asked waits for it.
                    let _ = up.send(Ok(()));
                }
                self.tell(None);
            });
            let Some(why) = ended else { return };
            if first {
                let user = self.program.user;
                let user = user.map(|(user, _)| format!(" (it runs as user `{user}`)"));
                let _ = up.send(Err(format!("{why}{}", user.unwrap_or_default())));
                return;
            }
            if begun.elapsed() >= RECOVERED {
                backoff.reset();
            }
            tracing::error!(why, "the embedded broker ended; it is started again");
            self.tell(Some(format!(
                "expected the embedded broker to run, found that it ended: {why}; it is started again, results wait"
            )));
            let end = Instant::now() + backoff.wait();
            while Instant::now() < end && !self.stopping() {
                std::thread::park_timeout(LOOK);
            }
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn tell(&self, down: Option<String>) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.state();
        match down {
            Some(why) => state.conditions.raise(AlarmKind::MqttEmbeddedBroker, why),
            None => state.conditions.clear(AlarmKind::MqttEmbeddedBroker),
        }
    }

    /// Users and rights that have changed hold from now on.
    fn renew_rights(&self, child: &mut Child, known: &mut Stamps) {
        let now = stamps(&self.rights);
        if *known != now {
            *known = now;
            signal(child, rustix::process::Signal::HUP);
        }
    }

    /// Runs one to its end. `None`: it was told to end; else why it did.
    fn one(&self, listens: impl FnOnce()) -> Option<String> {
        let signal = if self.keeps { "TERM" } else { "KILL" };
        let mut child = match self.program.start(&self.file, signal) {
            Ok(child) => child,
            Err(error) => return Some(format!("it could not be started: {error}")),
        };
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let log = child.stderr.take().map(|log| follow(log, said.clone()));
        let local = super::local(self.address);
        if wait_for(local, || self.stopping() || ended(&mut child).is_some()) {
            listens();
        } else if ended(&mut child).is_none() {
            kill(&mut child);
        }
        let mut rights = stamps(&self.rights);
        let status = loop {
            if let Some(status) = ended(&mut child) {
                break status;
            }
            if self.stopping() {
                end(&mut child);
                return None;
            }
            self.renew_rights(&mut child, &mut rights);
            std::thread::park_timeout(LOOK);
        };
        if let Some(log) = log {
            // It ends with the process that writes to it.
            let _ = log.join();
        }
        let said: Vec<String> = lines(&said).iter().cloned().collect();
        match said.is_empty() {
            true => Some(status.to_string()),
            false => Some(format!("{status}: {}", said.join("; "))),
        }
    }
}

type Stamps = Vec<Option<std::time::SystemTime>>;

fn stamps(files: &[PathBuf]) -> Stamps {
    let stamp = |file: &PathBuf| std::fs::metadata(file).ok()?.modified().ok();
    files.iter().map(stamp).collect()
}

fn ended(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().ok().flatten()
}

fn kill(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    if let Err(error) = rustix::process::kill_process(pid, signal) {
        tracing::debug!(%error, "the embedded broker has ended before");
    }
}

/// Asks it to end, so that it writes what it keeps, and sees to it that it does.
fn end(child: &mut Child) {
    signal(child, rustix::process::Signal::TERM);
    let begun = Instant::now();
    while begun.elapsed() < GOODBYE {
        if ended(child).is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(child);
}

fn lines(said: &Mutex<VecDeque<String>>) -> std::sync::MutexGuard<'_, VecDeque<String>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes its log on, and remembers the last lines. Always read, so that it never waits for us.
fn follow(
    log: impl Read + Send + 'static,
    said: Arc<Mutex<VecDeque<String>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut log = BufReader::new(log);
        loop {
            let mut line = Vec::new();
            match log.by_ref().take(LINE).read_until(b'\n', &mut line) {
                Ok(1..) => {}
                _ => return,
            }
            let line = String::from_utf8_lossy(&line).trim().to_string();
            if line.is_empty() {
                continue;
            }
            tracing::info!("mosquitto: {line}");
            let mut said = lines(&said);
            if said.len() >= REMEMBERED {
                said.pop_front();
            }
            said.push_back(line);
        }
    })
}
