//! The writer's side of the file: a batch of entries and what they change, in one transaction.

use crate::audit::{self, Head};
use crate::body::Packer;
use crate::codes::{Code, Kind};
use crate::entry::{Entry, ResultEntry};
use crate::records::{AlarmRecord, Review};
use crate::tally::Tally;
use crate::{JournalError, schema};
use rusqlite::{CachedStatement, Connection, params};
use sightline_model::{Disposition, UtcMicros};
use std::collections::HashMap;
use std::path::Path;
use uuid::Uuid;

/// Where numbering and outbox stand; the row of `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub next_seq: u64,
    pub acknowledged_to: u64,
    pub pending: u64,
    pub removed_unacknowledged: u64,
}

/// Numbers that will have no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub first: u64,
    pub last: u64,
    pub why: &'static str,
}

/// What a transaction writes.
pub(crate) struct Batch<'a> {
    pub entries: &'a [Entry],
    pub gaps: &'a [Gap],
    /// The broker has everything up to here.
    pub acknowledged_to: u64,
    pub now: UtcMicros,
}

/// The open file.
pub(crate) struct Store {
    pub(crate) conn: Connection,
    pub(crate) state: State,
    cache: Cache,
}

/// What is remembered of the file; dropped when a transaction fails.
struct Cache {
    names: HashMap<(Kind, String), i64>,
    packer: Packer,
    head: Head,
}

impl Cache {
    fn of(conn: &Connection) -> Result<Self, JournalError> {
        Ok(Self {
            names: HashMap::new(),
            packer: Packer::new()?,
            head: audit::head(conn).map_err(JournalError::sqlite("reading the audit trail"))?,
        })
    }

    /// The id of a name, stored at its first use.
    fn name(&mut self, conn: &Connection, kind: Kind, name: &str) -> rusqlite::Result<i64> {
        // The lookup by borrowed pair is not worth its type: names are short and few.
        let key = (kind, name.to_string());
        if let Some(id) = self.names.get(&key) {
            return Ok(*id);
        }
        conn.prepare_cached("INSERT OR IGNORE INTO names (kind, name) VALUES (?1, ?2)")?
            .execute(params![kind as i64, name])?;
        let id = conn
            .prepare_cached("SELECT id FROM names WHERE kind = ?1 AND name = ?2")?
            .query_row(params![kind as i64, name], |row| row.get(0))?;
        self.names.insert(key, id);
        Ok(id)
    }
}

impl Store {
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        let conn = schema::open(path)?;
        Ok(Self {
            state: read_state(&conn).map_err(JournalError::sqlite("reading the state"))?,
            cache: Cache::of(&conn)?,
            conn,
        })
    }

    /// Notes a start of the station, and continues the numbering at `next_seq` at least.
    pub(crate) fn begin_run(
        &mut self,
        boot_id: Uuid,
        at: UtcMicros,
        next_seq: u64,
    ) -> Result<(), JournalError> {
        let next_seq = next_seq.max(self.state.next_seq);
        let run = || -> rusqlite::Result<()> {
            let tx = self.conn.unchecked_transaction()?;
            tx.execute(
                "INSERT INTO runs VALUES (?1, ?2, ?3)",
                params![boot_id.as_bytes(), at.0, next_seq],
            )?;
            tx.execute("UPDATE state SET next_seq = ?1", [next_seq])?;
            tx.commit()
        };
        run().map_err(JournalError::sqlite("noting the start"))?;
        self.state = read_state(&self.conn).map_err(JournalError::sqlite("reading the state"))?;
        Ok(())
    }

    /// Writes all of it or, with an error, nothing.
    pub(crate) fn write(&mut self, batch: &Batch<'_>) -> Result<(), JournalError> {
        let written = self.try_write(batch);
        if written.is_err() {
            // What was rolled back must not be remembered.
            if let Ok(cache) = Cache::of(&self.conn) {
                self.cache = cache;
            }
        }
        written
    }

    fn try_write(&mut self, batch: &Batch<'_>) -> Result<(), JournalError> {
        let doing = JournalError::sqlite("writing");
        let tx = self.conn.unchecked_transaction().map_err(&doing)?;
        let mut state = self.state;
        let mut tally = Tally::default();
        let mut rows = Rows::new(&tx).map_err(&doing)?;
        for entry in batch.entries {
            match entry {
                Entry::Result(result) => {
                    if rows.result(&mut self.cache, &mut tally, result)? {
                        state.pending += 1;
                        state.next_seq = state.next_seq.max(result.seq + 1);
                    }
                }
                Entry::Alarm(alarm) => insert_alarm(&tx, alarm).map_err(&doing)?,
                Entry::Review(review) => insert_review(&tx, review).map_err(&doing)?,
                Entry::Audit(note) => {
                    self.cache.head = audit::append(&tx, self.cache.head, note).map_err(&doing)?;
                }
            }
        }
        drop(rows);
        tally.store(&tx).map_err(&doing)?;
        for gap in batch.gaps {
            insert_gap(&tx, gap, batch.now).map_err(&doing)?;
            state.next_seq = state.next_seq.max(gap.last + 1);
        }
        retire(&tx, &mut state, batch.acknowledged_to).map_err(&doing)?;
        if state != self.state {
            write_state(&tx, &state).map_err(&doing)?;
        }
        tx.commit().map_err(&doing)?;
        self.state = state;
        Ok(())
    }
}

