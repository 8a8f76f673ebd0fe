//! How the program talks: errors with their exit code, logs on stderr, JSON lines on stdout.

use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, Once, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt;

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

/// Logs to stderr: `RUST_LOG` if set, else warnings, with `-v` information, with `-vv` everything of ours.
pub fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn,ort=error",
        1 => "info,ort=warn",
        _ => "debug,ort=info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr.and(|| Remembering))
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Bytes of the log that are remembered: the last ones.
const REMEMBERED: usize = 256 << 10;
static LAST: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

/// Remembers the end of the log, for support.
struct Remembering;

impl Write for Remembering {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = (last.len() + line.len()).saturating_sub(REMEMBERED);
        let excess = excess.min(last.len());
        last.drain(..excess);
        last.extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last lines of the log.
pub fn last_lines() -> String {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes: Vec<u8> = last.iter().copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes one JSON object and a newline to stdout.
pub fn json_line(value: &impl Serialize) {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    raw_line(&line);
}

/// Writes a line of text to stdout.
pub fn say(text: &str) {
    raw_line(format!("{text}\n").as_bytes());
}

/// Writes bytes that are a line already. When nobody reads any more, that is said once and the work goes on.
pub fn raw_line(line: &[u8]) {
    static CLOSED: Once = Once::new();
    if let Err(error) = io::stdout().lock().write_all(line) {
        CLOSED.call_once(|| tracing::warn!(%error, "nobody reads the results on stdout"));
    }
}
