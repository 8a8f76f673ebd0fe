//! A result's row, as it is written and as it is read: only what agrees with its checksum counts as read.

use crate::body::Unpacker;
use crate::codes::{Code, Kind};
use crate::proof::{CHANGED, Proof};
use crate::records::StoredResult;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use sightline_domain::{InspectionResult, UtcMicros};
use uuid::Uuid;

/// The columns that [`read`] wants, in this order.
pub(crate) const COLUMNS: &str = "r.seq, r.decided, r.event_id, r.evaluation, r.disposition, r.reason, r.recipe, r.part_id, r.dictionary, r.body, r.sum";

/// What stands in a result's row.
pub(crate) struct ResultRow<'a> {
    pub seq: u64,
    pub decided: i64,
    pub event_id: [u8; 16],
    /// Evaluation, disposition, reason.
    pub codes: [i64; 3],
    /// A name's id.
    pub recipe: i64,
    pub part_id: Option<&'a str>,
    pub dictionary: Option<i64>,
    pub body: &'a [u8],
}

impl ResultRow<'_> {
    fn proof(&self) -> Proof {
        Proof::of("result")
            .int(self.seq as i64)
            .int(self.decided)
            .bytes(&self.event_id)
            .int(self.codes[0])
            .int(self.codes[1])
            .int(self.codes[2])
            .int(self.recipe)
            .maybe(self.part_id)
            .maybe_int(self.dictionary)
            .bytes(self.body)
    }

    /// 0 if the number is taken.
    pub(crate) fn insert(&self, into: &mut CachedStatement<'_>) -> rusqlite::Result<usize> {
        let [evaluation, disposition, reason] = self.codes;
        into.execute(params![
            self.seq,
            self.decided,
            self.event_id,
            evaluation,
            disposition,
            reason,
            self.recipe,
            self.part_id,
            self.dictionary,
            self.body,
            self.proof().sum()
        ])
    }
}

/// Reads a row that must have a checksum if its number is `checked_from` or above.
///
/// # Errors
/// What is wrong with the record.
pub(crate) fn read(
    conn: &Connection,
    unpacker: &mut Unpacker,
    row: &Row<'_>,
    checked_from: u64,
) -> Result<StoredResult, String> {
    let said = |e: rusqlite::Error| e.to_string();
    let part_id: Option<String> = row.get(7).map_err(said)?;
    let body: Vec<u8> = row.get(9).map_err(said)?;
    let sum: Option<Vec<u8>> = row.get(10).map_err(said)?;
    let found = ResultRow {
        seq: row.get(0).map_err(said)?,
        decided: row.get(1).map_err(said)?,
        event_id: row.get(2).map_err(said)?,
        codes: [
            row.get(3).map_err(said)?,
            row.get(4).map_err(said)?,
            row.get(5).map_err(said)?,
        ],
        recipe: row.get(6).map_err(said)?,
        part_id: part_id.as_deref(),
        dictionary: row.get(8).map_err(said)?,
        body: &body,
    };
    let checked = sum.is_some();
    if !checked && found.seq >= checked_from {
        return Err("its checksum is missing".into());
    }
    if !found.proof().agrees(sum.as_deref()) {
        return Err(CHANGED.into());
    }
    let json = unpacker
        .unpack(conn, found.seq, found.dictionary, found.body)
        .map_err(|e| e.to_string())?;
    let [evaluation, disposition, reason] = found.codes;
    Ok(StoredResult {
        seq: found.seq,
        event_id: Uuid::from_bytes(found.event_id),
        decided: UtcMicros(found.decided),
        evaluation: Code::from_code(evaluation).map_err(said)?,
        disposition: Code::from_code(disposition).map_err(said)?,
        reason: Code::from_code(reason).map_err(said)?,
        recipe: recipe(conn, found.recipe, &json)?,
        part_id,
        json: json.into(),
        checked,
    })
}

pub(crate) fn name_proof(kind: i64, name: &str) -> Proof {
    Proof::of("name").int(kind).bytes(name.as_bytes())
}

/// A row of kind, name and checksum is what was written.
pub(crate) fn name_agrees(row: &Row<'_>) -> bool {
    let read = || -> rusqlite::Result<bool> {
        let (kind, name, sum): (i64, String, Option<Vec<u8>>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(name_proof(kind, &name).agrees(sum.as_deref()))
    };
    read().unwrap_or(false)
}

/// The recipe's name; from the body, where the name has changed.
fn recipe(conn: &Connection, id: i64, json: &[u8]) -> Result<String, String> {
    let named = conn
        .prepare_cached("SELECT name, sum FROM names WHERE id = ?1")
        .and_then(|mut s| {
            s.query_row([id], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
            })
            .optional()
        });
    if let Ok(Some((name, sum))) = named
        && name_proof(Kind::Recipe as i64, &name).agrees(sum.as_deref())
    {
        return Ok(name);
    }
    let body: Result<InspectionResult, _> = serde_json::from_slice(json);
    body.map(|b| b.recipe.external_id)
        .map_err(|_| "its recipe's name is damaged".into())
}
