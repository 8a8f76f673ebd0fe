//! The writer's side of the file: a batch of entries and what they change, in one transaction.

use crate::audit::{self, Head};
use crate::body::Packer;
use crate::codes::{Code, Kind};
use crate::entry::{AuditNote, Entry, ResultEntry};
use crate::gaps::{self, Gap};
use crate::numbers::Known;
use crate::row::{ResultRow, name_proof};
use crate::seal::{self, Seal};
use crate::side::{self, Side};
use crate::state::{self, State};
use crate::tally::MinuteCounts;
use crate::{JournalError, schema};
use rusqlite::{CachedStatement, Connection, params};
use sightline_domain::{Disposition, UtcMicros};
use std::collections::HashMap;
use std::path::Path;
use uuid::Uuid;

/// What a transaction writes.
pub(crate) struct Batch<'a> {
    pub entries: &'a [Entry],
    pub gaps: &'a [Gap],
    /// The broker has everything up to here.
    pub acknowledged_to: u64,
    /// There is nobody who could be told of gaps.
    pub nobody: bool,
    pub now: UtcMicros,
}

/// The open file.
pub(crate) struct Store {
    pub(crate) conn: Connection,
    pub(crate) state: State,
    /// How old the journal is now, µs.
    pub(crate) age_us: u64,
    /// Results up to here are under a seal.
    pub(crate) sealed_to: u64,
    /// What audit trail and history of alarms take.
    pub(crate) side: Side,
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
        conn.prepare_cached("INSERT OR IGNORE INTO names (kind, name, sum) VALUES (?1, ?2, ?3)")?
            .execute(params![
                kind as i64,
                name,
                name_proof(kind as i64, name).sum()
            ])?;
        let id = conn
            .prepare_cached("SELECT id FROM names WHERE kind = ?1 AND name = ?2")?
            .query_row(params![kind as i64, name], |row| row.get(0))?;
        self.names.insert(key, id);
        Ok(id)
    }
}

impl Store {
    /// Opens the file; with a state that cannot be relied on, makes it anew from what else is known, and says so.
    pub(crate) fn open(path: &Path, known: &Known, now: UtcMicros) -> Result<Self, JournalError> {
        let conn = schema::open(path)?;
        let (state, rebuilt) = state::recover(&conn, known)?;
        let mut store = Self {
            state,
            age_us: state.age_us,
            sealed_to: seal::sealed_to(&conn, &state),
            side: Side::of(&conn).map_err(JournalError::sqlite("measuring"))?,
            cache: Cache::of(&conn)?,
            conn,
        };
        if rebuilt {
            store.say_rebuilt(now)?;
        }
        Ok(store)
    }

    /// The lowest number of a gap that nobody has taken note of, 0: none; where it cannot be read, as it was before.
    pub(crate) fn open_gap(&self, before: u64) -> u64 {
        gaps::lowest_open(&self.conn).unwrap_or(before)
    }

    /// The same file to be read, also when it has been deleted; closing it leaves the folder alone.
    pub(crate) fn into_reader(self) -> Option<crate::Reader> {
        schema::keep_log(&self.conn, true).ok()?;
        Some(crate::Reader::of(crate::media::Opened {
            conn: self.conn,
            layout: schema::VERSION,
            copy: None,
        }))
    }

    fn say_rebuilt(&mut self, now: UtcMicros) -> Result<(), JournalError> {
        let State {
            next_seq,
            acknowledged_to,
            ..
        } = self.state;
        let reason = format!(
            "the record of where numbering and outbox stand was damaged; as everything else says, the next number is {next_seq}, and results above {acknowledged_to} are sent (again)"
        );
        tracing::error!("{reason}");
        let note = AuditNote::of_station(now, "journal.state_rebuilt", reason);
        self.write(&Batch {
            entries: &[Entry::Audit(note)],
            gaps: &[],
            acknowledged_to: 0,
            nobody: false,
            now,
        })
    }

    /// Changes the audit trail beside the entries, in a transaction of its own.
    pub(crate) fn change_trail(
        &mut self,
        change: impl FnOnce(&Connection, Head) -> rusqlite::Result<Head>,
    ) -> rusqlite::Result<()> {
        let tx = self.conn.unchecked_transaction()?;
        let head = change(&tx, self.cache.head)?;
        tx.commit()?;
        self.cache.head = head;
        Ok(())
    }

    /// Measures anew what lies beside the results.
    pub(crate) fn measure(&mut self) -> rusqlite::Result<()> {
        self.side = Side::of(&self.conn)?;
        Ok(())
    }

    /// Seals the results since the last seal, if there are any.
    pub(crate) fn seal(&mut self, now: UtcMicros) -> Result<(), JournalError> {
        let doing = JournalError::sqlite("sealing results");
        let first = self.sealed_to.max(self.state.removed_to) + 1;
        let last = self.state.next_seq - 1;
        if first > last {
            return Ok(());
        }
        let seal = Seal::over(&self.conn, first, last).map_err(&doing)?;
        let note = seal.note(now);
        self.change_trail(|tx, head| audit::append(tx, head, &note))
            .map_err(&doing)?;
        self.side.link(&note);
        self.sealed_to = last;
        Ok(())
    }

