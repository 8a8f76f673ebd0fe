//! What happens when the disk is full, the file is damaged, or there is too much.

mod common;

use common::small_disk::SmallDisk;
use common::*;
use rusqlite::Connection;
use sightline_journal::{Journal, JournalError, Reader};
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
fn a_wall_clock_that_is_wrong_however_far_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut settings = settings(folder.path());
    settings.clock = clock.clone();
    settings.keep = Duration::from_secs(3_600);
    let journal = Journal::open(settings.clone()).unwrap();
    (1..=200).for_each(|seq| submit(&journal, &good(seq)));
    assert!(journal.flush(PATIENCE));
    journal.acknowledge(200);
    let year = 365 * 86_400_000_000;
    for step in [year, -2 * year, 1_000 * year] {
        clock.step_utc(step);
        std::thread::sleep(Duration::from_millis(250));
        journal.acknowledge(200);
    }
    // A monotonic clock that jumps is not believed either.
    clock.advance(Duration::from_secs(1_000 * 86_400));
    std::thread::sleep(Duration::from_millis(500));
    let stored = || journal.reader().unwrap().results_after(0, 1_000).unwrap();
    assert_eq!(stored().len(), 200);
    drop(journal);
    // Nor is one between two runs, nor a time to keep that no number holds.
    settings.keep = Duration::MAX;
    let journal = Journal::open(settings).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        journal
            .reader()
            .unwrap()
            .results_after(0, 1_000)
            .unwrap()
            .len(),
        200
    );
}

#[test]
fn when_there_is_no_room_unacknowledged_results_go_last_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.max_bytes = 900_000;
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
    until("it fits", || {
        !journal.progress().full && first().bytes <= 900_000
    });
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

#[test]
fn numbers_go_on_where_the_file_is_deleted_between_two_runs_and_open_gaps_are_told_on() {
    let folder = tempfile::tempdir().unwrap();
    let end = |journal: Journal| {
        assert!(journal.flush(PATIENCE));
        until("the acknowledgement is on the disk", || {
            journal.progress().pending == 0
        });
        drop(journal);
        for end in ["", "-wal", "-shm"] {
            let path = folder.path().join(format!("journal.sqlite{end}"));
            // the log goes with an end in order
            let _ = fs::remove_file(path);
        }
    };
    let journal = open(folder.path());
    (1..=5).for_each(|seq| submit(&journal, &good(seq)));
    journal.acknowledge(5);
    end(journal);
    let journal = open(folder.path());
    assert_eq!(
        journal.first_seq(),
        6,
        "5 are with the broker, and none is lost"
    );
    assert_eq!(journal.reader().unwrap().gaps(false, 10).unwrap(), []);
    submit(&journal, &good(6));
    journal.note_gap(7, 7, "damaged".into());
    submit(&journal, &good(8));
    journal.acknowledge(8);
    end(journal);
    let journal = open(folder.path());
    assert_eq!(journal.first_seq(), 9);
    let open = journal.reader().unwrap().gaps(true, 10).unwrap();
    assert!(
        open.iter().any(|g| (g.first..=g.last).contains(&7)),
        "{open:?}"
    );
}

