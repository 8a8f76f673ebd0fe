//! Reading beside the writer: results, alarms, reviews, the audit trail.
//!
//! Only what agrees with its checksum is given out as what was stored. A damaged record costs itself, not its neighbours.

use crate::audit::{self, ChainReport};
use crate::body::Unpacker;
use crate::codes::{Code, Kind};
use crate::media::{self, Copy, Opened};
use crate::records::{
    AlarmChange, AlarmRecord, AuditEntry, GapRecord, Query, Record, Review, Stat, StoredResult,
};
use crate::{JournalError, gaps, retention, row, schema, side};
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter};
use sightline_domain::Disposition;
use std::cell::RefCell;
use std::path::Path;

/// Ranges that [`Reader::stat`] lists.
const GAPS: usize = 1_000;

/// A read-only connection of its own. Each answer is one short statement: a writer's log can be taken in between.
pub struct Reader {
    pub(crate) conn: Connection,
    unpacker: RefCell<Unpacker>,
    checked_from: u64,
    layout: i64,
    /// After the connection, so that it goes later.
    _copy: Option<Copy>,
}

impl Reader {
    /// Reads the journal of a folder, or a single file that was set aside, also where nothing can be written.
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
        Ok(Self::of(media::open(path)?))
    }

    pub(crate) fn of(opened: Opened) -> Self {
        let Opened { conn, layout, copy } = opened;
        let checked_from = conn.query_row("SELECT checked_from FROM state", [], |row| row.get(0));
        Self {
            checked_from: checked_from.unwrap_or(1),
            conn,
            layout,
            unpacker: RefCell::default(),
            _copy: copy,
        }
    }

    /// Whatever stands above `seq`, oldest first: sound or damaged.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn records_after(&self, seq: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        let text = format!(
            "SELECT {} FROM results r WHERE r.seq > ?1 ORDER BY r.seq LIMIT ?2",
            row::COLUMNS
        );
        match self.records(&text, params![seq, limit as i64]) {
            Ok(found) if rises(seq, &found) => Ok(found),
            Err(error) if !error.is_damage() => Err(error),
            // Pages are damaged: what can still be reached, number by number.
            _ => self.one_by_one(seq, limit),
        }
    }

    fn one_by_one(&self, after: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        let end = self.end()?;
        let mut found = Vec::new();
        for seq in after + 1..end {
            if found.len() >= limit {
                break;
            }
            match self.record(seq) {
                Ok(record) => found.extend(record),
                Err(error) if error.is_damage() => found.push(Record::Damaged {
                    seq,
                    why: error.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The number after the last that was given, as far as that can be read.
    pub(crate) fn end(&self) -> Result<u64, JournalError> {
        let ask = |text: &str| self.conn.query_row(text, [], |row| row.get::<_, u64>(0));
        ask("SELECT next_seq FROM state")
            .or_else(|_| ask("SELECT max(seq) + 1 FROM results"))
            .map_err(JournalError::sqlite("reading the state"))
    }

    /// What stands under this number.
    ///
    /// # Errors
    /// The file cannot be read there.
    pub fn record(&self, seq: u64) -> Result<Option<Record>, JournalError> {
        let text = format!("SELECT {} FROM results r WHERE r.seq = ?1", row::COLUMNS);
        let mut found = self.records(&text, params![seq])?;
        found.retain(|record| record.seq() == seq);
        Ok(found.pop())
    }

    /// Sound results above `seq`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn results_after(&self, seq: u64, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        let mut after = seq;
        loop {
            let records = self.records_after(after, limit)?;
            let Some(last) = records.last().map(Record::seq) else {
                return Ok(Vec::new());
            };
            let sound: Vec<_> = records.into_iter().filter_map(Record::sound).collect();
            if !sound.is_empty() {
                return Ok(sound);
            }
            // None of these is sound; there may be others behind them.
            after = last;
        }
    }

    /// The newest results, newest first.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn latest(&self, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        let text = format!("{} ORDER BY r.seq DESC LIMIT ?1", result());
        self.results(&text, params![limit as i64])
    }

    /// The result with this number.
    ///
    /// # Errors
    /// It is damaged, or the file cannot be read.
    pub fn result(&self, seq: u64) -> Result<Option<StoredResult>, JournalError> {
        match self.record(seq)? {
            Some(Record::Sound(result)) => Ok(Some(result)),
            Some(Record::Damaged { seq, why }) => Err(JournalError::Body { seq, why }),
            None => Ok(None),
        }
    }

    /// Every result of a part's id, newest first.
    ///
    /// # Errors
    /// As [`Reader::results_after`].
    pub fn of_part(&self, part_id: &str, limit: usize) -> Result<Vec<StoredResult>, JournalError> {
        let text = format!(
            "{} WHERE r.part_id = ?1 ORDER BY r.seq DESC LIMIT ?2",
            result()
        );
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
            "{} WHERE r.disposition = {} AND r.decided >= ? AND r.decided < ?",
            result(),
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

    /// The sound ones; a damaged one is said and left out.
    fn results(&self, text: &str, with: impl Params) -> Result<Vec<StoredResult>, JournalError> {
        let sound = |record| match record {
            Record::Sound(result) => Some(result),
            Record::Damaged { seq, why } => {
                tracing::warn!(seq, why, "a stored result is damaged; it is left out");
                None
            }
        };
        let records = self.records(text, with)?;
        Ok(records.into_iter().filter_map(sound).collect())
    }

    fn records(&self, text: &str, with: impl Params) -> Result<Vec<Record>, JournalError> {
        let doing = JournalError::sqlite("reading results");
        let mut statement = self.conn.prepare_cached(text).map_err(&doing)?;
        let mut rows = statement.query(with).map_err(&doing)?;
        let mut records = Vec::new();
        let mut unpacker = self.unpacker.borrow_mut();
        while let Some(found) = rows.next().map_err(&doing)? {
            let seq = found.get(0).map_err(&doing)?;
            let read = row::read(&self.conn, &mut unpacker, found, self.checked_from);
            records.push(match read {
                Ok(result) => Record::Sound(result),
                Err(why) => Record::Damaged { seq, why },
            });
        }
        Ok(records)
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
        let text = format!(
            "SELECT {} FROM alarms ORDER BY id DESC LIMIT ?1",
            side::ALARM
        );
        self.alarms_of(&text, params![limit as i64])
    }

    /// Of every alarm that nobody has acknowledged or put aside since it was last raised: that raising, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unacknowledged_alarms(&self) -> Result<Vec<AlarmRecord>, JournalError> {
        // What comes off the shelf while it stands is as unseen as before.
        let text = format!(
            "WITH last AS (SELECT
                coalesce(max(id) FILTER (WHERE change = ?1), 0) AS raised,
                coalesce(max(id) FILTER (WHERE change = ?2), 0) AS cleared,
                coalesce(max(id) FILTER (WHERE change IN (?3, ?4)), 0) AS seen,
                coalesce(max(id) FILTER (WHERE change = ?5), 0) AS unshelved
            FROM alarms GROUP BY alarm)
            SELECT {} FROM alarms JOIN last ON id = raised
            WHERE seen < CASE WHEN unshelved > raised AND NOT cleared BETWEEN raised AND unshelved
                THEN unshelved ELSE raised END
            ORDER BY id",
            side::ALARM
        );
        let changes = [
            AlarmChange::Raised,
            AlarmChange::Cleared,
            AlarmChange::Acknowledged,
            AlarmChange::Shelved,
            AlarmChange::Unshelved,
        ];
        let codes = changes.map(Code::code);
        self.alarms_of(&text, params_from_iter(codes))
    }

    fn alarms_of(&self, text: &str, with: impl Params) -> Result<Vec<AlarmRecord>, JournalError> {
        let found = self.list("reading alarms", text, with, |row| {
            Ok(side::read_alarm(row))
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Re-judgements after the review `id`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reviews_after(&self, id: u64, limit: usize) -> Result<Vec<Review>, JournalError> {
        self.reviews("id > ?1 ORDER BY id LIMIT ?2", params![id, limit as i64])
    }

    /// Re-judgements of one result, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reviews_of(&self, seq: u64) -> Result<Vec<Review>, JournalError> {
        self.reviews("seq = ?1 ORDER BY id", params![seq])
    }

    fn reviews(&self, which: &str, with: impl Params) -> Result<Vec<Review>, JournalError> {
        let text = format!("SELECT {} FROM reviews WHERE {which}", side::REVIEW);
        let found = self.list("reading reviews", &text, with, |row| {
            Ok(side::read_review(row))
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Numbers whose results will not come, the lowest first; `open`: those nobody has taken note of.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn gaps(&self, open: bool, limit: usize) -> Result<Vec<GapRecord>, JournalError> {
        gaps::list(&self.conn, open, limit).map_err(JournalError::sqlite("reading gaps"))
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
        audit::verify(&self.conn, |_| {})
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
        let gaps = self.gaps(false, GAPS)?;
        let read = || -> rusqlite::Result<Stat> {
            let bytes = retention::used_bytes(&self.conn)?;
            self.conn.query_row(text, [], |row| {
                let removed: u64 = row.get(6)?;
                Ok(Stat {
                    version: self.layout,
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
                    gaps,
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

/// Numbers rise, as they do in a tree that is whole.
fn rises(after: u64, found: &[Record]) -> bool {
    let seqs = std::iter::once(after).chain(found.iter().map(Record::seq));
    seqs.clone().zip(seqs.skip(1)).all(|(a, b)| a < b)
}

fn result() -> String {
    format!("SELECT {} FROM results r", row::COLUMNS)
}
