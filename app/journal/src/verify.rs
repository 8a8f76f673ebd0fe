//! Looking at everything that is stored: the file's structure, every record, every number, every link and seal.

use crate::audit::{self, ChainReport};
use crate::error::is_damage;
use crate::records::{Record, StoredResult};
use crate::seal::Seal;
use crate::{JournalError, Reader, body, gaps, side, state};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Results looked at in one statement.
const CHUNK: usize = 1_000;
/// Damaged results and seals that are named one by one.
const NAMED: usize = 1_000;
/// Ranges without a result, likewise.
const RANGES: usize = 100_000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// What SQLite says of the file's structure; absent: sound.
    pub structure: Option<String>,
    /// Results that are what was stored.
    pub results: u64,
    /// Of those, the ones stored by a version that made no checksums.
    pub without_checksum: u64,
    /// How many results are damaged.
    pub damaged_results: u64,
    /// Which, the first thousand of them, and why.
    pub damaged: Vec<(u64, String)>,
    /// Numbers that have neither a result nor a note of why not: first and last of each run.
    pub missing: Vec<(u64, u64)>,
    /// Other records that are not what was stored.
    pub other: Vec<String>,
    /// The audit trail.
    pub audit: ChainReport,
    /// Seals in it whose results are still there and agree.
    pub seals: u64,
    /// Seals that do not agree with the results: first and last number.
    pub broken_seals: Vec<(u64, u64)>,
}

impl VerifyReport {
    /// Nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.structure.is_none()
            && self.damaged_results == 0
            && self.missing.is_empty()
            && self.other.is_empty()
            && self.audit.broken.is_none()
            && self.broken_seals.is_empty()
    }

    fn take(&mut self, record: &Record) {
        let why = match record {
            Record::Sound(result) => match looks_like_itself(result) {
                Ok(()) => {
                    self.results += 1;
                    self.without_checksum += u64::from(!result.checked);
                    return;
                }
                Err(why) => why,
            },
            Record::Damaged { why, .. } => why.clone(),
        };
        self.damaged_results += 1;
        if self.damaged.len() < NAMED {
            self.damaged.push((record.seq(), why));
        }
    }
}

/// Of a body, what its row says too.
#[derive(Deserialize)]
struct Identity {
    seq: u64,
    event_id: Uuid,
}

fn looks_like_itself(stored: &StoredResult) -> Result<(), String> {
    let body: Identity = serde_json::from_slice(&stored.json).map_err(|e| e.to_string())?;
    if (body.seq, body.event_id) != (stored.seq, stored.event_id) {
        return Err(format!(
            "its body is that of {} {}",
            body.seq, body.event_id
        ));
    }
    Ok(())
}

impl Reader {
    /// Looks at everything; `told` hears now and then how many results have been looked at.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn verify(&self, mut told: impl FnMut(u64)) -> Result<VerifyReport, JournalError> {
        let mut sealed: Vec<Seal> = Vec::new();
        let audit = audit::verify(&self.conn, |link| {
            sealed.extend(link.new.as_deref().and_then(Seal::parse));
        })?;
        let mut report = VerifyReport {
            structure: self.structure()?,
            results: 0,
            without_checksum: 0,
            damaged_results: 0,
            damaged: Vec::new(),
            missing: Vec::new(),
            other: Vec::new(),
            audit,
            seals: 0,
            broken_seals: Vec::new(),
        };
        let state = state::read(&self.conn).ok();
        let removed_to = state.as_ref().map_or(0, |(state, _)| state.removed_to);
        let noted: Vec<(u64, u64)> = match self.gaps(false, RANGES) {
            Ok(gaps) => gaps.iter().map(|gap| (gap.first, gap.last)).collect(),
            Err(error) if error.is_damage() => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut last = removed_to;
        loop {
            let records = self.records_after(last, CHUNK)?;
            let Some(newest) = records.last().map(Record::seq) else {
                break;
            };
            for record in &records {
                report
                    .missing
                    .extend(unnoted(last + 1, record.seq(), &noted));
                report.take(record);
                last = record.seq();
            }
            last = newest;
            told(report.results);
        }
        let end = self.end().unwrap_or(last + 1);
        report.missing.extend(unnoted(last + 1, end, &noted));
        self.look_at_seals(&mut report, &sealed, removed_to)?;
        self.look_beside(&mut report)?;
        Ok(report)
    }

    fn structure(&self) -> Result<Option<String>, JournalError> {
        let said: rusqlite::Result<String> =
            self.conn
                .pragma_query_value(None, "integrity_check", |row| row.get(0));
        match said {
            Ok(said) => Ok((said != "ok").then_some(said)),
            Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(JournalError::sqlite("checking the structure")(error)),
        }
    }

    fn look_at_seals(
        &self,
        report: &mut VerifyReport,
        sealed: &[Seal],
        removed_to: u64,
    ) -> Result<(), JournalError> {
        for seal in sealed.iter().filter(|seal| seal.first > removed_to) {
            match Seal::over(&self.conn, seal.first, seal.last) {
                Ok(now) if now == *seal => report.seals += 1,
                Err(error) if !is_damage(&error) => {
                    return Err(JournalError::sqlite("reading checksums")(error));
                }
                _ if report.broken_seals.len() < NAMED => {
                    report.broken_seals.push((seal.first, seal.last));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Everything that is no result and no link.
    fn look_beside(&self, report: &mut VerifyReport) -> Result<(), JournalError> {
        let count = |what: &str, changed: rusqlite::Result<u64>| match changed {
            Ok(0) => Ok(None),
            Ok(n) => Ok(Some(format!("{what}: {n} not what was written"))),
            Err(error) if is_damage(&error) => Ok(Some(format!("{what}: {error}"))),
            Err(error) => Err(JournalError::sqlite("reading")(error)),
        };
        let text = format!("SELECT {} FROM alarms", side::ALARM);
        let alarms = self.changed(&text, |row| side::read_alarm(row).is_none());
        let text = format!("SELECT {} FROM reviews", side::REVIEW);
        let reviews = self.changed(&text, |row| side::read_review(row).is_none());
        let names = self.changed("SELECT kind, name, sum FROM names", |row| {
            !crate::row::name_agrees(row)
        });
        let dictionaries = body::changed_dictionaries(&self.conn).map(|ids| ids.len() as u64);
        let state = state::is_sound(&self.conn).map(|sound| u64::from(!sound));
        report.other.extend(
            [
                count("alarms", alarms)?,
                count("reviews", reviews)?,
                count("names", names)?,
                count("dictionaries", dictionaries)?,
                count("gaps", gaps::changed(&self.conn))?,
                count("the state", state)?,
            ]
            .into_iter()
            .flatten(),
        );
        Ok(())
    }

    fn changed(
        &self,
        text: &str,
        has: impl Fn(&rusqlite::Row<'_>) -> bool,
    ) -> rusqlite::Result<u64> {
        let mut all = self.conn.prepare(text)?;
        let mut rows = all.query([])?;
        let mut changed = 0;
        while let Some(row) = rows.next()? {
            changed += u64::from(has(row));
        }
        Ok(changed)
    }
}

/// The parts of `from..to` that no gap covers.
pub(crate) fn unnoted(mut from: u64, to: u64, gaps: &[(u64, u64)]) -> Vec<(u64, u64)> {
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
