//! Reading beside the writer: results, alarms, reviews, the audit trail.

use crate::audit::{self, ChainReport};
use crate::body::Unpacker;
use crate::codes::{Code, Kind};
use crate::records::{AlarmChange, AlarmRecord, AuditEntry, Query, Review, Stat, StoredResult};
use crate::{JournalError, retention, schema};
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter};
use sightline_model::{Disposition, UtcMicros};
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// How long a reader waits for a file that is being changed.
const BUSY_AT_MOST: Duration = Duration::from_secs(5);

/// A read-only connection of its own. Each answer is one short statement: a writer's log can be taken in between.
pub struct Reader {
    pub(crate) conn: Connection,
    unpacker: RefCell<Unpacker>,
}

const RESULT: &str =
    "SELECT r.seq, r.event_id, r.decided, r.evaluation, r.disposition, r.reason, n.name, r.part_id,
    r.dictionary, r.body FROM results r JOIN names n ON n.id = r.recipe";

impl Reader {
    /// Reads the journal of a folder, or a single file that was set aside.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        match path.is_dir() {
            true => Self::open_file(&path.join(schema::FILE)),
            false => Self::open_file(path),
        }
    }

    pub(crate) fn open_file(path: &Path) -> Result<Self, JournalError> {
        Ok(Self {
            conn: schema::open_to_read(path, BUSY_AT_MOST)?,
            unpacker: RefCell::default(),
        })
    }

    /// Results above `seq`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read, or a body is damaged.
    pub fn results_after(&self, seq: u64, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        let text = format!("{RESULT} WHERE r.seq > ?1 ORDER BY r.seq LIMIT ?2");
        self.results(&text, params![seq, limit as i64])
    }

    /// The newest results, newest first.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn latest(&self, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        let text = format!("{RESULT} ORDER BY r.seq DESC LIMIT ?1");
        self.results(&text, params![limit as i64])
    }

    /// The result with this number.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn result(&self, seq: u64) -> Result<Option<StoredResult>, JournalError> {
        let text = format!("{RESULT} WHERE r.seq = ?1");
        Ok(self.results(&text, params![seq])?.pop())
    }

    /// Every result of a part's id, newest first.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn of_part(&self, part_id: &str, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        let text = format!("{RESULT} WHERE r.part_id = ?1 ORDER BY r.seq DESC LIMIT ?2");
        self.results(&text, params![part_id, limit as i64])
    }

    /// The newest rejected parts that the query is about, newest first.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn rejects(&self, query: &Query, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        self.parts(Disposition::Reject, query, limit)
    }

    /// The newest parts with that disposition that the query is about, newest first. Cameras and causes are known of
    /// rejected parts only.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn parts(
        &self,
        disposition: Disposition,
        query: &Query,
        limit: usize,
    ) -> Result<Vec<StoredResult>, JournalError> {
        // Only the filters that are set stand in the text, so that each way is answered from an index.
        let (from, to) = span(query);
        let mut text = format!(
            "{RESULT} WHERE r.disposition = {} AND r.decided >= ? AND r.decided < ?",
            disposition.code()
        );
        let mut with = vec![from, to];
        if let Some(recipe) = self.name_id(Kind::Recipe, query.recipe.as_deref())? {
            text += " AND r.recipe = ?";
            with.push(recipe);
        }
        let cause = self.name_id(Kind::Cause, query.cause.as_deref())?;
        let camera = self.name_id(Kind::Camera, query.camera.as_deref())?;
        if cause.is_some() || camera.is_some() {
            text += " AND EXISTS (SELECT 1 FROM causes WHERE seq = r.seq";
            for (column, id) in [("cause", cause), ("camera", camera)] {
                if let Some(id) = id {
                    text += &format!(" AND {column} = ?");
                    with.push(id);
                }
            }
            text += ")";
        }
        match query.reviewed {
            Some(true) => text += " AND EXISTS (SELECT 1 FROM reviews WHERE seq = r.seq)",
            Some(false) => text += " AND NOT EXISTS (SELECT 1 FROM reviews WHERE seq = r.seq)",
            None => {}
        }
        text += " ORDER BY r.seq DESC LIMIT ?";
        with.push(limit as i64);
        self.results(&text, params_from_iter(with))
    }

    fn results(&self, text: &str, with: impl Params) -> Result<Vec<StoredResult>, JournalError> {
        let doing = JournalError::sqlite("reading results");
        let mut statement = self.conn.prepare_cached(text).map_err(&doing)?;
        let mut rows = statement.query(with).map_err(&doing)?;
        let mut results = Vec::new();
        while let Some(row) = rows.next().map_err(&doing)? {
            let (mut result, dictionary, body) = stored(row).map_err(&doing)?;
            let mut unpacker = self.unpacker.borrow_mut();
            result.json = unpacker
                .unpack(&self.conn, result.seq, dictionary, &body)?
                .into();
            results.push(result);
        }
        Ok(results)
    }

    /// The id of a name; -1, which no row has, for a name that is not known.
    pub(crate) fn name_id(
        &self,
        kind: Kind,
        name: Option<&str>,
    ) -> Result<Option<i64>, JournalError> {
        let Some(name) = name else {
            return Ok(None);
        };
        let id = self
            .conn
            .prepare_cached("SELECT id FROM names WHERE kind = ?1 AND name = ?2")
            .and_then(|mut s| {
                s.query_row(params![kind as i64, name], |row| row.get(0))
                    .optional()
            })
            .map_err(JournalError::sqlite("reading names"))?;
        Ok(Some(id.unwrap_or(-1)))
    }

    /// The newest changes of alarms, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn alarms(&self, limit: usize) -> Result<Vec<AlarmRecord>, JournalError> {
        let text =
            "SELECT at, alarm, change, severity, by, message FROM alarms ORDER BY id DESC LIMIT ?1";
        self.list("reading alarms", text, params![limit as i64], alarm)
    }

    /// Of every alarm that nobody has acknowledged or put aside since it was last raised: that raising, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unacknowledged_alarms(&self) -> Result<Vec<AlarmRecord>, JournalError> {
        // What comes off the shelf while it stands is as unseen as before.
        let text = "WITH last AS (SELECT
                coalesce(max(id) FILTER (WHERE change = ?1), 0) AS raised,
                coalesce(max(id) FILTER (WHERE change = ?2), 0) AS cleared,
                coalesce(max(id) FILTER (WHERE change IN (?3, ?4)), 0) AS seen,
                coalesce(max(id) FILTER (WHERE change = ?5), 0) AS unshelved
            FROM alarms GROUP BY alarm)
            SELECT at, alarm, change, severity, by, message FROM alarms JOIN last ON id = raised
            WHERE seen < CASE WHEN unshelved > raised AND NOT cleared BETWEEN raised AND unshelved
                THEN unshelved ELSE raised END
            ORDER BY id";
        let changes = [
            AlarmChange::Raised,
            AlarmChange::Cleared,
            AlarmChange::Acknowledged,
            AlarmChange::Shelved,
            AlarmChange::Unshelved,
        ];
        let codes = changes.map(Code::code);
        self.list("reading alarms", text, params_from_iter(codes), alarm)
    }

    /// Re-judgements after the review `id`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reviews_after(&self, id: u64, limit: usize) -> Result<Vec<Review>, JournalError> {
        let text = "SELECT id, at, seq, event_id, by, evaluation, comment FROM reviews
                    WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.list("reading reviews", text, params![id, limit as i64], review)
    }

    /// Re-judgements of one result, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reviews_of(&self, seq: u64) -> Result<Vec<Review>, JournalError> {
        let text = "SELECT id, at, seq, event_id, by, evaluation, comment FROM reviews
                    WHERE seq = ?1 ORDER BY id";
        self.list("reading reviews", text, params![seq], review)
    }

    /// Links of the audit trail after link `id`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audit_after(&self, id: u64, limit: usize) -> Result<Vec<AuditEntry>, JournalError> {
        audit::after(&self.conn, id, limit)
    }

    /// The newest links of the audit trail, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audit_latest(&self, limit: usize) -> Result<Vec<AuditEntry>, JournalError> {
        audit::latest(&self.conn, limit)
    }

    /// Walks the audit trail from its first link.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn verify_audit(&self) -> Result<ChainReport, JournalError> {
        audit::verify(&self.conn)
    }

    /// What is stored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn stat(&self) -> Result<Stat, JournalError> {
        let text = "SELECT (SELECT min(seq) FROM results), (SELECT max(seq) FROM results), next_seq, acknowledged_to,
            pending, (SELECT coalesce(sum(last - first + 1), 0) FROM gaps), removed_unacknowledged,
            (SELECT count(*) FROM runs), (SELECT count(*) FROM alarms), (SELECT count(*) FROM reviews),
            (SELECT count(*) FROM audit) FROM state";
        let read = || -> rusqlite::Result<Stat> {
            let bytes = retention::used_bytes(&self.conn)?;
            self.conn.query_row(text, [], |row| {
                let removed: u64 = row.get(6)?;
                Ok(Stat {
                    version: schema::VERSION,
                    first_seq: row.get(0)?,
                    last_seq: row.get(1)?,
                    next_seq: row.get(2)?,
                    acknowledged_to: row.get(3)?,
                    pending: row.get(4)?,
                    lost: row.get::<_, u64>(5)?.saturating_sub(removed),
                    removed_unacknowledged: removed,
                    runs: row.get(7)?,
                    alarms: row.get(8)?,
                    reviews: row.get(9)?,
                    audit: row.get(10)?,
                    bytes,
                })
            })
        };
        read().map_err(JournalError::sqlite("reading the state"))
    }

    pub(crate) fn list<T>(
        &self,
        doing: &'static str,
        text: &str,
        with: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        self.conn
            .prepare_cached(text)
            .and_then(|mut s| s.query_map(with, read)?.collect())
            .map_err(JournalError::sqlite(doing))
    }
}

