//! The audit trail: a chain in which each link's hash covers its content and the hash before it.
//!
//! Changing, removing or inserting a link breaks every hash after it. Cutting the newest links off cannot be seen from
//! the chain alone: every link is also published, and the published hash is the witness.

use crate::JournalError;
use crate::entry::AuditNote;
use crate::records::AuditEntry;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sightline_model::UtcMicros;

pub(crate) type Hash = [u8; 32];

/// The newest link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    pub id: u64,
    pub hash: Hash,
}

/// What `verify` says of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Links that hold, from the first.
    pub links: u64,
    /// The first link that does not, and what is wrong with it.
    pub broken: Option<(u64, String)>,
}

/// SHA-256 over the hash before, the link's number and time, and its fields, each with its length, so that no two
/// different links give the same bytes.
fn hash(before: &Hash, id: u64, at: UtcMicros, fields: [Option<&str>; 5]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(before);
    sha.update(id.to_be_bytes());
    sha.update(at.0.to_be_bytes());
    for field in fields {
        sha.update([u8::from(field.is_some())]);
        let text = field.unwrap_or_default();
        sha.update((text.len() as u64).to_be_bytes());
        sha.update(text);
    }
    sha.finalize().into()
}

/// Adds a link and returns the new head.
pub(crate) fn append(conn: &Connection, head: Head, note: &AuditNote) -> rusqlite::Result<Head> {
    let id = head.id + 1;
    let fields = [
        Some(note.actor.as_str()),
        Some(note.action.as_str()),
        note.old.as_deref(),
        note.new.as_deref(),
        Some(note.reason.as_str()),
    ];
    let hash = hash(&head.hash, id, note.at, fields);
    conn.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            id,
            note.at.0,
            note.actor,
            note.action,
            note.old,
            note.new,
            note.reason,
            hash
        ])?;
    Ok(Head { id, hash })
}

/// The newest link as it is stored.
pub(crate) fn head(conn: &Connection) -> rusqlite::Result<Head> {
    let newest = conn
        .prepare_cached("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Head {
                id: row.get(0)?,
                hash: row.get(1)?,
            })
        })
        .optional()?;
    Ok(newest.unwrap_or_default())
}

const COLUMNS: &str = "id, at, actor, action, old, new, reason, hash";

fn entry(row: &Row<'_>) -> rusqlite::Result<(AuditEntry, Vec<u8>)> {
    let stored: Vec<u8> = row.get(7)?;
    let entry = AuditEntry {
        id: row.get(0)?,
        at: UtcMicros(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        old: row.get(4)?,
        new: row.get(5)?,
        reason: row.get(6)?,
        hash: stored.iter().map(|b| format!("{b:02x}")).collect(),
    };
    Ok((entry, stored))
}

/// Links after `id`, oldest first.
pub(crate) fn after(
    conn: &Connection,
    id: u64,
    limit: usize,
) -> Result<Vec<AuditEntry>, JournalError> {
    let text = format!("SELECT {COLUMNS} FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2");
    conn.prepare_cached(&text)
        .and_then(|mut s| {
            s.query_map(params![id, limit as i64], |row| Ok(entry(row)?.0))?
                .collect()
        })
        .map_err(JournalError::sqlite("reading the audit trail"))
}

/// The newest links, newest first.
pub(crate) fn latest(conn: &Connection, limit: usize) -> Result<Vec<AuditEntry>, JournalError> {
    let text = format!("SELECT {COLUMNS} FROM audit ORDER BY id DESC LIMIT ?1");
    conn.prepare_cached(&text)
        .and_then(|mut s| {
            s.query_map([limit as i64], |row| Ok(entry(row)?.0))?
                .collect()
        })
        .map_err(JournalError::sqlite("reading the audit trail"))
}

/// Walks the whole chain.
pub(crate) fn verify(conn: &Connection) -> Result<ChainReport, JournalError> {
    let walk = || -> rusqlite::Result<ChainReport> {
        let mut head = Head::default();
        let text = format!("SELECT {COLUMNS} FROM audit ORDER BY id");
        let mut statement = conn.prepare(&text)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (link, stored) = entry(row)?;
            let broken = |why: String| ChainReport {
                links: head.id,
                broken: Some((link.id, why)),
            };
            let expected = head.id + 1;
            if link.id != expected {
                return Ok(broken(format!("expected link {expected} here")));
            }
            let fields = [
                Some(link.actor.as_str()),
                Some(link.action.as_str()),
                link.old.as_deref(),
                link.new.as_deref(),
                Some(link.reason.as_str()),
            ];
            let hash = hash(&head.hash, link.id, link.at, fields);
            if hash[..] != stored[..] {
                let why = format!(
                    "its hash is {}, but its content and the link before give {}",
                    link.hash,
                    hash.iter().map(|b| format!("{b:02x}")).collect::<String>()
                );
                return Ok(broken(why));
            }
            head = Head { id: link.id, hash };
        }
        Ok(ChainReport {
            links: head.id,
            broken: None,
        })
    };
    walk().map_err(JournalError::sqlite("walking the audit trail"))
}
