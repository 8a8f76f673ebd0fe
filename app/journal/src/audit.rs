//! The audit trail: a chain in which each link's hash covers its content and the hash before it.
//!
//! Changing, removing or inserting a link breaks every hash after it. Cutting the newest links off cannot be seen from
//! the chain alone: every link is also published with its number and hash, and what others have received is the witness.
//! When the trail outgrows its budget the oldest links go; the anchor keeps the number and hash of the last that went.

use crate::entry::AuditNote;
use crate::error::is_damage;
use crate::records::AuditEntry;
use crate::{JournalError, seal};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sightline_domain::UtcMicros;

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
    /// The newest link that was removed for lack of room, 0: none was. The chain is checked from its hash on.
    pub removed_to: u64,
    /// Links that hold, from the first that is there.
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

/// The newest link as it is stored, or the anchor.
pub(crate) fn head(conn: &Connection) -> rusqlite::Result<Head> {
    let read = |row: &Row<'_>| {
        Ok(Head {
            id: row.get(0)?,
            hash: row.get(1)?,
        })
    };
    let newest = conn
        .prepare_cached("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1")?
        .query_row([], read)
        .optional()?;
    newest.map_or_else(|| anchor(conn), Ok)
}

/// The newest link that was removed.
fn anchor(conn: &Connection) -> rusqlite::Result<Head> {
    conn.query_row("SELECT id, hash FROM audit_anchor", [], |row| {
        Ok(Head {
            id: row.get(0)?,
            hash: row.get(1)?,
        })
    })
}

/// Lets a fresh journal's chain go on where another's ended.
pub(crate) fn continue_from(conn: &Connection, head: Head) -> rusqlite::Result<()> {
    conn.execute(
        "UPDATE audit_anchor SET id = ?1, hash = ?2",
        params![head.id, head.hash],
    )?;
    Ok(())
}

/// Removes the oldest quarter of the links, and notes in the chain itself that it did. Returns the new head.
pub(crate) fn trim(conn: &Connection, head: Head, at: UtcMicros) -> rusqlite::Result<Head> {
    let text =
        "SELECT id, hash FROM audit ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 4 FROM audit)";
    let before = anchor(conn)?;
    let last = conn.query_row(text, [], |row| {
        Ok(Head {
            id: row.get(0)?,
            hash: row.get(1)?,
        })
    })?;
    continue_from(conn, last)?;
    conn.execute("DELETE FROM audit WHERE id <= ?1", [last.id])?;
    let mut note = AuditNote::of_station(
        at,
        "journal.audit_trimmed",
        "the audit trail had outgrown its share of journal.max_mb; its oldest links were removed"
            .into(),
    );
    note.old = Some(format!("links {} to {}", before.id + 1, last.id));
    note.new = Some(format!(
        "the chain goes on from the hash {} of link {}",
        hex(&last.hash),
        last.id
    ));
    append(conn, head, &note)
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
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
        hash: hex(&stored),
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

/// Walks the whole chain. `seals` hears what each seal says.
pub(crate) fn verify(
    conn: &Connection,
    mut seals: impl FnMut(&AuditEntry),
) -> Result<ChainReport, JournalError> {
    let mut walk = || -> rusqlite::Result<ChainReport> {
        let mut head = anchor(conn)?;
        let mut report = ChainReport {
            removed_to: head.id,
            links: 0,
            broken: None,
        };
        let text = format!("SELECT {COLUMNS} FROM audit ORDER BY id");
        let mut statement = conn.prepare(&text)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            match next(head, row) {
                Ok((link, hash)) => {
                    head = Head { id: link.id, hash };
                    report.links += 1;
                    if link.action == seal::ACTION {
                        seals(&link);
                    }
                }
                Err(broken) => {
                    report.broken = Some(broken);
                    break;
                }
            }
        }
        Ok(report)
    };
    match walk() {
        Err(error) if is_damage(&error) => Ok(ChainReport {
            removed_to: 0,
            links: 0,
            broken: Some((0, error.to_string())),
        }),
        walked => walked.map_err(JournalError::sqlite("walking the audit trail")),
    }
}

/// The link after `head` and its hash, or what is wrong with it.
fn next(head: Head, row: &Row<'_>) -> Result<(AuditEntry, Hash), (u64, String)> {
    let expected = head.id + 1;
    let (link, stored) = entry(row).map_err(|e| (expected, e.to_string()))?;
    if link.id != expected {
        return Err((link.id, format!("expected link {expected} here")));
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
            hex(&hash)
        );
        return Err((link.id, why));
    }
    Ok((link, hash))
}