#[test]
fn a_folder_deleted_under_the_station_is_made_anew_and_nothing_the_broker_lacks_is_lost() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("journal");
    let mut settings = settings(&folder);
    settings.marker = Some(scratch.path().join("journal.numbers"));
    let journal = Journal::open(settings.clone()).unwrap();
    (1..=300).for_each(|seq| submit(&journal, &good(seq)));
    journal.acknowledge(100);
    until("the mark is written", || {
        journal.progress().acknowledged_to == 100
    });
    fs::remove_dir_all(&folder).unwrap();
    let begin = Instant::now();
    until("it is noticed", || journal.progress().set_aside.is_some());
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    submit(&journal, &good(301));
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    let stored: Vec<u64> = reader
        .results_after(0, 1_000)
        .unwrap()
        .iter()
        .map(|r| r.seq)
        .collect();
    assert_eq!(stored, (101..=301).collect::<Vec<_>>());
    assert!(reader.verify(|_| {}).unwrap().is_sound());
    assert_eq!(journal.progress().pending, 201);
    drop((reader, journal));
    // Deleted while the station was off: the place outside the folder knows, and the rest is a gap that is told.
    fs::remove_dir_all(&folder).unwrap();
    let journal = Journal::open(settings.clone()).unwrap();
    assert_eq!(journal.first_seq(), 302);
    let gaps = journal.reader().unwrap().gaps(true, 10).unwrap();
    assert_eq!((gaps[0].first, gaps[0].last), (101, 301), "{gaps:?}");
    // The same when the broker has everything: nothing is missing, and no number is given twice.
    submit(&journal, &good(302));
    journal.acknowledge(302);
    until("the mark is written", || {
        journal.progress().acknowledged_to == 302
    });
    drop(journal);
    fs::remove_dir_all(&folder).unwrap();
    let journal = Journal::open(settings).unwrap();
    assert_eq!(journal.first_seq(), 303);
    submit(&journal, &good(303));
    assert!(journal.flush(PATIENCE));
    assert_eq!(journal.progress().pending, 1, "it is sent");
}

#[test]
fn what_others_send_in_any_number_takes_no_room_of_results() {
    let Some(disk) = SmallDisk::mount(4) else {
        return;
    };
    let mut settings = settings(&disk.path().join("journal"));
    settings.queue = 80;
    let journal = Journal::open(settings).unwrap();
    disk.fill();
    let (mut seq, mut left_out) = (0, 0);
    until("the disk takes nothing", || {
        seq += 1;
        journal.submit(&good(seq), json(&good(seq))).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        journal.progress().stuck.is_some()
    });
    for n in 0..1_000 {
        left_out += u32::from(
            journal
                .audit("mes", "stop", None, None, &format!("{n}"))
                .is_err(),
        );
    }
    assert!(left_out >= 900, "{left_out}");
    for _ in 0..40 {
        seq += 1;
        submit(&journal, &good(seq));
    }
    disk.clear();
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    assert_eq!(reader.results_after(0, 1_000).unwrap().len() as u64, seq);
    let said = |l: &sightline_journal::AuditEntry| {
        l.action == "journal.entries_left_out" && l.reason.contains(&left_out.to_string())
    };
    until("it is said how many were left out", || {
        reader.audit_latest(100).unwrap().iter().any(said)
    });
}

#[test]
fn a_medium_that_takes_no_writes_is_read_where_it_lies() {
    let scratch = tempfile::tempdir().unwrap();
    let (ended, killed) = (scratch.path().join("ended"), scratch.path().join("killed"));
    let journal = open(&ended);
    (1..=50).for_each(|seq| submit(&journal, &good(seq)));
    assert!(journal.flush(PATIENCE));
    fs::create_dir(&killed).unwrap();
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        fs::copy(ended.join(name), killed.join(name)).unwrap();
    }
    drop(journal);
    for folder in [ended, killed] {
        let Some(_mount) = common::small_disk::ReadOnly::of(&folder) else {
            return;
        };
        let reader = Reader::open(&folder).unwrap();
        assert_eq!(
            reader.results_after(0, 100).unwrap().len(),
            50,
            "{}",
            folder.display()
        );
        assert!(reader.verify(|_| {}).unwrap().is_sound());
    }
}

#[test]
fn files_are_readable_for_the_group_at_most() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("journal");
    drop(open(&folder));
    let path = folder.join("journal.sqlite");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let journal = open(&folder);
    submit(&journal, &good(1));
    assert!(journal.flush(PATIENCE));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder) & 0o027, 0);
    for file in fs::read_dir(&folder).unwrap().flatten() {
        let mode = mode(&file.path());
        assert!(
            mode == 0o640 || mode == 0o600,
            "{}: {mode:o}",
            file.path().display()
        );
    }
}
