//! Counts by minute, kept up with every batch, so that a shift's figures need no walk over its results.

use crate::codes::Code;
use crate::entry::ResultEntry;
use rusqlite::{Connection, params};
use sightline_domain::{Disposition, UtcMicros};
use std::collections::HashMap;

pub(crate) const MINUTE_US: i64 = 60_000_000;

/// What a batch adds to the counts.
#[derive(Default)]
pub(crate) struct MinuteCounts {
    /// Minute, recipe, evaluation, disposition -> parts. A correction takes its part out of where it was counted.
    parts: HashMap<(i64, i64, i64, i64), i64>,
    /// Minute, recipe, camera, cause -> parts, findings.
    causes: HashMap<(i64, i64, i64, i64), (u64, u64)>,
}

/// Minutes since 1970.
pub(crate) fn minute(at: UtcMicros) -> i64 {
    at.0.div_euclid(MINUTE_US)
}

impl MinuteCounts {
    pub(crate) fn part(&mut self, r: &ResultEntry, recipe: i64) {
        let key = |disposition: Disposition| {
            let (evaluation, disposition) = (r.evaluation.code(), disposition.code());
            (minute(r.decided), recipe, evaluation, disposition)
        };
        *self.parts.entry(key(r.disposition)).or_default() += 1;
        if r.correction > 0 {
            let other = match r.disposition {
                Disposition::Pass => Disposition::Reject,
                Disposition::Reject => Disposition::Pass,
            };
            *self.parts.entry(key(other)).or_default() -= 1;
        }
    }

    pub(crate) fn cause(
        &mut self,
        r: &ResultEntry,
        recipe: i64,
        camera: i64,
        cause: i64,
        findings: u64,
    ) {
        if r.correction > 0 {
            return;
        }
        let key = (minute(r.decided), recipe, camera, cause);
        let count = self.causes.entry(key).or_default();
        *count = (count.0 + 1, count.1 + findings);
    }

    pub(crate) fn store(self, conn: &Connection) -> rusqlite::Result<()> {
        let mut add = conn.prepare_cached(
            "INSERT INTO counts VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET parts = parts + excluded.parts",
        )?;
        for ((minute, recipe, evaluation, disposition), parts) in self.parts {
            add.execute(params![minute, recipe, evaluation, disposition, parts])?;
        }
        let mut add = conn.prepare_cached(
            "INSERT INTO pareto VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET parts = parts + excluded.parts, findings = findings + excluded.findings",
        )?;
        for ((minute, recipe, camera, cause), (parts, findings)) in self.causes {
            add.execute(params![minute, recipe, camera, cause, parts, findings])?;
        }
        Ok(())
    }
}
