//! What the broker does not have yet is carried from a journal that was lost or damaged into the fresh one; what cannot
//! be read is noted as a gap.

use crate::entry::{Entry, ResultEntry};
use crate::gaps::Gap;
use crate::numbers::Known;
use crate::records::{Record, StoredResult};
use crate::store::{Batch, Store};
use crate::{JournalError, Reader};
use sightline_domain::{InspectionResult, UtcMicros};

/// Results carried over at most: a start must not take minutes. The rest can be exported from the old file.
const AT_MOST: u64 = 200_000;
/// The same for gaps.
const GAPS: usize = 100_000;
/// Results in one transaction.
const BATCH: usize = 500;

/// What is to be carried over.
pub(crate) struct Salvage<'a> {
    /// The old journal, if it can be read at all.
    pub from: Option<&'a Reader>,
    /// The broker has everything up to here.
    pub acknowledged_to: u64,
    /// The first number that was never given.
    pub next_seq: u64,
    /// What else is known of the numbers.
    pub known: &'a Known,
    /// What became of what cannot be carried over.
    pub why: String,
    pub nobody: bool,
    pub now: UtcMicros,
}

impl Salvage<'_> {
    /// Fills a fresh journal. Returns how many results were carried over, and how many numbers are a gap.
    pub(crate) fn fill(&self, fresh: &mut Store) -> Result<(u64, u64), JournalError> {
        fresh.state.acknowledged_to = self.acknowledged_to;
        fresh.state.removed_to = self.acknowledged_to;
        fresh.state.next_seq = fresh.state.next_seq.max(self.acknowledged_to + 1);
        // What was told of and nobody has taken note of is to be told on.
        self.write(fresh, &[], &self.open_gaps())?;
        let (mut entries, mut gaps): (Vec<Entry>, Vec<Gap>) = (Vec::new(), Vec::new());
        let (mut carried, mut lost) = (0, 0);
        let from = self.acknowledged_to + 1;
        let end = self.next_seq.min(from.saturating_add(AT_MOST));
        for seq in from..end {
            match self.from.and_then(|reader| sound(reader, seq)) {
                Some(entry) => {
                    entries.push(Entry::Result(Box::new(entry)));
                    carried += 1;
                }
                None => {
                    lost += 1;
                    match gaps.last_mut().filter(|gap| gap.last + 1 == seq) {
                        Some(gap) => gap.last = seq,
                        None => gaps.push(self.gap(seq, seq)),
                    }
                }
            }
            if entries.len() >= BATCH {
                self.write(fresh, &entries, &[])?;
                entries.clear();
            }
        }
        if end < self.next_seq {
            lost += self.next_seq - end;
            gaps.push(self.gap(end, self.next_seq - 1));
        }
        self.write(fresh, &entries, &gaps)?;
        Ok((carried, lost))
    }

    /// The gaps nobody has taken note of; where they cannot be read, one over all numbers that they may have had.
    fn open_gaps(&self) -> Vec<Gap> {
        let told = self.from.and_then(|reader| reader.gaps(true, GAPS).ok());
        let told: Vec<Gap> = told.into_iter().flatten().map(Gap::of).collect();
        match told.is_empty() {
            true => self.known.open_gaps(self.acknowledged_to).collect(),
            false => told,
        }
    }

    fn gap(&self, first: u64, last: u64) -> Gap {
        Gap {
            first,
            last,
            why: self.why.clone().into(),
        }
    }

    fn write(&self, to: &mut Store, entries: &[Entry], gaps: &[Gap]) -> Result<(), JournalError> {
        to.write(&Batch {
            entries,
            gaps,
            acknowledged_to: 0,
            nobody: self.nobody,
            now: self.now,
        })
    }
}

/// The result as it is put in again.
fn sound(reader: &Reader, seq: u64) -> Option<ResultEntry> {
    let StoredResult { json, .. } = reader.record(seq).ok().flatten().and_then(Record::sound)?;
    let result: InspectionResult = serde_json::from_slice(&json).ok()?;
    let entry = ResultEntry::new(&result, json).ok()?;
    (entry.seq == seq).then_some(entry)
}