/// A query's span, microseconds.
pub(crate) fn span(query: &Query) -> (i64, i64) {
    let (from, to) = (query.from.map(|t| t.0), query.to.map(|t| t.0));
    (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(StoredResult, Option<i64>, Vec<u8>)> {
    let result = StoredResult {
        seq: row.get(0)?,
        event_id: Uuid::from_bytes(row.get(1)?),
        decided: UtcMicros(row.get(2)?),
        evaluation: Code::from_code(row.get(3)?)?,
        disposition: Code::from_code(row.get(4)?)?,
        reason: Code::from_code(row.get(5)?)?,
        recipe: row.get(6)?,
        part_id: row.get(7)?,
        json: bytes::Bytes::new(),
    };
    Ok((result, row.get(8)?, row.get(9)?))
}

fn alarm(row: &Row<'_>) -> rusqlite::Result<AlarmRecord> {
    Ok(AlarmRecord {
        at: UtcMicros(row.get(0)?),
        alarm: row.get(1)?,
        change: Code::from_code(row.get(2)?)?,
        severity: Code::from_code(row.get(3)?)?,
        by: row.get(4)?,
        message: row.get(5)?,
    })
}

fn review(row: &Row<'_>) -> rusqlite::Result<Review> {
    Ok(Review {
        id: row.get(0)?,
        at: UtcMicros(row.get(1)?),
        seq: row.get(2)?,
        event_id: Uuid::from_bytes(row.get(3)?),
        by: row.get(4)?,
        evaluation: Code::from_code(row.get(5)?)?,
        comment: row.get(6)?,
    })
}
