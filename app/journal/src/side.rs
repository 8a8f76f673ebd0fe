//! What lies beside the results: alarms, reviews, and how much of the file they and the audit trail take.
//!
//! Each has a budget of its own, so that nothing that others send pushes results out.

use crate::codes::Code;
use crate::entry::AuditNote;
use crate::proof::Proof;
use crate::records::{AlarmRecord, Review};
use rusqlite::{Connection, Row, params};
use sightline_domain::UtcMicros;
use uuid::Uuid;

/// Bytes of a record beside its text, with its place in the file's tree.
const OVERHEAD: u64 = 96;

/// Bytes in use, near enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub audit: u64,
    pub alarms: u64,
    /// Counts by the minute.
    pub figures: u64,
}

impl Side {
    pub(crate) fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let sum = |text: &str| conn.query_row(text, [], |row| row.get::<_, u64>(0));
        Ok(Self {
            audit: sum(&format!("SELECT coalesce(sum({OVERHEAD} + length(actor) + length(action) + length(coalesce(old, ''))
                + length(coalesce(new, '')) + length(reason)), 0) FROM audit"))?,
            alarms: sum(&format!("SELECT coalesce(sum({OVERHEAD} + length(alarm) + length(message)), 0) FROM alarms"))?,
            figures: sum("SELECT 48 * ((SELECT count(*) FROM counts) + (SELECT count(*) FROM pareto))")?,
        })
    }

    pub(crate) fn link(&mut self, note: &AuditNote) {
        let maybe = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let text = note.actor.len()
            + note.action.len()
            + maybe(&note.old)
            + maybe(&note.new)
            + note.reason.len();
        self.audit += OVERHEAD + text as u64;
    }

    pub(crate) fn alarm(&mut self, alarm: &AlarmRecord) {
        self.alarms += OVERHEAD + (alarm.alarm.len() + alarm.message.len()) as u64;
    }

    pub(crate) fn all(&self) -> u64 {
        self.audit + self.alarms + self.figures
    }
}

fn alarm_proof(alarm: &AlarmRecord) -> Proof {
    Proof::of("alarm")
        .int(alarm.at.0)
        .bytes(alarm.alarm.as_bytes())
        .int(alarm.change.code())
        .int(alarm.severity.code())
        .maybe(alarm.by.as_deref())
        .bytes(alarm.message.as_bytes())
}

fn review_proof(review: &Review) -> Proof {
    Proof::of("review")
        .int(review.at.0)
        .int(review.seq as i64)
        .bytes(review.event_id.as_bytes())
        .bytes(review.by.as_bytes())
        .int(review.evaluation.code())
        .bytes(review.comment.as_bytes())
}

pub(crate) fn insert_alarm(conn: &Connection, alarm: &AlarmRecord) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO alarms (at, alarm, change, severity, by, message, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        alarm.at.0,
        alarm.alarm,
        alarm.change.code(),
        alarm.severity.code(),
        alarm.by,
        alarm.message,
        alarm_proof(alarm).sum()
    ])?;
    Ok(())
}

pub(crate) fn insert_review(conn: &Connection, review: &Review) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO reviews (at, seq, event_id, by, evaluation, comment, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        review.at.0,
        review.seq,
        review.event_id.as_bytes(),
        review.by,
        review.evaluation.code(),
        review.comment,
        review_proof(review).sum()
    ])?;
    Ok(())
}

pub(crate) const ALARM: &str = "at, alarm, change, severity, by, message, sum";
pub(crate) const REVIEW: &str = "id, at, seq, event_id, by, evaluation, comment, sum";

/// An alarm's change; `None`: the record is not what was written.
pub(crate) fn read_alarm(row: &Row<'_>) -> Option<AlarmRecord> {
    let alarm = AlarmRecord {
        at: UtcMicros(row.get(0).ok()?),
        alarm: row.get(1).ok()?,
        change: Code::from_code(row.get(2).ok()?).ok()?,
        severity: Code::from_code(row.get(3).ok()?).ok()?,
        by: row.get(4).ok()?,
        message: row.get(5).ok()?,
    };
    let sum: Option<Vec<u8>> = row.get(6).ok()?;
    alarm_proof(&alarm).agrees(sum.as_deref()).then_some(alarm)
}

/// A re-judgement; `None`: the record is not what was written.
pub(crate) fn read_review(row: &Row<'_>) -> Option<Review> {
    let review = Review {
        id: row.get(0).ok()?,
        at: UtcMicros(row.get(1).ok()?),
        seq: row.get(2).ok()?,
        event_id: Uuid::from_bytes(row.get(3).ok()?),
        by: row.get(4).ok()?,
        evaluation: Code::from_code(row.get(5).ok()?).ok()?,
        comment: row.get(6).ok()?,
    };
    let sum: Option<Vec<u8>> = row.get(7).ok()?;
    review_proof(&review)
        .agrees(sum.as_deref())
        .then_some(review)
}
