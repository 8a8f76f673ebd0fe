//! Numbers that have no sound result: noted once, told until somebody has taken note.

use crate::proof::Proof;
use crate::records::GapRecord;
use crate::verify::unnoted;
use rusqlite::{Connection, Row, params};
use sightline_domain::UtcMicros;
use std::borrow::Cow;

/// Numbers that will have no row, or whose row is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub first: u64,
    pub last: u64,
    pub why: Cow<'static, str>,
}

impl Gap {
    /// As it was noted before.
    pub(crate) fn of(noted: GapRecord) -> Self {
        Self {
            first: noted.first,
            last: noted.last,
            why: noted.why.into(),
        }
    }
}

/// Somebody has taken note of the gaps within these numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub first: u64,
    pub last: u64,
    pub by: String,
}

fn proof(gap: &GapRecord) -> Proof {
    Proof::of("gap")
        .int(gap.first as i64)
        .int(gap.last as i64)
        .int(gap.at.0)
        .bytes(gap.why.as_bytes())
        .maybe_int(gap.acknowledged.map(|at| at.0))
        .maybe(gap.by.as_deref())
}

/// Notes what of a gap is not noted yet. With `nobody`, there is nobody to be told.
pub(crate) fn insert(
    conn: &Connection,
    gap: &Gap,
    at: UtcMicros,
    nobody: bool,
) -> rusqlite::Result<()> {
    let text = "SELECT first, last, at, why, acknowledged, by, sum FROM gaps
        WHERE first <= ?2 AND last >= ?1 ORDER BY first";
    let known: Vec<(u64, u64)> = conn
        .prepare_cached(text)?
        .query_map(params![gap.first, gap.last], |row| Ok(read(row).ok()))?
        .filter_map(|found| match found {
            Ok(Some((gap, true))) => Some(Ok((gap.first, gap.last))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect::<rusqlite::Result<_>>()?;
    for (first, last) in unnoted(gap.first, gap.last + 1, &known) {
        let why = gap.why.clone();
        insert_new(conn, &Gap { first, last, why }, at, nobody)?;
    }
    Ok(())
}

/// One that goes on where the last one ended makes that longer.
fn insert_new(conn: &Connection, gap: &Gap, at: UtcMicros, nobody: bool) -> rusqlite::Result<()> {
    let mut record = GapRecord {
        first: gap.first,
        last: gap.last,
        at,
        why: gap.why.to_string(),
        acknowledged: nobody.then_some(at),
        by: nobody.then(|| "station".into()),
    };
    let newest = conn
        .prepare_cached("SELECT first, last, at, why, acknowledged, by, sum, rowid FROM gaps ORDER BY rowid DESC LIMIT 1")?
        .query_row([], |row| Ok((read(row)?, row.get::<_, i64>(7)?)));
    if let Ok(((before, true), id)) = newest
        && before.last + 1 == gap.first
        && before.why == record.why
        && before.acknowledged.is_none() == record.acknowledged.is_none()
    {
        record.first = before.first;
        conn.prepare_cached("DELETE FROM gaps WHERE rowid = ?1")?
            .execute([id])?;
    }
    put(conn, &record)
}

fn put(conn: &Connection, gap: &GapRecord) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO gaps (first, last, at, why, acknowledged, by, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        gap.first,
        gap.last,
        gap.at.0,
        gap.why,
        gap.acknowledged.map(|at| at.0),
        gap.by,
        proof(gap).sum()
    ])?;
    Ok(())
}

/// Takes note of the gaps that lie within. Returns how many numbers those are.
pub(crate) fn take_note(conn: &Connection, noted: &Noted, at: UtcMicros) -> rusqlite::Result<u64> {
    let text = "SELECT first, last, at, why, acknowledged, by, sum FROM gaps
        WHERE acknowledged IS NULL AND first >= ?1 AND last <= ?2";
    let within: Vec<(GapRecord, bool)> = conn
        .prepare_cached(text)?
        .query_map(params![noted.first, noted.last], read)?
        .collect::<rusqlite::Result<_>>()?;
    let mut numbers = 0;
    for (gap, _) in within {
        numbers += gap.last - gap.first + 1;
        conn.prepare_cached(
            "DELETE FROM gaps WHERE acknowledged IS NULL AND first = ?1 AND last = ?2",
        )?
        .execute(params![gap.first, gap.last])?;
        put(
            conn,
            &GapRecord {
                acknowledged: Some(at),
                by: Some(noted.by.clone()),
                ..gap
            },
        )?;
    }
    Ok(numbers)
}

/// A gap, and whether its checksum agrees.
fn read(row: &Row<'_>) -> rusqlite::Result<(GapRecord, bool)> {
    let gap = GapRecord {
        first: row.get(0)?,
        last: row.get(1)?,
        at: UtcMicros(row.get(2)?),
        why: row.get(3)?,
        acknowledged: row.get::<_, Option<i64>>(4)?.map(UtcMicros),
        by: row.get(5)?,
    };
    let sum: Option<Vec<u8>> = row.get(6)?;
    let sound = proof(&gap).agrees(sum.as_deref()) && gap.first <= gap.last;
    Ok((gap, sound))
}

/// Gaps from the lowest number, the sound ones; `open`: only those nobody has taken note of.
pub(crate) fn list(
    conn: &Connection,
    open: bool,
    limit: usize,
) -> rusqlite::Result<Vec<GapRecord>> {
    let text = "SELECT first, last, at, why, acknowledged, by, sum FROM gaps
        WHERE NOT ?1 OR acknowledged IS NULL ORDER BY first LIMIT ?2";
    let mut all = conn.prepare_cached(text)?;
    let mut rows = all.query(params![open, limit as i64])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // One that has changed says nothing that can be relied on: its numbers count as not noted.
        if let Ok((gap, true)) = read(row) {
            found.push(gap);
        }
    }
    Ok(found)
}

