//! Journals whose bytes were changed: a result is what was stored, or its number is told. Never a panic, never a start
//! that is refused, never a number twice.
//!
//! `SIGHTLINE_DAMAGED_JOURNALS=10000` damages more of them.

mod common;

use common::*;
use sightline_journal::{Journal, Reader, Record};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Results of the journal, and up to which the broker has them.
const STORED: u64 = 120;
const ACKNOWLEDGED: u64 = 40;
/// One that was never stored, which nobody has taken note of.
const LOST: u64 = 25;

/// A small generator of its own: every run damages the same bytes.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

fn part(seq: u64) -> sightline_domain::InspectionResult {
    match seq % 5 {
        0 => bad(seq, "open", 1),
        _ => good(seq),
    }
}

fn fill(journal: &Journal) {
    for seq in 1..=STORED {
        match seq {
            LOST => journal.note_gap(seq, seq, "the disk took nothing".into()),
            _ => submit(journal, &part(seq)),
        }
        if seq % 7 == 0 {
            assert!(journal.flush(PATIENCE));
        }
    }
    journal.audit("anna", "look", None, None, "a link").unwrap();
    journal.acknowledge(ACKNOWLEDGED);
    assert!(journal.flush(PATIENCE));
    while journal.progress().acknowledged_to < ACKNOWLEDGED {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// As a station leaves it that is killed: with a log and its index. And as one that ends in order.
fn templates(scratch: &Path) -> [std::path::PathBuf; 2] {
    let (live, killed, ended) = (
        scratch.join("live"),
        scratch.join("killed"),
        scratch.join("ended"),
    );
    let journal = open(&live);
    fill(&journal);
    copy(&live, &killed);
    drop(journal);
    copy(&live, &ended);
    [killed, ended]
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().flatten() {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Changes one file: a bit, a byte, a run of bytes, its end, or all of it. Says what it did.
fn damage(folder: &Path, random: &mut Random) -> String {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|f| f.metadata().unwrap().len() > 0)
        .map(|f| f.path())
        .collect();
    names.sort();
    let file = names[random.below(names.len())].clone();
    let mut bytes = fs::read(&file).unwrap();
    let at = match random.below(4) {
        // Headers are small and matter most.
        0 => random.below(bytes.len().min(512)),
        _ => random.below(bytes.len()),
    };
    let how = random.below(10);
    match how {
        0..=4 => bytes[at] ^= 1 << random.below(8),
        5 => bytes[at] = random.below(256) as u8,
        6 => {
            let end = (at + 1 + random.below(600)).min(bytes.len());
            bytes[at..end].fill(random.below(256) as u8);
        }
        7 => bytes.truncate(at),
        8 => {
            let end = (at + 4_096).min(bytes.len());
            bytes[at..end].fill(0);
        }
        _ => bytes[at] = !bytes[at],
    }
    fs::write(&file, bytes).unwrap();
    format!("{} at {at}, way {how}", file.file_name().unwrap().display())
}

/// What can be read of the journal, and of those that were set aside.
fn readable(folder: &Path) -> BTreeMap<u64, Vec<Vec<u8>>> {
    let mut all: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    let Ok(reader) = Reader::open(folder) else {
        return all;
    };
    let mut last = 0;
    while let Ok(records) = reader.records_after(last, 1_000) {
        let Some(newest) = records.last() else {
            break;
        };
        last = newest.seq();
        for record in records {
            if let Record::Sound(result) = record {
                all.entry(result.seq)
                    .or_default()
                    .push(result.json.to_vec());
            }
        }
    }
    all
}

/// Opens it, writes on, and holds what is found against what was stored. True: it was set aside.
fn hold(folder: &Path, what: &str) -> bool {
    let journal = Journal::open(settings(folder)).unwrap_or_else(|e| panic!("{what}: {e}"));
    let first = journal.first_seq();
    assert!(first > STORED, "{what}: the number {first} begins again");
    for seq in first..first + 3 {
        submit(&journal, &good(seq));
    }
    assert!(journal.flush(PATIENCE), "{what}");
    let aside = journal.progress().set_aside.is_some();
    drop(journal);
    let found = readable(folder);
    for (seq, bodies) in &found {
        let made = match *seq {
            seq if seq >= first => json(&good(seq)),
            seq => json(&part(seq)),
        };
        assert!(
            bodies.iter().all(|b| *b == made),
            "{what}: {seq} is not what was stored"
        );
    }
    let reader = Reader::open(folder).unwrap_or_else(|e| panic!("{what}: {e}"));
    let report = reader
        .verify(|_| {})
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let gaps = reader
        .gaps(false, 1_000)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let told = |seq: u64| {
        gaps.iter().any(|g| (g.first..=g.last).contains(&seq))
            || report.damaged.iter().any(|(s, _)| *s == seq)
            || report.missing.iter().any(|(a, b)| (*a..=*b).contains(&seq))
    };
    // What was delivered stays in the file that was set aside; the rest must be here, or be told.
    let from = if aside { ACKNOWLEDGED + 1 } else { 1 };
    for seq in from..first + 3 {
        let here = found.contains_key(&seq);
        assert!(
            here || told(seq),
            "{what}: {seq} is silently lost\n{report:?}\n{gaps:?}"
        );
    }
    // Whatever became of its note, it is told on.
    let open = reader
        .gaps(true, 1_000)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(
        open.iter().any(|g| (g.first..=g.last).contains(&LOST)),
        "{what}: {LOST} is told no more: {open:?}"
    );
    aside
}

#[test]
fn a_note_of_a_gap_that_is_damaged_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    fill(&journal);
    drop(journal);
    let path = folder.path().join("journal.sqlite");
    for (n, change) in [
        "first = first + 1024",
        "last = last + 4096",
        "first = -5",
        "why = 'x'",
        "acknowledged = 5, by = 'mes'",
        "sum = x'00'",
    ]
    .into_iter()
    .enumerate()
    {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(&format!(
            "UPDATE gaps SET {change} WHERE first <= {LOST} AND last >= {LOST}"
        ))
        .unwrap();
        drop(file);
        let journal = open(folder.path());
        assert!(journal.flush(PATIENCE));
        let open = journal.reader().unwrap().gaps(true, 100).unwrap();
        let numbers: Vec<_> = open.iter().map(|g| (g.first, g.last)).collect();
        assert_eq!(numbers, [(LOST, LOST)], "{n}: {change}");
        let report = journal.reader().unwrap().verify(|_| {}).unwrap();
        assert!(report.is_sound(), "{change}: {report:?}");
    }
}

#[test]
fn gaps_that_nobody_has_taken_note_of_go_on_into_the_fresh_file() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    fill(&journal);
    drop(journal);
    let path = folder.path().join("journal.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    // The header's word about who may write: nobody of today.
    bytes[18] = 9;
    fs::write(&path, bytes).unwrap();
    let journal = open(folder.path());
    assert!(journal.progress().set_aside.is_some());
    let open = journal.reader().unwrap().gaps(true, 100).unwrap();
    assert_eq!((open[0].first, open[0].last), (LOST, LOST), "{open:?}");
    assert!(open[0].why.contains("the disk took nothing"), "{open:?}");
    drop(journal);
    // No database at all: which numbers they were is not known any more, that there are some is.
    fs::write(&path, b"nothing of the kind").unwrap();
    let journal = self::open(folder.path());
    let open = journal.reader().unwrap().gaps(true, 100).unwrap();
    let covers = |g: &sightline_journal::GapRecord| (g.first..=g.last).contains(&LOST);
    assert!(open.iter().any(covers), "{open:?}");
}

#[test]
fn whatever_is_changed_in_whichever_file_nothing_changes_or_vanishes_silently() {
    let many = std::env::var("SIGHTLINE_DAMAGED_JOURNALS");
    let many = many.ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let scratch = tempfile::tempdir().unwrap();
    let templates = templates(scratch.path());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut aside = 0;
    for n in 0..many {
        let folder = scratch.path().join("damaged");
        copy(&templates[n % 2], &folder);
        let what = format!("journal {n} ({})", damage(&folder, &mut random));
        aside += u32::from(hold(&folder, &what));
        fs::remove_dir_all(&folder).unwrap();
    }
    println!("{many} damaged journals: {aside} set aside, none refused");
    assert!(aside > 0, "some damage is to the file's structure");
}

#[test]
fn every_single_bit_of_a_result_counts() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    (1..=20).for_each(|seq| submit(&journal, &part(seq)));
    drop(journal);
    let path = folder.path().join("journal.sqlite");
    let file = rusqlite::Connection::open(&path).unwrap();
    let body: Vec<u8> = file
        .query_row("SELECT body FROM results WHERE seq = 12", [], |row| {
            row.get(0)
        })
        .unwrap();
    for bit in 0..body.len() * 8 {
        let mut changed = body.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        file.execute("UPDATE results SET body = ?1 WHERE seq = 12", [&changed])
            .unwrap();
        let reader = Reader::open(folder.path()).unwrap();
        let records = reader.records_after(0, 100).unwrap();
        assert_eq!(records.len(), 20);
        let damaged: Vec<u64> = records
            .iter()
            .filter(|r| matches!(r, Record::Damaged { .. }))
            .map(Record::seq)
            .collect();
        assert_eq!(damaged, [12], "bit {bit}");
        assert_eq!(
            reader.results_after(0, 100).unwrap().len(),
            19,
            "the others are sound"
        );
    }
    let report = Reader::open(folder.path()).unwrap().verify(|_| {}).unwrap();
    assert_eq!((report.results, report.damaged[0].0), (19, 12));
    assert!(!report.is_sound());
}

#[test]
fn a_body_and_its_checksum_made_anew_disagree_with_the_seal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    for seq in 1..=10_001 {
        while journal.submit(&good(seq), json(&good(seq))).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if seq % 2_000 == 0 {
            assert!(journal.flush(PATIENCE));
        }
    }
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    let begin = std::time::Instant::now();
    while reader.verify(|_| {}).unwrap().seals == 0 {
        assert!(begin.elapsed() < PATIENCE, "it is sealed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(journal);
    // The row of another result in its place, checksum and all.
    let file = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    file.execute_batch("DELETE FROM results WHERE seq = 77; INSERT INTO gaps VALUES (77, 77, 0, 'x', 0, NULL, NULL)")
        .unwrap();
    let report = Reader::open(folder.path()).unwrap().verify(|_| {}).unwrap();
    assert_eq!(report.missing, []);
    assert_eq!(report.broken_seals.len(), 1, "{report:?}");
}
