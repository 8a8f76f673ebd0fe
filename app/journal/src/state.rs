//! Where numbering and outbox stand: the one row of `state`, and what is made of it when it is damaged.

use crate::JournalError;
use crate::numbers::Known;
use crate::proof::Proof;
use rusqlite::{Connection, OptionalExtension, params};

/// The row of `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub next_seq: u64,
    pub acknowledged_to: u64,
    pub pending: u64,
    pub removed_unacknowledged: u64,
    /// Results up to here were removed by age or size.
    pub removed_to: u64,
    /// How long stations have run with this journal, µs.
    pub age_us: u64,
    /// Results from here on must have a checksum.
    pub checked_from: u64,
}

impl Default for State {
    /// Of a journal in which nothing was ever stored.
    fn default() -> Self {
        Self {
            next_seq: 1,
            acknowledged_to: 0,
            pending: 0,
            removed_unacknowledged: 0,
            removed_to: 0,
            age_us: 0,
            checked_from: 1,
        }
    }
}

impl State {
    fn proof(&self) -> Proof {
        Proof::of("state")
            .int(self.next_seq as i64)
            .int(self.acknowledged_to as i64)
            .int(self.pending as i64)
            .int(self.removed_unacknowledged as i64)
            .int(self.removed_to as i64)
            .int(self.age_us as i64)
            .int(self.checked_from as i64)
    }

    /// Can be true at all.
    fn is_possible(&self) -> bool {
        let most = i64::MAX as u64 / 2;
        (1..most).contains(&self.next_seq)
            && self.acknowledged_to < self.next_seq
            && self.removed_to < self.next_seq
            && self.pending < self.next_seq
            && self.age_us < most
    }
}

/// Reads it without asking whether it is sound.
pub(crate) fn read(conn: &Connection) -> rusqlite::Result<(State, Option<Vec<u8>>)> {
    conn.query_row(
        "SELECT next_seq, acknowledged_to, pending, removed_unacknowledged, removed_to, age_us, checked_from, sum FROM state",
        [],
        |row| {
            let state = State {
                next_seq: row.get(0)?,
                acknowledged_to: row.get(1)?,
                pending: row.get(2)?,
                removed_unacknowledged: row.get(3)?,
                removed_to: row.get(4)?,
                age_us: row.get(5)?,
                checked_from: row.get(6)?,
            };
            Ok((state, row.get(7)?))
        },
    )
}

/// What it says agrees with its checksum.
pub(crate) fn is_sound(conn: &Connection) -> rusqlite::Result<bool> {
    let (state, sum) = read(conn)?;
    Ok(state.proof().agrees(sum.as_deref()) && state.is_possible())
}

pub(crate) fn write(conn: &Connection, state: &State) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE state SET next_seq = ?1, acknowledged_to = ?2, pending = ?3, removed_unacknowledged = ?4,
            removed_to = ?5, age_us = ?6, checked_from = ?7, sum = ?8",
    )?
    .execute(params![
        state.next_seq,
        state.acknowledged_to,
        state.pending,
        state.removed_unacknowledged,
        state.removed_to,
        state.age_us,
        state.checked_from,
        state.proof().sum(),
    ])?;
    Ok(())
}

/// The state, sound or made anew from everything else that is known. True: it was made anew.
///
/// # Errors
/// Neither can be read.
pub(crate) fn recover(conn: &Connection, known: &Known) -> Result<(State, bool), JournalError> {
    if let Ok((state, sum)) = read(conn)
        && state.proof().agrees(sum.as_deref())
        && state.is_possible()
    {
        return Ok((state, false));
    }
    let made = rebuild(conn, known).map_err(JournalError::sqlite("making the state anew"))?;
    Ok((made, true))
}

/// What the results and the numbers beside the journal say. Where they leave a doubt, results are sent again.
fn rebuild(conn: &Connection, known: &Known) -> rusqlite::Result<State> {
    let number = |text: &str| -> rusqlite::Result<u64> {
        let found: Option<Option<u64>> = conn.query_row(text, [], |row| row.get(0)).optional()?;
        Ok(found.flatten().unwrap_or(0))
    };
    let highest = number("SELECT max(seq) FROM results")?
        .max(number("SELECT max(last) FROM gaps")?)
        .max(known.committed.unwrap_or(0));
    let next_seq = (highest + 1).max(known.next());
    let first = number("SELECT min(seq) FROM results")?;
    let acknowledged_to = known.acknowledged.min(next_seq - 1);
    let pending = conn.query_row(
        "SELECT count(*) FROM results WHERE seq > ?1",
        [acknowledged_to],
        |row| row.get(0),
    )?;
    let state = State {
        next_seq,
        acknowledged_to,
        pending,
        removed_unacknowledged: 0,
        removed_to: first.saturating_sub(1),
        age_us: number("SELECT max(age_us) FROM ages")?,
        checked_from: number("SELECT min(seq) FROM results WHERE sum IS NOT NULL")?.max(1),
    };
    conn.execute(
        "INSERT OR IGNORE INTO state VALUES (1, 1, 0, 0, 0, 0, 0, 1, NULL)",
        [],
    )?;
    write(conn, &state)?;
    Ok(state)
}
