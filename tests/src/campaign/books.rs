//! What the subscriber heard against what the journal holds.

use super::diary::Made;
use super::subscriber::Heard;
use serde::Serialize;
use sightline_domain::InspectionResult;
use sightline_journal::{GapRecord, Reader, Record};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use uuid::Uuid;

/// More ranges than any campaign leaves.
const GAPS: usize = 100_000;

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
    /// Numbers that were not heard and that the MES is told of as a gap.
    pub told: u64,
    /// Runs of results in the journal that were never heard, first and last.
    pub missing: Vec<(u64, u64)>,
    /// Everything that must not be: none is good.
    pub complaints: Vec<String>,
}

/// Compares. Complaints beyond the first twenty are cut off. `made` is what the station made, where that was written down,
/// and whether its journal was damaged: what it has lost then must be told as a gap.
pub fn compare(folder: &Path, heard: &[Heard], made: Option<(Made, bool)>) -> Books {
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
        let known = made.as_ref().map(|(made, _)| made);
        if known.is_some_and(|made| !made.has(result.seq, payload.as_bytes())) {
            books.complain(format!("{} was heard otherwise than made", result.seq));
        }
        match seen.insert(result.event_id, result.seq) {
            None => order.push((result.seq, result)),
            Some(seq) if seq == result.seq => books.duplicates += 1,
            Some(seq) => books.complain(format!("one event_id for {seq} and {}", result.seq)),
        }
    }
    let reader = Reader::open(folder).expect("the journal");
    let gaps = reader.gaps(true, GAPS).expect("gaps");
    for pair in order.windows(2) {
        let between: Vec<u64> = (pair[0].0 + 1..pair[1].0).collect();
        let told = between.iter().all(|seq| is_told(&gaps, *seq));
        if pair[1].0 <= pair[0].0 || !told {
            books.complain(format!("{} was heard first after {}", pair[1].0, pair[0].0));
        }
    }
    match made {
        Some((made, true)) => books.around_damage(&reader, &order, &gaps, &made),
        _ => books.against_the_journal(&reader, &order),
    }
    books.complaints.truncate(20);
    books
}

fn is_told(gaps: &[GapRecord], seq: u64) -> bool {
    gaps.iter().any(|gap| (gap.first..=gap.last).contains(&seq))
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

    /// The station's last words, as far as they are a panic's.
    pub fn panics(&mut self, log: &str) {
        for line in log.lines().filter(|line| line.contains("panicked")) {
            self.complain(line.into());
        }
    }

    /// Every number was heard as it was made, or is told as a gap; what the journal gives out is what was made.
    fn around_damage(
        &mut self,
        reader: &Reader,
        order: &[(u64, InspectionResult)],
        gaps: &[GapRecord],
        made: &Made,
    ) {
        let heard: HashSet<u64> = order.iter().map(|(seq, _)| *seq).collect();
        let stat = reader.stat().expect("the journal");
        for seq in 1..stat.next_seq {
            let told = is_told(gaps, seq);
            self.told += u64::from(told && !heard.contains(&seq));
            if !told && !heard.contains(&seq) {
                self.miss(seq);
            }
        }
        self.complain_of_missing();
        for pair in order.windows(2) {
            self.in_order(&pair[0].1, &pair[1].1);
        }
        let mut last = 0;
        loop {
            let records = reader.records_after(last, 1_000).expect("results");
            let Some(newest) = records.last() else { break };
            last = newest.seq();
            for stored in records.into_iter().filter_map(Record::sound) {
                self.committed += 1;
                if !made.has(stored.seq, &stored.json) {
                    self.complain(format!("{} is stored otherwise than made", stored.seq));
                }
            }
        }
        if stat.pending != 0 {
            self.complain(format!("{} results still wait", stat.pending));
        }
    }

    fn complain_of_missing(&mut self) {
        for (first, last) in self.missing.clone() {
            self.complain(format!("{first} to {last} were never heard"));
        }
    }

    fn against_the_journal(&mut self, reader: &Reader, order: &[(u64, InspectionResult)]) {
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
        self.complain_of_missing();
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