/// The lowest number of those that nobody has taken note of; 0: none.
pub(crate) fn lowest_open(conn: &Connection) -> rusqlite::Result<u64> {
    let text = "SELECT coalesce(min(first), 0) FROM gaps WHERE acknowledged IS NULL";
    conn.prepare_cached(text)?.query_row([], |row| row.get(0))
}

/// A gap whose record has changed since it was written.
pub(crate) struct Changed {
    id: i64,
    /// The numbers that it says now, where it says any.
    pub said: Option<(u64, u64)>,
}

/// How many have changed since they were written.
pub(crate) fn changed(conn: &Connection) -> rusqlite::Result<u64> {
    let mut all = conn.prepare("SELECT first, last, at, why, acknowledged, by, sum FROM gaps")?;
    let mut rows = all.query([])?;
    let mut changed = 0;
    while let Some(row) = rows.next()? {
        changed += u64::from(!matches!(read(row), Ok((_, true))));
    }
    Ok(changed)
}

/// The same one by one, in a journal of today's layout.
pub(crate) fn changed_ones(conn: &Connection) -> rusqlite::Result<Vec<Changed>> {
    let mut all =
        conn.prepare("SELECT first, last, at, why, acknowledged, by, sum, rowid FROM gaps")?;
    let mut rows = all.query([])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        if !matches!(read(row), Ok((_, true))) {
            let said = row.get(0).and_then(|first| Ok((first, row.get(1)?)));
            let (id, said) = (row.get(7)?, said.ok());
            changed.push(Changed { id, said });
        }
    }
    Ok(changed)
}

/// Takes those out that have been noted anew.
pub(crate) fn remove(conn: &Connection, changed: &[Changed]) -> rusqlite::Result<()> {
    let mut one = conn.prepare("DELETE FROM gaps WHERE rowid = ?1")?;
    changed
        .iter()
        .try_for_each(|gap| one.execute([gap.id]).map(drop))
}

/// Runs of numbers above `from` and below `end` that have no row.
pub(crate) fn without_row(
    conn: &Connection,
    from: u64,
    end: u64,
) -> rusqlite::Result<Vec<(u64, u64)>> {
    let text = "SELECT before + 1, seq - 1 FROM
        (SELECT seq, lag(seq, 1, ?1) OVER (ORDER BY seq) AS before FROM
            (SELECT seq FROM results WHERE seq > ?1 AND seq < ?2 UNION ALL SELECT ?2))
        WHERE seq > before + 1";
    let mut runs = conn.prepare(text)?;
    let runs = runs.query_map(params![from, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
    runs.collect()
}
