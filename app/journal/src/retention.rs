//! What is removed, in which order: acknowledged results by age, then by size; unacknowledged ones only by size, and
//! only when nothing else is left. The audit trail, reviews, alarms and counts stay.

use crate::JournalError;
use crate::store::{Gap, State, Store, insert_gap, write_state};
use rusqlite::{Connection, params};
use sightline_model::UtcMicros;
use std::time::Duration;

/// Results removed at a time: short, so that commits do not wait.
const AT_ONCE: usize = 1_000;
/// Pages given back to the file system at a time.
const PAGES_AT_ONCE: i64 = 256;

/// What may stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub keep: Duration,
    pub max_bytes: u64,
}

/// Removes a little. Returns how many results went that the broker never had.
pub(crate) fn sweep(
    store: &mut Store,
    limits: &Limits,
    now: UtcMicros,
) -> Result<u64, JournalError> {
    let doing = JournalError::sqlite("removing old results");
    let state = store.state;
    let over = used_bytes(&store.conn).map_err(&doing)? > limits.max_bytes;
    let oldest_kept = now.0.saturating_sub(limits.keep.as_micros() as i64);
    let mut last = expired(
        &store.conn,
        &state,
        if over { i64::MAX } else { oldest_kept },
    )
    .map_err(&doing)?;
    let mut unacknowledged = false;
    if over && last.is_none() {
        last = oldest(&store.conn).map_err(&doing)?;
        unacknowledged = last.is_some();
    }
    let Some(last) = last else {
        return give_back(&store.conn).map(|()| 0).map_err(&doing);
    };
    let mut next = state;
    let mut remove = || -> rusqlite::Result<State> {
        let tx = store.conn.unchecked_transaction()?;
        let first: u64 = tx.query_row("SELECT min(seq) FROM results", [], |row| row.get(0))?;
        tx.prepare_cached("DELETE FROM causes WHERE seq <= ?1")?
            .execute([last])?;
        let removed = tx
            .prepare_cached("DELETE FROM results WHERE seq <= ?1")?
            .execute([last])?;
        tx.prepare_cached(
            "DELETE FROM dictionaries WHERE id <
             (SELECT dictionary FROM results WHERE dictionary IS NOT NULL ORDER BY seq LIMIT 1)",
        )?
        .execute([])?;
        if unacknowledged {
            let why = "removed before the broker had them: the journal was full";
            insert_gap(&tx, &Gap { first, last, why }, now)?;
            next.pending = next.pending.saturating_sub(removed as u64);
            next.removed_unacknowledged += removed as u64;
            write_state(&tx, &next)?;
        }
        tx.commit()?;
        Ok(next)
    };
    store.state = remove().map_err(&doing)?;
    Ok(store.state.removed_unacknowledged - state.removed_unacknowledged)
}

/// Bytes in use, free pages not counted.
pub(crate) fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// The last of the oldest acknowledged results that were decided before `oldest_kept`.
fn expired(conn: &Connection, state: &State, oldest_kept: i64) -> rusqlite::Result<Option<u64>> {
    let mut oldest = conn
        .prepare_cached("SELECT seq, decided FROM results WHERE seq <= ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = oldest.query(params![state.acknowledged_to, AT_ONCE as i64])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= oldest_kept {
            break;
        }
        last = Some(row.get(0)?);
    }
    Ok(last)
}

/// The last of the oldest results, whether acknowledged or not.
fn oldest(conn: &Connection) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT max(seq) FROM (SELECT seq FROM results ORDER BY seq LIMIT ?1)")?
        .query_row([AT_ONCE as i64], |row| row.get(0))
}

/// Returns free pages to the file system, so that the file shrinks after an outage.
fn give_back(conn: &Connection) -> rusqlite::Result<()> {
    let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > PAGES_AT_ONCE {
        conn.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    }
    Ok(())
}
