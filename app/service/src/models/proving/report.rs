//! What a proof came to, and the watch over the process that makes it.

use super::Task;
use super::patience::Patience;
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Bytes of the worker's last words that are looked at.
const TAIL: u64 = 4 << 10;
/// Lines that may wait to be read.
const LINES: usize = 64;
/// Reasons told in one sentence.
const TOLD: usize = 5;

/// How proving goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// What begins now; each may take as long as the limit says, and longer where a plan is made.
    Step { what: String, makes_a_plan: bool },
    /// Why the golden pictures cannot prove the model, whatever it says of them.
    Gap(String),
    /// A golden picture was looked at; without differences it was as expected.
    Looked {
        whose: String,
        picture: String,
        differences: Vec<String>,
    },
    /// Two engines or precisions say different things.
    Disagree {
        one: String,
        other: String,
        picture: String,
        differences: Vec<String>,
    },
    /// A file or engine cannot be used at all.
    Cannot { what: String, reason: String },
    /// All was looked at.
    Done,
}

/// What it came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    problems: Vec<String>,
    /// Golden pictures that were as expected, each engine and precision counted.
    as_expected: usize,
    /// The process was not stopped, and did not die.
    pub came_to_an_end: bool,
    step: String,
    makes_a_plan: bool,
}

impl Report {
    /// The model may inspect.
    pub fn is_proved(&self) -> bool {
        self.came_to_an_end && self.problems.is_empty() && self.as_expected > 0
    }

    /// Why it is not proved, in one sentence.
    pub fn reasons(&self) -> String {
        let more = self.problems.len().saturating_sub(TOLD);
        let told = self.problems.iter().take(TOLD).cloned();
        let more = (more > 0).then(|| format!("and {more} more"));
        told.chain(more).collect::<Vec<_>>().join("; ")
    }

    /// What it is at.
    fn doing(&self) -> &str {
        match self.step.as_str() {
            "" => "the start",
            step => step,
        }
    }

    pub(super) fn take(&mut self, event: Event, say: &mut dyn FnMut(&Event)) {
        say(&event);
        match event {
            Event::Step { what, makes_a_plan } => {
                self.step = what;
                self.makes_a_plan = makes_a_plan;
            }
            Event::Gap(reason) => self.problems.push(reason),
            Event::Looked { differences, .. } if differences.is_empty() => self.as_expected += 1,
            Event::Looked {
                whose,
                picture,
                differences,
            } => self.problems.push(format!(
                "{picture} by {whose} is not as expected: {}",
                differences.join(", ")
            )),
            Event::Disagree {
                one,
                other,
                picture,
                differences,
            } => self.problems.push(format!(
                "{one} and {other} disagree on {picture}: {}",
                differences.join(", ")
            )),
            Event::Cannot { what, reason } => self.problems.push(format!("{what}: {reason}")),
            Event::Done => self.came_to_an_end = true,
        }
    }
}

/// The sentence for a model that wants more memory than it may have.
pub(super) fn too_much_memory(task: &Task) -> String {
    format!(
        "it needs more than the {} MB of memory that proving allows (models.prove_memory_mb)",
        task.limits.memory_mb
    )
}

/// Ends the process whatever happens.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has another process do it, and watches over it. The thread that calls this must stay until it returns: the process
/// ends with it.
pub(super) fn in_a_process(task: &Task, say: &mut dyn FnMut(&Event)) -> anyhow::Result<Report> {
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let mut words = tempfile::tempfile().context("no room for what proving says")?;
    let child = Command::new(program)
        .args(["prove-worker", "--parent"])
        .arg(std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(words.try_clone()?)
        .spawn()
        .context("cannot start the process that proves")?;
    let mut worker = Worker(child);
    let text = serde_json::to_vec(task)?;
    let mut stdin = worker
        .0
        .stdin
        .take()
        .context("no way to the process that proves")?;
    // When it has died already, its status says more.
    let _ = stdin.write_all(&text);
    drop(stdin);
    let stdout = worker
        .0
        .stdout
        .take()
        .context("no way from the process that proves")?;
    let (tell, told) = sync_channel::<Event>(LINES);
    std::thread::Builder::new()
        .name("sl-proving".into())
        .spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else {
                    continue;
                };
                if tell.send(event).is_err() {
                    return;
                }
            }
        })?;
    let mut report = Report::default();
    let step = |report: &Report| {
        let limit = task.limits.step(report.makes_a_plan);
        Patience::begin(worker.0.id(), Duration::from_secs_f64(limit))
    };
    let mut patience = step(&report);
    loop {
        match told.recv_timeout(patience.pause()) {
            Ok(event) => {
                report.take(event, say);
                patience = step(&report);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(too_long) = patience.is_over() {
                    let why = format!("stopped at {}: {too_long}", report.doing());
                    report.problems.push(why);
                    return Ok(report);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = worker.0.wait().context("the process that proves is lost")?;
    if !report.came_to_an_end {
        let why = ended(task, status, &last_words(&mut words), report.doing());
        report.problems.push(why);
    }
    Ok(report)
}

/// Why the process ended before its time.
fn ended(task: &Task, status: ExitStatus, words: &str, step: &str) -> String {
    let starved = words.contains("bad_alloc") || words.contains("memory allocation of");
    match status.signal() {
        _ if starved => format!("stopped at {step}: {}", too_much_memory(task)),
        Some(signal) if signal == libc::SIGXCPU || signal == libc::SIGKILL => format!(
            "stopped at {step}: it took more processor time or memory than proving allows (models.prove_step_s, models.prove_memory_mb)"
        ),
        _ => format!("the process that proved it died at {step} ({status}): {words}"),
    }
}

fn last_words(words: &mut File) -> String {
    let read = || -> anyhow::Result<String> {
        let length = words.metadata()?.len();
        words.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        words.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().replace('\n', "; "))
    };
    let mut read = read;
    read().unwrap_or_else(|error| anyhow!("its words are lost: {error}").to_string())
}
