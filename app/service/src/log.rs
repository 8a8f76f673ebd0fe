//! The log, written to stderr by a thread of its own: whoever logs never waits for a terminal that stands still or for a
//! journal daemon that does not read. What does not fit is left out and counted, and the next line that fits says so.

use sightline_configs::redact;
use sightline_queue::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// Lines that may wait for whoever reads stderr.
const LINES: usize = 4_096;
/// How long the last lines get to be written when the program ends.
const LAST_LINES: Duration = Duration::from_millis(500);
/// Bytes of the log that are remembered for support: the last ones.
const REMEMBERED: usize = 256 << 10;

static LOG: OnceLock<Log> = OnceLock::new();
static LAST: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

struct Log {
    post: Sender<Vec<u8>>,
    /// Lines given, left out, and written.
    given: AtomicU64,
    dropped: AtomicU64,
    written: AtomicU64,
}

/// Logs to stderr: `RUST_LOG` if set, else warnings, with `-v` information, with `-vv` everything of ours.
pub fn to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn,ort=error",
        1 => "info,ort=warn",
        _ => "debug,ort=info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Line)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && !plain)
        .init();
    log();
}

fn log() -> &'static Log {
    LOG.get_or_init(|| {
        let (post, lines) = bounded("log", LINES);
        let started = std::thread::Builder::new()
            .name("sl-log".into())
            .spawn(move || write(&lines));
        if let Err(error) = started {
            eprintln!("sightline: no thread for the log: {error}");
        }
        Log {
            post,
            given: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    })
}

fn write(lines: &Receiver<Vec<u8>>) {
    let mut told = 0;
    while let Ok(line) = lines.recv() {
        let log = log();
        let dropped = log.dropped.load(Relaxed);
        let mut out = io::stderr().lock();
        if dropped > told {
            let lost = dropped - told;
            // Where nobody takes the log, nobody can be told.
            let _ = writeln!(
                out,
                "{lost} lines of the log were left out: nobody took them"
            );
            told = dropped;
        }
        let _ = out.write_all(&line);
        log.written.fetch_add(1, Relaxed);
    }
}

/// Says something to the person at the terminal, without waiting for him.
pub fn note(text: &str) {
    text.split('\n').for_each(put);
}

/// Waits a moment for the last lines to be written.
pub fn settle() {
    let (log, end) = (log(), Instant::now() + LAST_LINES);
    while log.written.load(Relaxed) + log.dropped.load(Relaxed) < log.given.load(Relaxed)
        && Instant::now() < end
    {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One event of the log, as one line: what came with it cannot make a second one, and no secret is in it.
struct Line;

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        put(text.strip_suffix('\n').unwrap_or(&text));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(text: &str) {
    let mut line = redact::secrets(&one_line(text)).into_bytes();
    line.push(b'\n');
    remember(&line);
    let log = log();
    log.given.fetch_add(1, Relaxed);
    if log.post.try_send(line).is_err() {
        log.dropped.fetch_add(1, Relaxed);
    }
}

/// Line ends and control characters as people write them; the colours that the log itself brings stay.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\x1b' => out.push(c),
            c if sightline_configs::is_unseen(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

fn remember(line: &[u8]) {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let excess = (last.len() + line.len()).saturating_sub(REMEMBERED);
    let excess = excess.min(last.len());
    last.drain(..excess);
    last.extend(line);
}

/// The last lines of the log.
pub fn last_lines() -> String {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes: Vec<u8> = last.iter().copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn what_comes_in_a_field_cannot_forge_a_line() {
        let forged = "by=anna\n2026-11-29T00:00:00Z  WARN by=boss\r\u{202e}x\u{0}";
        let line = one_line(forged);
        assert!(!line.contains(['\n', '\r', '\0', '\u{202e}']), "{line}");
        assert!(line.starts_with("by=anna\\n2026"), "{line}");
    }
}