    /// The newest link of the audit trail.
    pub(crate) fn head(&self) -> Head {
        self.cache.head
    }

    /// Notes a start of the station, and continues the numbering at `next_seq` at least.
    pub(crate) fn begin_run(
        &mut self,
        boot_id: Uuid,
        at: UtcMicros,
        next_seq: u64,
    ) -> Result<(), JournalError> {
        let mut state = self.state;
        state.next_seq = next_seq.max(state.next_seq);
        state.age_us = self.age_us;
        let run = || -> rusqlite::Result<()> {
            let tx = self.conn.unchecked_transaction()?;
            tx.execute(
                "INSERT INTO runs VALUES (?1, ?2, ?3)",
                params![boot_id.as_bytes(), at.0, state.next_seq],
            )?;
            // A station that is started every few seconds must not fill the disk with its starts.
            tx.execute(
                "DELETE FROM runs WHERE rowid <= (SELECT max(rowid) FROM runs) - 10000",
                [],
            )?;
            state::write(&tx, &state)?;
            tx.commit()
        };
        run().map_err(JournalError::sqlite("noting the start"))?;
        self.state = state;
        Ok(())
    }

    /// Writes all of it or, with an error, nothing.
    pub(crate) fn write(&mut self, batch: &Batch<'_>) -> Result<(), JournalError> {
        self.write_with(None, batch)
    }

    /// The same, with a link of the station's own.
    pub(crate) fn write_with(
        &mut self,
        note: Option<&AuditNote>,
        batch: &Batch<'_>,
    ) -> Result<(), JournalError> {
        let written = self.try_write(note, batch);
        if written.is_err() {
            // What was rolled back must not be remembered.
            if let Ok(cache) = Cache::of(&self.conn) {
                self.cache = cache;
            }
        }
        written
    }

    fn try_write(
        &mut self,
        note: Option<&AuditNote>,
        batch: &Batch<'_>,
    ) -> Result<(), JournalError> {
        let doing = JournalError::sqlite("writing");
        let tx = self.conn.unchecked_transaction().map_err(&doing)?;
        let mut state = self.state;
        let mut beside = self.side;
        let mut tally = MinuteCounts::default();
        let mut rows = Rows::new(&tx).map_err(&doing)?;
        for entry in batch.entries {
            match entry {
                Entry::Result(result) => {
                    if rows.result(&mut self.cache, &mut tally, result)? {
                        state.pending += 1;
                        state.next_seq = state.next_seq.max(result.seq + 1);
                    }
                }
                Entry::Alarm(alarm) => {
                    side::insert_alarm(&tx, alarm).map_err(&doing)?;
                    beside.alarm(alarm);
                }
                Entry::Review(review) => side::insert_review(&tx, review).map_err(&doing)?,
                Entry::Audit(note) => {
                    self.cache.head = audit::append(&tx, self.cache.head, note).map_err(&doing)?;
                    beside.link(note);
                }
                Entry::Noted(noted) => {
                    gaps::take_note(&tx, noted, batch.now).map_err(&doing)?;
                }
            }
        }
        drop(rows);
        if let Some(note) = note {
            self.cache.head = audit::append(&tx, self.cache.head, note).map_err(&doing)?;
            beside.link(note);
        }
        tally.store(&tx).map_err(&doing)?;
        for gap in batch.gaps {
            gaps::insert(&tx, gap, batch.now, batch.nobody).map_err(&doing)?;
            state.next_seq = state.next_seq.max(gap.last + 1);
        }
        retire(&tx, &mut state, batch.acknowledged_to).map_err(&doing)?;
        if state != self.state {
            state.age_us = self.age_us;
            state::write(&tx, &state).map_err(&doing)?;
        }
        tx.commit().map_err(&doing)?;
        (self.state, self.side) = (state, beside);
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
                "INSERT OR IGNORE INTO results VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            cause: conn.prepare_cached("INSERT OR IGNORE INTO causes VALUES (?1, ?2, ?3)")?,
        })
    }

    /// False, and nothing changed, if the number is taken: its result was committed before.
    fn result(
        &mut self,
        cache: &mut Cache,
        tally: &mut MinuteCounts,
        r: &ResultEntry,
    ) -> Result<bool, JournalError> {
        let doing = JournalError::sqlite("writing a result");
        let recipe = cache
            .name(self.conn, Kind::Recipe, &r.recipe)
            .map_err(&doing)?;
        let (dictionary, body) = cache.packer.pack(self.conn, r.seq, &r.json)?;
        let row = ResultRow {
            seq: r.seq,
            decided: r.decided.0,
            event_id: *r.event_id.as_bytes(),
            codes: [r.evaluation.code(), r.disposition.code(), r.reason.code()],
            recipe,
            part_id: r.part_id.as_deref(),
            dictionary,
            body: &body,
        };
        let inserted = row.insert(&mut self.result).map_err(&doing)?;
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
