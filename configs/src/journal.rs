//! `[journal]`: where results are kept.

use crate::check::Report;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where results are kept on disk, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Its folder, relative to this file; made if it is not there. One station a folder.
    pub folder: PathBuf,
    /// Commits are at least so far apart, ms; what comes in between goes into one.
    #[serde(default = "default_commit_every_ms")]
    pub commit_every_ms: f64,
    /// Results that may wait for the disk; with more, results are lost, counted and alarmed.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// MB that may wait for the disk.
    #[serde(default = "default_queue_mb")]
    pub queue_mb: usize,
    /// Results that the broker has are removed after so many days of running, one at least; the wall clock does not count.
    #[serde(default = "default_keep_days")]
    pub keep_days: f64,
    /// MB the file may use; the oldest results that the broker has are removed first.
    #[serde(default = "default_max_mb")]
    pub max_mb: u64,
    /// Seconds spent at start looking for damage.
    #[serde(default = "default_check_s")]
    pub check_s: f64,
}

impl Journal {
    /// A journal in a folder, everything else at its default.
    pub fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            commit_every_ms: default_commit_every_ms(),
            queue: default_queue(),
            queue_mb: default_queue_mb(),
            keep_days: default_keep_days(),
            max_mb: default_max_mb(),
            check_s: default_check_s(),
        }
    }
}

fn default_commit_every_ms() -> f64 {
    5.0
}
fn default_queue() -> usize {
    10_000
}
fn default_queue_mb() -> usize {
    64
}
fn default_keep_days() -> f64 {
    90.0
}
fn default_max_mb() -> u64 {
    8_192
}
fn default_check_s() -> f64 {
    2.0
}

pub(crate) fn check(r: &mut Report<'_>, journal: &Journal) {
    r.require(
        !journal.folder.as_os_str().is_empty(),
        "journal.folder",
        || "expected a folder, found nothing; write one, e.g. /var/lib/sightline/journal".into(),
    );
    r.within(
        "journal.commit_every_ms",
        journal.commit_every_ms,
        0.0..=1_000.0,
        "ms",
    );
    r.within(
        "journal.keep_days",
        journal.keep_days,
        0.001..=36_500.0,
        "days",
    );
    r.within("journal.check_s", journal.check_s, 0.0..=3_600.0, "s");
    r.within("journal.queue", journal.queue, 1..=1_000_000, "results");
    r.within("journal.queue_mb", journal.queue_mb, 1..=65_536, "MB");
    r.within("journal.max_mb", journal.max_mb, 16..=16_777_216, "MB");
}