/// The statements of a result, prepared once a batch.
struct Rows<'c> {
    conn: &'c Connection,
    result: CachedStatement<'c>,
    cause: CachedStatement<'c>,
}

impl<'c> Rows<'c> {
    fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            conn,
            result: conn.prepare_cached(
                "INSERT OR IGNORE INTO results VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            cause: conn.prepare_cached("INSERT OR IGNORE INTO causes VALUES (?1, ?2, ?3)")?,
        })
    }

    /// False, and nothing changed, if the number is taken: its result was committed before.
    fn result(
        &mut self,
        cache: &mut Cache,
        tally: &mut Tally,
        r: &ResultEntry,
    ) -> Result<bool, JournalError> {
        let doing = JournalError::sqlite("writing a result");
        let recipe = cache
            .name(self.conn, Kind::Recipe, &r.recipe)
            .map_err(&doing)?;
        let (dictionary, body) = cache.packer.pack(self.conn, r.seq, &r.json)?;
        let inserted = self
            .result
            .execute(params![
                r.seq,
                r.decided.0,
                r.event_id.as_bytes(),
                r.evaluation.code(),
                r.disposition.code(),
                r.reason.code(),
                recipe,
                r.part_id,
                dictionary,
                body
            ])
            .map_err(&doing)?;
        if inserted == 0 {
            tracing::error!(
                seq = r.seq,
                "a result with this number is stored already; this one is not"
            );
            return Ok(false);
        }
        tally.part(r, recipe);
        for cause in &r.causes {
            let camera = cache
                .name(self.conn, Kind::Camera, &cause.camera)
                .map_err(&doing)?;
            let name = cache
                .name(self.conn, Kind::Cause, &cause.name)
                .map_err(&doing)?;
            tally.cause(r, recipe, camera, name, cause.findings);
            if r.disposition == Disposition::Reject {
                self.cause
                    .execute(params![name, r.seq, camera])
                    .map_err(&doing)?;
            }
        }
        Ok(true)
    }
}

fn read_state(conn: &Connection) -> rusqlite::Result<State> {
    conn.query_row(
        "SELECT next_seq, acknowledged_to, pending, removed_unacknowledged FROM state",
        [],
        |row| {
            Ok(State {
                next_seq: row.get(0)?,
                acknowledged_to: row.get(1)?,
                pending: row.get(2)?,
                removed_unacknowledged: row.get(3)?,
            })
        },
    )
}

pub(crate) fn write_state(conn: &Connection, state: &State) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE state SET next_seq = ?1, acknowledged_to = ?2, pending = ?3, removed_unacknowledged = ?4",
    )?
    .execute(params![
        state.next_seq,
        state.acknowledged_to,
        state.pending,
        state.removed_unacknowledged
    ])?;
    Ok(())
}

/// Moves the outbox's mark; results that it passes are no longer pending.
fn retire(conn: &Connection, state: &mut State, to: u64) -> rusqlite::Result<()> {
    let to = to.min(state.next_seq - 1);
    if to <= state.acknowledged_to {
        return Ok(());
    }
    let passed: u64 = conn
        .prepare_cached("SELECT count(*) FROM results WHERE seq > ?1 AND seq <= ?2")?
        .query_row(params![state.acknowledged_to, to], |row| row.get(0))?;
    state.pending = state.pending.saturating_sub(passed);
    state.acknowledged_to = to;
    Ok(())
}

fn insert_alarm(conn: &Connection, alarm: &AlarmRecord) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO alarms (at, alarm, change, severity, by, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        alarm.at.0,
        alarm.alarm,
        alarm.change.code(),
        alarm.severity.code(),
        alarm.by,
        alarm.message
    ])?;
    Ok(())
}

fn insert_review(conn: &Connection, review: &Review) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO reviews (at, seq, event_id, by, evaluation, comment) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        review.at.0,
        review.seq,
        review.event_id.as_bytes(),
        review.by,
        review.evaluation.code(),
        review.comment
    ])?;
    Ok(())
}

pub(crate) fn insert_gap(conn: &Connection, gap: &Gap, at: UtcMicros) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO gaps VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![gap.first, gap.last, at.0, gap.why])?;
    Ok(())
}
