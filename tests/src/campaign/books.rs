//! What the subscriber heard against what the journal holds.

use super::subscriber::Heard;
use serde::Serialize;
use sightline_journal::Reader;
use sightline_model::InspectionResult;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use uuid::Uuid;

/// The counts of a campaign.
#[derive(Debug, Default, Serialize)]
pub struct Books {
    /// Results in the journal.
    pub committed: u64,
    /// Messages that the subscriber got.
    pub messages: u64,
    /// Of these, with an `event_id` that it had seen.
    pub duplicates: u64,
    /// Of these, marked as sent after an outage.
    pub replayed: u64,
    /// Results that were decided earlier than the one before them, by the wall clock.
    pub clock_went_back: u64,
    /// Runs of results in the journal that were never heard, first and last.
    pub missing: Vec<(u64, u64)>,
    /// Everything that must not be: none is good.
    pub complaints: Vec<String>,
}

/// Compares. Complaints beyond the first twenty are cut off.
pub fn compare(folder: &Path, heard: &[Heard]) -> Books {
    let mut books = Books {
        messages: heard.len() as u64,
        ..Books::default()
    };
    let mut seen: HashMap<Uuid, u64> = HashMap::new();
    let mut order: Vec<(u64, InspectionResult)> = Vec::new();
    for (_, payload) in heard {
        let result: InspectionResult = match serde_json::from_str(payload) {
            Ok(result) => result,
            Err(error) => {
                books.complain(format!("not a result ({error}): {payload}"));
                continue;
            }
        };
        books.replayed += u64::from(result.replayed);
        match seen.insert(result.event_id, result.seq) {
            None => order.push((result.seq, result)),
            Some(seq) if seq == result.seq => books.duplicates += 1,
            Some(seq) => books.complain(format!("one event_id for {seq} and {}", result.seq)),
        }
    }
    for pair in order.windows(2) {
        if pair[1].0 != pair[0].0 + 1 {
            books.complain(format!("{} was heard first after {}", pair[1].0, pair[0].0));
        }
    }
    books.against_the_journal(folder, &order);
    books.complaints.truncate(20);
    books
}

impl Books {
    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    fn miss(&mut self, seq: u64) {
        match self.missing.last_mut().filter(|(_, last)| last + 1 == seq) {
            Some((_, last)) => *last = seq,
            None => self.missing.push((seq, seq)),
        }
    }

    /// Two results that follow each other: within a run, ids do not go back in time although the clock may.
    fn in_order(&mut self, before: &InspectionResult, result: &InspectionResult) {
        // RFC 3339 in UTC with as many digits each sorts as it reads.
        self.clock_went_back += u64::from(result.times.decided < before.times.decided);
        // RFC 9562, 5.7: the first 48 bits are milliseconds.
        let ms = |r: &InspectionResult| r.event_id.as_u128() >> 80;
        if before.boot_id == result.boot_id && ms(result) < ms(before) {
            let (seq, id) = (result.seq, result.event_id);
            self.complain(format!(
                "{seq} has an earlier event_id ({id}) than the one before it"
            ));
        }
    }

    fn against_the_journal(&mut self, folder: &Path, order: &[(u64, InspectionResult)]) {
        let reader = Reader::open(folder).expect("the journal");
        let mut heard: BTreeMap<u64, &InspectionResult> =
            order.iter().map(|(seq, result)| (*seq, result)).collect();
        let mut last = 0;
        let mut before: Option<InspectionResult> = None;
        loop {
            let stored = reader.results_after(last, 1_000).expect("results");
            if stored.is_empty() {
                break;
            }
            for stored in stored {
                if stored.seq != last + 1 {
                    self.complain(format!("the journal has {} after {last}", stored.seq));
                }
                last = stored.seq;
                self.committed += 1;
                let kept: InspectionResult =
                    serde_json::from_slice(&stored.json).expect("a result");
                if let Some(before) = before.replace(kept.clone()) {
                    self.in_order(&before, &kept);
                }
                let Some(result) = heard.remove(&last) else {
                    self.miss(last);
                    continue;
                };
                let as_made = InspectionResult {
                    replayed: false,
                    ..result.clone()
                };
                if as_made != kept {
                    self.complain(format!("{last} was heard otherwise than it is kept"));
                }
            }
        }
        for (first, last) in self.missing.clone() {
            self.complain(format!("{first} to {last} were never heard"));
        }
        for seq in heard.into_keys() {
            self.complain(format!("{seq} was heard and is not in the journal"));
        }
        let verified = reader.verify(|_| {}).expect("the journal");
        if !verified.is_sound() {
            self.complain(format!("the journal is not sound: {verified:?}"));
        }
        let stat = reader.stat().expect("the journal");
        if stat.pending != 0 {
            self.complain(format!(
                "{} results still wait for the broker",
                stat.pending
            ));
        }
    }
}
