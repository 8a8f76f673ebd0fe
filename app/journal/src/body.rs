//! Result bodies: zstd against a dictionary made of the run's own first results.
//!
//! Results of one run repeat nearly everything (station, recipe, models, hashes, field names). Compressed alone a body
//! shrinks to about half; against four others of its run to about a tenth (`benches/journal.rs` prints both).
//! A dictionary is raw content, stored in the journal beside the bodies that need it.

use crate::JournalError;
use crate::proof::Proof;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use zstd::bulk::{Compressor, Decompressor};

/// Higher levels gain little on bodies of a few KiB and cost the writer its rate.
const LEVEL: i32 = 1;
/// Results a dictionary is made of, and its size at most, bytes.
const SAMPLES: usize = 4;
const MAX_DICTIONARY: usize = 32 << 10;
/// After so many bodies a new one is made: recipe and cameras may have changed.
const RENEW_AFTER: u32 = 50_000;
/// Nothing larger is ever unpacked, bytes.
const MAX_BODY: usize = 64 << 20;

/// Packs bodies, on the writer's thread.
pub(crate) struct Packer {
    plain: Compressor<'static>,
    samples: Vec<u8>,
    sampled: usize,
    current: Option<(i64, Compressor<'static>, u32)>,
}

impl Packer {
    pub(crate) fn new() -> Result<Self, JournalError> {
        Ok(Self {
            plain: with_checksum(Compressor::new(LEVEL)).map_err(|e| body_error(0, &e))?,
            samples: Vec::new(),
            sampled: 0,
            current: None,
        })
    }

    /// Packs one body; makes and stores a dictionary where it is time to. Returns the dictionary's id.
    pub(crate) fn pack(
        &mut self,
        conn: &Connection,
        seq: u64,
        json: &[u8],
    ) -> Result<(Option<i64>, Vec<u8>), JournalError> {
        if let Some((id, packer, used)) = &mut self.current
            && *used < RENEW_AFTER
        {
            *used += 1;
            let body = packer.compress(json).map_err(|e| body_error(seq, &e))?;
            return Ok((Some(*id), body));
        }
        self.samples.extend_from_slice(json);
        self.sampled += 1;
        if self.sampled >= SAMPLES {
            self.learn(conn, seq)?;
        }
        let body = self.plain.compress(json).map_err(|e| body_error(seq, &e))?;
        Ok((None, body))
    }

    fn learn(&mut self, conn: &Connection, seq: u64) -> Result<(), JournalError> {
        // The end is what zstd finds cheapest, so the oldest goes.
        let from = self.samples.len().saturating_sub(MAX_DICTIONARY);
        let content = self.samples.split_off(from);
        let text = "INSERT INTO dictionaries (content, copy, sum) VALUES (?1, ?1, ?2)";
        conn.prepare_cached(text)
            .and_then(|mut s| s.insert(params![content, proof(&content).sum()]))
            .map_err(JournalError::sqlite("storing a dictionary"))
            .and_then(|id| {
                let packer = with_checksum(Compressor::with_dictionary(LEVEL, &content));
                self.current = Some((id, packer.map_err(|e| body_error(seq, &e))?, 0));
                Ok(())
            })?;
        self.samples.clear();
        self.sampled = 0;
        Ok(())
    }
}

/// The packed body carries a checksum of the unpacked one, so that a dictionary that has changed is found as well.
fn with_checksum(
    packer: std::io::Result<Compressor<'static>>,
) -> std::io::Result<Compressor<'static>> {
    let mut packer = packer?;
    packer.include_checksum(true)?;
    Ok(packer)
}

fn proof(content: &[u8]) -> Proof {
    Proof::of("dictionary").bytes(content)
}

/// Unpacks bodies, keeping the dictionaries it has met.
#[derive(Default)]
pub(crate) struct Unpacker {
    known: HashMap<Option<i64>, Decompressor<'static>>,
}

impl Unpacker {
    pub(crate) fn unpack(
        &mut self,
        conn: &Connection,
        seq: u64,
        dictionary: Option<i64>,
        body: &[u8],
    ) -> Result<Vec<u8>, JournalError> {
        let unpacker = match self.known.entry(dictionary) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let unpacker = match dictionary {
                    None => Decompressor::new(),
                    Some(id) => Decompressor::with_dictionary(&content(conn, seq, id)?),
                };
                new.insert(unpacker.map_err(|e| body_error(seq, &e))?)
            }
        };
        let size = zstd::zstd_safe::get_frame_content_size(body).ok().flatten();
        let size = size
            .and_then(|s| usize::try_from(s).ok())
            .filter(|s| *s <= MAX_BODY);
        let size = size.ok_or_else(|| body_error(seq, &"its length is not one"))?;
        unpacker
            .decompress(body, size)
            .map_err(|e| body_error(seq, &e))
    }
}

/// A dictionary, or its second copy where the first has changed.
fn content(conn: &Connection, seq: u64, id: i64) -> Result<Vec<u8>, JournalError> {
    let text = "SELECT content, copy, sum FROM dictionaries WHERE id = ?1";
    let found = conn
        .prepare_cached(text)
        .and_then(|mut s| s.query_row([id], copies).optional())
        .map_err(JournalError::sqlite("reading a dictionary"))?;
    let (copies, sum) =
        found.ok_or_else(|| body_error(seq, &format!("dictionary {id} is not there")))?;
    let sound = copies
        .into_iter()
        .flatten()
        .find(|content| proof(content).agrees(sum.as_deref()));
    sound.ok_or_else(|| body_error(seq, &format!("dictionary {id} has changed")))
}

type Copies = [Option<Vec<u8>>; 2];

fn copies(row: &Row<'_>) -> rusqlite::Result<(Copies, Option<Vec<u8>>)> {
    // A copy of the wrong type is one that has changed.
    Ok((
        [row.get(0).ok(), row.get(1).unwrap_or_default()],
        row.get(2).unwrap_or_else(|_| Some(Vec::new())),
    ))
}

/// Dictionaries of which a copy has changed, for the look at everything.
pub(crate) fn changed_dictionaries(conn: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut all = conn.prepare("SELECT content, copy, sum, id FROM dictionaries")?;
    let found = all.query_map([], |row| {
        let (copies, sum) = copies(row)?;
        let sound = |c: &Vec<u8>| proof(c).agrees(sum.as_deref());
        let whole = copies.iter().flatten().all(sound) && copies[0].is_some();
        Ok((!whole).then_some(row.get(3)?))
    })?;
    found.filter_map(Result::transpose).collect()
}

fn body_error(seq: u64, why: &dyn std::fmt::Display) -> JournalError {
    JournalError::Body {
        seq,
        why: why.to_string(),
    }
}
