//! Seals: links of the audit trail over the checksums of the results since the seal before.
//!
//! A checksum alone can be made anew by whoever changes a result. The seal's link is hashed into the chain and published,
//! so that a changed, removed or inserted result disagrees with what others have.

use crate::entry::AuditNote;
use crate::state::State;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use sightline_domain::UtcMicros;

/// What the audit trail calls a seal.
pub(crate) const ACTION: &str = "journal.seal";
/// Results under one seal.
pub(crate) const RESULTS: u64 = 10_000;

/// What a seal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub first: u64,
    pub last: u64,
    records: u64,
    hash: String,
}

impl Seal {
    /// Over what is stored from `first` to `last`.
    pub(crate) fn over(conn: &Connection, first: u64, last: u64) -> rusqlite::Result<Self> {
        let mut sums = conn.prepare_cached(
            "SELECT seq, sum FROM results WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq",
        )?;
        let mut rows = sums.query(params![first, last])?;
        let (mut sha, mut records) = (Sha256::new(), 0);
        while let Some(row) = rows.next()? {
            sha.update(row.get::<_, i64>(0)?.to_be_bytes());
            sha.update(row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default());
            records += 1;
        }
        let hash = sha.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self {
            first,
            last,
            records,
            hash,
        })
    }

    pub(crate) fn note(&self, at: UtcMicros) -> AuditNote {
        AuditNote {
            at,
            actor: "station".into(),
            action: ACTION.into(),
            old: None,
            new: Some(self.say()),
            reason: "results as they are stored".into(),
        }
    }

    fn say(&self) -> String {
        let Self {
            first,
            last,
            records,
            hash,
        } = self;
        format!("results {first} to {last}: {records} records, sha256 {hash}")
    }

    pub(crate) fn parse(said: &str) -> Option<Self> {
        let mut words = said.split([' ', ':', ',']).filter(|w| !w.is_empty());
        let mut after = |word: &str| words.find(|w| *w == word).and_then(|_| words.next());
        let first = after("results")?.parse().ok()?;
        let last = after("to")?.parse().ok()?;
        // The number of records stands before its word.
        let records = said.split_once(": ")?.1.split_once(" records")?.0;
        Some(Self {
            first,
            last,
            records: records.parse().ok()?,
            hash: after("sha256")?.into(),
        })
    }
}

/// Up to where the newest seal reaches; without one, nothing from the first result with a checksum on.
pub(crate) fn sealed_to(conn: &Connection, state: &State) -> u64 {
    let newest = conn.query_row(
        "SELECT new FROM audit WHERE action = ?1 ORDER BY id DESC LIMIT 1",
        [ACTION],
        |row| row.get::<_, String>(0),
    );
    let sealed = newest.ok().and_then(|said| Seal::parse(&said));
    let sealed = sealed.map_or(state.checked_from.saturating_sub(1), |seal| seal.last);
    sealed.min(state.next_seq - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_seal_says_is_read_back() {
        let seal = Seal {
            first: 1,
            last: 10_000,
            records: 9_998,
            hash: "ab12".into(),
        };
        assert_eq!(Seal::parse(&seal.say()), Some(seal));
        assert_eq!(Seal::parse("results"), None);
    }
}
