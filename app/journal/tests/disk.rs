//! What happens when the disk is full, the file is damaged, or there is too much.

mod common;

use common::small_disk::SmallDisk;
use common::*;
use rusqlite::Connection;
use sightline_journal::{Journal, JournalError, Reader};
use sightline_model::Clock;
use std::fs;
use std::time::{Duration, Instant};

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < PATIENCE,
            "waited {PATIENCE:?} for: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn on_a_full_disk_results_wait_and_are_written_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(4) else {
        return;
    };
    let mut settings = settings(&disk.path().join("journal"));
    settings.queue = 50;
    let journal = Journal::open(settings).unwrap();
    submit(&journal, &good(1));
    assert!(journal.flush(PATIENCE));
    disk.fill();
    // More than waits in the queue and in the writer's hands; what finds no room is lost, and counted.
    let mut refused = Vec::new();
    let mut seq = 1;
    while refused.len() < 3 {
        seq += 1;
        let result = good(seq);
        match journal.submit(&result, json(&result)) {
            Ok(()) => {}
            Err(JournalError::Full { .. }) => refused.push(seq),
            Err(error) => panic!("{error}"),
        }
    }
    until("the journal says so", || journal.progress().stuck.is_some());
    let stuck = journal.progress().stuck.unwrap();
    assert!(stuck.contains("full") || stuck.contains("disk"), "{stuck}");
    assert!(!journal.flush(Duration::ZERO));
    disk.clear();
    assert!(journal.flush(PATIENCE), "written when there is room");
    submit(&journal, &good(seq + 1));
    drop(journal);
    let reader = Reader::open(&disk.path().join("journal")).unwrap();
    let stat = reader.stat().unwrap();
    assert_eq!((stat.next_seq, stat.lost), (seq + 2, refused.len() as u64));
    let report = reader.verify(|_| {}).unwrap();
    assert!(report.is_sound(), "the lost numbers are noted: {report:?}");
    assert_eq!(report.results, seq + 1 - refused.len() as u64);
}

