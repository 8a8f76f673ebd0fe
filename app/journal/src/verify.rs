//! Looking at everything that is stored: the file's structure, every body, every number, every link.

use crate::audit::{self, ChainReport};
use crate::{JournalError, Reader};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Results looked at in one statement.
const CHUNK: usize = 1_000;
/// Damaged results that are named one by one.
const NAMED: usize = 100;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// What SQLite says of the file's structure; absent: sound.
    pub structure: Option<String>,
    /// Results that can be read and are what their row says.
    pub results: u64,
    /// Results that are not, the first hundred of them, and why.
    pub damaged: Vec<(u64, String)>,
    /// Numbers that have neither a result nor a note of why not: first and last of each run.
    pub missing: Vec<(u64, u64)>,
    /// The audit trail.
    pub audit: ChainReport,
}

impl VerifyReport {
    /// Nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.structure.is_none()
            && self.damaged.is_empty()
            && self.missing.is_empty()
            && self.audit.broken.is_none()
    }
}

/// Of a body, what its row says too.
#[derive(Deserialize)]
struct Identity {
    seq: u64,
    event_id: Uuid,
}

impl Reader {
    /// Looks at everything; `told` hears now and then how many results have been looked at.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn verify(&self, mut told: impl FnMut(u64)) -> Result<VerifyReport, JournalError> {
        let said: String = self
            .conn
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .map_err(JournalError::sqlite("checking the structure"))?;
        let mut report = VerifyReport {
            structure: (said != "ok").then_some(said),
            results: 0,
            damaged: Vec::new(),
            missing: Vec::new(),
            audit: audit::verify(&self.conn)?,
        };
        let noted = self.gaps()?;
        let mut last = None;
        loop {
            let seqs = self.seqs_after(last.unwrap_or(0))?;
            if seqs.is_empty() {
                return Ok(report);
            }
            for seq in seqs {
                if let Some(last) = last {
                    report.missing.extend(unnoted(last + 1, seq, &noted));
                }
                match self.look_at(seq) {
                    Ok(()) => report.results += 1,
                    Err(why) if report.damaged.len() < NAMED => report.damaged.push((seq, why)),
                    Err(_) => {}
                }
                last = Some(seq);
            }
            told(report.results);
        }
    }

    fn look_at(&self, seq: u64) -> Result<(), String> {
        let stored = self.result(seq).map_err(|e| e.to_string())?;
        let stored = stored.ok_or_else(|| "its recipe has no name".to_string())?;
        let body: Identity = serde_json::from_slice(&stored.json).map_err(|e| e.to_string())?;
        if (body.seq, body.event_id) != (seq, stored.event_id) {
            return Err(format!(
                "its body is that of {} {}",
                body.seq, body.event_id
            ));
        }
        Ok(())
    }

    fn seqs_after(&self, seq: u64) -> Result<Vec<u64>, JournalError> {
        let text = "SELECT seq FROM results WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        self.list("reading numbers", text, (seq, CHUNK as i64), |row| {
            row.get(0)
        })
    }

    /// Numbers without a row and why, first and last.
    fn gaps(&self) -> Result<Vec<(u64, u64)>, JournalError> {
        let text = "SELECT first, last FROM gaps ORDER BY first";
        self.list("reading gaps", text, [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }
}

/// The parts of `from..to` that no gap covers.
fn unnoted(mut from: u64, to: u64, gaps: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut missing = Vec::new();
    for &(first, last) in gaps {
        if last < from || first >= to {
            continue;
        }
        if first > from {
            missing.push((from, first - 1));
        }
        from = last + 1;
    }
    if from < to {
        missing.push((from, to - 1));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_gap_covers_is_missing() {
        assert_eq!(unnoted(5, 5, &[]), []);
        assert_eq!(unnoted(5, 8, &[]), [(5, 7)]);
        assert_eq!(unnoted(5, 8, &[(5, 7)]), []);
        assert_eq!(
            unnoted(5, 20, &[(1, 6), (9, 10), (12, 30)]),
            [(7, 8), (11, 11)]
        );
    }
}
