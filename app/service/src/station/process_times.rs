//! Processor time and memory of this process, by thread, from `/proc`.

use anyhow::Context;
use std::fs;
use std::time::Duration;

/// The names of engine threads begin so.
const ENGINES: &str = "sl-engine";
/// The names of threads that make or bring pictures begin so.
const SOURCES: [&str; 2] = ["cam-", "sim-"];

/// Processor time used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// By engine threads.
    pub engines: Duration,
    /// By cameras' threads: drawing, decoding, and the health of each picture.
    pub sources: Duration,
    /// By all other threads.
    pub others: Duration,
}

impl Cpu {
    /// Reads `/proc/self/task/*/schedstat` (nanoseconds on a processor).
    pub fn now() -> anyhow::Result<Self> {
        let mut cpu = Self::default();
        for task in fs::read_dir("/proc/self/task").context("/proc/self/task")? {
            let folder = task?.path();
            // A thread may end while this runs.
            let (Ok(name), Ok(stat)) = (
                fs::read_to_string(folder.join("comm")),
                fs::read_to_string(folder.join("schedstat")),
            ) else {
                continue;
            };
            let ns = stat
                .split(' ')
                .next()
                .and_then(|ns| ns.parse().ok())
                .context("schedstat")?;
            let time = Duration::from_nanos(ns);
            if name.starts_with(ENGINES) {
                cpu.engines += time
            } else if SOURCES.iter().any(|s| name.starts_with(s)) {
                cpu.sources += time
            } else {
                cpu.others += time
            }
        }
        Ok(cpu)
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Cpu) -> Cpu {
        Cpu {
            engines: self.engines.saturating_sub(before.engines),
            sources: self.sources.saturating_sub(before.sources),
            others: self.others.saturating_sub(before.others),
        }
    }
}

/// The most memory this process ever had resident, MB; 0 where `/proc` does not say.
pub fn peak_rss_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
