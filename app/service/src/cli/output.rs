//! How the program talks: errors with their exit code, text and JSON lines on stdout.

use crate::log;
use anyhow::Context;
use serde::Serialize;
use sightline_configs::redact;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a subcommand did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// Wrong use or configuration: exit code 2.
    Use(anyhow::Error),
    /// It ran and failed: exit code 1.
    Ran(anyhow::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Use(error) | Self::Ran(error)) = self;
        write!(f, "{error:#}")
    }
}

/// What subcommands return.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Says which exit code an error means.
pub trait Blame<T> {
    /// The configuration or the command line is wrong.
    fn wrong_use(self) -> Outcome<T>;
    /// It ran and failed.
    fn failed(self) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> Blame<T> for Result<T, E> {
    fn wrong_use(self) -> Outcome<T> {
        self.map_err(|e| Failure::Use(e.into()))
    }

    fn failed(self) -> Outcome<T> {
        self.map_err(|e| Failure::Ran(e.into()))
    }
}

/// Writes one JSON object and a newline to stdout, without the secrets in it.
pub fn json_line(value: &impl Serialize) {
    let mut line = redact::secrets(&serde_json::to_string(value).unwrap_or_default());
    line.push('\n');
    raw_line(line.as_bytes());
}

/// Writes a line of text to stdout.
pub fn say(text: &str) {
    raw_line(format!("{text}\n").as_bytes());
}

/// Why stdout takes nothing any more.
static REFUSED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes bytes that are a line already. When stdout takes nothing any more, that is said once, and the work goes on.
pub fn raw_line(line: &[u8]) {
    if nobody_reads() {
        return;
    }
    if let Err(error) = io::stdout().lock().write_all(line) {
        refused(error);
    }
}

/// Stdout takes nothing any more: who only writes there can stop.
pub fn nobody_reads() -> bool {
    lock().is_some()
}

fn refused(error: io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        tracing::info!(%error, "stdout takes nothing any more");
    }
    lock().get_or_insert(error);
}

fn lock() -> MutexGuard<'static, Option<io::Error>> {
    REFUSED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reader that has gone (`| head`) has had enough, as with other tools; a stdout that cannot be written is a failure.
fn stdout() -> io::Result<()> {
    if !nobody_reads()
        && let Err(error) = io::stdout().flush()
    {
        refused(error);
    }
    match lock().take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// `None`: whoever read it had enough.
pub fn unless_gone<T>(done: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) => {
            let mut causes = error.chain();
            let gone = causes.any(|cause| {
                let io = cause.downcast_ref::<io::Error>();
                io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
            });
            if gone { Ok(None) } else { Err(error) }
        }
    }
}

/// The last words, and the exit code: 0 done, 1 ran and failed, 2 wrong use or configuration.
pub fn conclude(done: Outcome) -> ExitCode {
    let written = stdout().context("expected stdout to take what was asked for, found");
    let done = done.and_then(|()| written.failed());
    if let Err(failure) = &done {
        log::note(&format!("sightline: {failure}"));
    }
    log::settle();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Use(_)) => ExitCode::from(2),
        Err(Failure::Ran(_)) => ExitCode::from(1),
    }
}

/// Prints help, the version, or what is wrong with the command line.
pub fn usage(said: &clap::Error) -> ExitCode {
    match said.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("sightline: expected stdout to take what was asked for, found: {error}");
            ExitCode::from(1)
        }
        _ => ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2)),
    }
}
