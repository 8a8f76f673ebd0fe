//! Figures over time, from the counts that are kept by the minute.

use crate::codes::Kind;
use crate::reader::span;
use crate::records::{Bucket, Counts, ParetoBar, Query, ReviewCounts};
use crate::tally::MINUTE_US;
use crate::{JournalError, Reader};
use rusqlite::{Row, params};
use sightline_domain::UtcMicros;
use std::time::Duration;

/// Sums over evaluations (0 OK, 1 NotOK, 2 NotDecidable) and dispositions (1 rejected), as codes.rs numbers them.
const SUMS: &str = "coalesce(sum(parts), 0), coalesce(sum(parts * (evaluation = 0)), 0),
    coalesce(sum(parts * (evaluation = 1)), 0), coalesce(sum(parts * (evaluation = 2)), 0),
    coalesce(sum(parts * (disposition = 1)), 0)";

impl Reader {
    /// Parts in the query's span and of its recipe.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn counts(&self, query: &Query) -> Result<Counts, JournalError> {
        let (from, to) = minutes(query);
        let recipe = self.name_id(Kind::Recipe, query.recipe.as_deref())?;
        let text = format!(
            "SELECT {SUMS} FROM counts WHERE minute >= ?1 AND minute < ?2 AND (?3 IS NULL OR recipe = ?3)"
        );
        let mut sums = self.list("counting", &text, params![from, to, recipe], |row| {
            counts(row, 0)
        })?;
        Ok(sums.pop().unwrap_or_default())
    }

    /// The same in steps of `each` (whole minutes, one at least), oldest first; spans without parts are left out.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn counts_by_time(
        &self,
        query: &Query,
        each: Duration,
    ) -> Result<Vec<Bucket>, JournalError> {
        let (from, to) = minutes(query);
        let recipe = self.name_id(Kind::Recipe, query.recipe.as_deref())?;
        let step = (each.as_secs() / 60).max(1) as i64;
        let text = format!(
            "SELECT minute / ?4 * ?4, {SUMS} FROM counts
             WHERE minute >= ?1 AND minute < ?2 AND (?3 IS NULL OR recipe = ?3) GROUP BY 1 ORDER BY 1"
        );
        self.list("counting", &text, params![from, to, recipe, step], |row| {
            Ok(Bucket {
                start: UtcMicros(row.get::<_, i64>(0)? * MINUTE_US),
                counts: counts(row, 1)?,
            })
        })
    }

    /// Counts of every recipe in the query's span, most parts first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn counts_by_recipe(&self, query: &Query) -> Result<Vec<(String, Counts)>, JournalError> {
        let (from, to) = minutes(query);
        let text = format!(
            "SELECT (SELECT name FROM names WHERE id = recipe), {SUMS} FROM counts
             WHERE minute >= ?1 AND minute < ?2 GROUP BY recipe ORDER BY 2 DESC, 1"
        );
        self.list("counting", &text, params![from, to], |row| {
            Ok((row.get(0)?, counts(row, 1)?))
        })
    }

    /// What people said of the parts decided in the query's span that are still stored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn review_counts(&self, query: &Query) -> Result<ReviewCounts, JournalError> {
        let (from, to) = span(query);
        // The last word on each part counts; what is no OK is bad.
        let text =
            "SELECT coalesce(sum(rejected AND NOT good), 0), coalesce(sum(rejected AND good), 0),
                coalesce(sum(NOT rejected AND good), 0), coalesce(sum(NOT rejected AND NOT good), 0)
            FROM (SELECT r.disposition = 1 AS rejected, v.evaluation = 0 AS good
                FROM reviews v JOIN results r ON r.seq = v.seq
                WHERE r.decided >= ?1 AND r.decided < ?2
                    AND v.id = (SELECT max(id) FROM reviews WHERE seq = v.seq))";
        let mut sums = self.list("counting reviews", text, params![from, to], |row| {
            Ok(ReviewCounts {
                rejects_bad: row.get(0)?,
                rejects_good: row.get(1)?,
                passes_good: row.get(2)?,
                passes_bad: row.get(3)?,
            })
        })?;
        Ok(sums.pop().unwrap_or_default())
    }

    /// What parts were not OK for, and on which camera, most parts first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pareto(&self, query: &Query, limit: usize) -> Result<Vec<ParetoBar>, JournalError> {
        let (from, to) = minutes(query);
        let recipe = self.name_id(Kind::Recipe, query.recipe.as_deref())?;
        let camera = self.name_id(Kind::Camera, query.camera.as_deref())?;
        let cause = self.name_id(Kind::Cause, query.cause.as_deref())?;
        let text = "SELECT (SELECT name FROM names WHERE id = cause), (SELECT name FROM names WHERE id = camera),
            sum(parts), sum(findings) FROM pareto
            WHERE minute >= ?1 AND minute < ?2 AND (?3 IS NULL OR recipe = ?3)
              AND (?4 IS NULL OR camera = ?4) AND (?5 IS NULL OR cause = ?5)
            GROUP BY cause, camera ORDER BY 3 DESC, 4 DESC, 1, 2 LIMIT ?6";
        let with = params![from, to, recipe, camera, cause, limit as i64];
        self.list("counting causes", text, with, |row| {
            Ok(ParetoBar {
                cause: row.get(0)?,
                camera: row.get(1)?,
                parts: row.get(2)?,
                findings: row.get(3)?,
            })
        })
    }
}

/// The minutes that a span touches.
fn minutes(query: &Query) -> (i64, i64) {
    let (from, to) = span(query);
    let past = to.div_euclid(MINUTE_US) + i64::from(to.rem_euclid(MINUTE_US) != 0);
    (from.div_euclid(MINUTE_US), past)
}

fn counts(row: &Row<'_>, at: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        parts: row.get(at)?,
        ok: row.get(at + 1)?,
        not_ok: row.get(at + 2)?,
        not_decidable: row.get(at + 3)?,
        rejected: row.get(at + 4)?,
    })
}