#[test]
fn on_a_full_disk_no_run_begins_and_what_was_stored_is_untouched() {
    let Some(disk) = SmallDisk::mount(4) else {
        return;
    };
    let folder = disk.path().join("journal");
    for stored in 0..3 {
        disk.fill();
        let error = Journal::open(settings(&folder)).expect_err("no room");
        assert!(
            matches!(error, JournalError::NoRoom { .. }),
            "run {stored}: {error}"
        );
        disk.clear();
        let journal = Journal::open(settings(&folder)).expect("there is room");
        let progress = journal.progress();
        assert_eq!((progress.pending, progress.set_aside), (stored, None));
        submit(&journal, &good(journal.first_seq()));
        assert!(journal.flush(PATIENCE));
    }
    let report = Reader::open(&folder).unwrap().verify(|_| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn a_damaged_file_is_set_aside_and_the_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    (1..=500).for_each(|seq| submit(&journal, &good(seq)));
    drop(journal);
    let path = folder.path().join("journal.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 20_000].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    let journal = open(folder.path());
    let said = journal.progress().set_aside.expect("it is reported");
    assert!(
        said.contains("journal.damaged-20260131T080000.000000Z.sqlite"),
        "{said}"
    );
    assert_eq!(journal.first_seq(), 501, "the damaged file still knew");
    submit(&journal, &good(501));
    assert!(journal.flush(PATIENCE));
    assert_eq!(
        journal.reader().unwrap().audit_after(0, 9).unwrap()[0].action,
        "journal.set_aside"
    );
    drop(journal);
    // Not a database at all: the lease beside it knows what may have been given.
    fs::write(&path, b"nothing of the kind").unwrap();
    let _ = fs::remove_file(folder.path().join("journal.sqlite-wal"));
    let journal = open(folder.path());
    assert!(journal.progress().set_aside.is_some());
    assert!(journal.first_seq() > 501, "{}", journal.first_seq());
    let aside = fs::read_dir(folder.path()).unwrap().flatten();
    let aside = aside.filter(|f| {
        f.file_name()
            .to_string_lossy()
            .starts_with("journal.damaged-")
    });
    assert!(aside.count() >= 1);
}

#[test]
fn damage_met_while_running_is_set_aside_too_and_nothing_in_hand_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    (1..=200).for_each(|seq| submit(&journal, &good(seq)));
    assert!(journal.flush(PATIENCE));
    // Everything into the main file, then its pages overwritten under the writer.
    let other = Connection::open(folder.path().join("journal.sqlite")).unwrap();
    other
        .pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .unwrap();
    drop(other);
    let path = folder.path().join("journal.sqlite");
    let bytes = vec![0x5a; fs::metadata(&path).unwrap().len() as usize];
    use std::io::Write;
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    let mut seq = 200;
    until("it is noticed", || {
        seq += 1;
        submit(&journal, &bad(seq, &format!("class{seq}"), 1));
        journal.flush(PATIENCE);
        journal.progress().set_aside.is_some()
    });
    submit(&journal, &good(seq + 1));
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    assert_eq!(reader.latest(1).unwrap()[0].seq, seq + 1);
    assert!(reader.verify(|_| {}).unwrap().is_sound());
}

#[test]
fn acknowledged_results_go_by_age_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut settings = settings(folder.path());
    settings.clock = clock.clone();
    settings.keep = Duration::from_secs(3_600);
    let journal = Journal::open(settings).unwrap();
    (1..=3_000).for_each(|seq| submit(&journal, &good(seq)));
    assert!(journal.flush(PATIENCE));
    journal.acknowledge(1_000);
    until("the mark is written", || {
        journal.progress().acknowledged_to == 1_000
    });
    assert_eq!(journal.reader().unwrap().stat().unwrap().first_seq, Some(1));
    // An hour after result 500 was decided.
    clock.advance(Duration::from_micros(
        (decided(500).0 - clock.utc().0) as u64 + 3_600_000_000,
    ));
    let first = || journal.reader().unwrap().stat().unwrap().first_seq;
    until("the old ones go", || first() == Some(500));
    // Far later, what the broker does not have is still there, and so are the counts.
    clock.advance(Duration::from_secs(86_400));
    until("the acknowledged ones go", || first() == Some(1_001));
    let progress = journal.progress();
    assert_eq!(
        (progress.pending, progress.removed_unacknowledged),
        (2_000, 0)
    );
    let counts = journal
        .reader()
        .unwrap()
        .counts(&Default::default())
        .unwrap();
    assert_eq!(counts.parts, 3_000);
}

#[test]
fn when_there_is_no_room_unacknowledged_results_go_last_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.max_bytes = 600_000;
    let journal = Journal::open(settings).unwrap();
    for seq in 1..=1_500 {
        submit(&journal, &good(seq));
    }
    assert!(journal.flush(PATIENCE));
    let removed = |journal: &Journal| journal.progress().removed_unacknowledged;
    assert_eq!(removed(&journal), 0);
    journal.acknowledge(1_500);
    for seq in 1_501..=6_000 {
        submit(&journal, &good(seq));
        if seq.is_multiple_of(500) {
            assert!(journal.flush(PATIENCE));
        }
    }
    until("the oldest go", || removed(&journal) > 0);
    let first = || journal.reader().unwrap().stat().unwrap();
    until("it fits", || first().bytes <= 600_000);
    let progress = journal.progress();
    let stat = first();
    assert_eq!(
        stat.first_seq,
        Some(1_501 + progress.removed_unacknowledged)
    );
    assert_eq!(progress.pending, 4_500 - progress.removed_unacknowledged);
    assert_eq!(stat.lost, 0, "removed, not lost before");
    assert!(journal.reader().unwrap().verify(|_| {}).unwrap().is_sound());
}
