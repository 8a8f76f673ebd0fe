//! A journal of every released layout is opened, read, and written on.
//!
//! `SIGHTLINE_UPDATE_GOLDENS=1` writes the fixture of this layout; older ones are never written again.

mod common;

use common::*;
use sightline_journal::{Journal, JournalError, Reader, VERSION};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(version: i64) -> PathBuf {
    let name = format!("tests/fixtures/v{version}.sqlite");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_layout_is_brought_up_to_date_with_nothing_lost() {
    if std::env::var_os("SIGHTLINE_UPDATE_GOLDENS").is_some() {
        write_fixture();
    }
    for version in 1..=VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        fs::copy(fixture(version), &path).unwrap_or_else(|e| panic!("fixture {version}: {e}"));
        let journal = open(folder.path());
        assert_eq!(journal.progress().set_aside, None);
        assert_eq!(journal.first_seq(), 21, "version {version}");
        submit(&journal, &good(21));
        journal
            .audit("anna", "look", None, None, "after the upgrade")
            .unwrap();
        assert!(journal.flush(PATIENCE));
        let reader = journal.reader().unwrap();
        let stored = reader.results_after(0, 100).unwrap();
        assert_eq!(stored.len(), 21);
        for (stored, made) in stored.iter().zip((1..=20).map(part).chain([good(21)])) {
            // The JSON of an older program has other fields, but is the same result.
            let body: serde_json::Value = serde_json::from_slice(&stored.json).unwrap();
            assert_eq!(body["seq"], made.seq, "version {version}");
            assert_eq!(body["event_id"], made.event_id.to_string());
            assert_eq!((stored.seq, stored.event_id), (made.seq, made.event_id));
            assert_eq!(stored.evaluation, made.evaluation);
        }
        let stat = reader.stat().unwrap();
        assert_eq!((stat.acknowledged_to, stat.pending, stat.runs), (5, 16, 2));
        assert_eq!(reader.verify_audit().unwrap().links, 2);
        assert_eq!(reader.pareto(&Default::default(), 9).unwrap()[0].parts, 6);
        assert!(reader.verify(|_| {}).unwrap().is_sound());
    }
}

#[test]
fn a_journal_of_the_first_layout_is_read_where_it_lies_without_being_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    fs::copy(fixture(1), &path).unwrap();
    let before = fs::read(&path).unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    let stored = reader.results_after(0, 100).unwrap();
    assert_eq!(stored.len(), 20);
    assert!(stored.iter().all(|result| !result.checked));
    let report = reader.verify(|_| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.results, report.without_checksum), (20, 20));
    assert_eq!(reader.stat().unwrap().version, 1);
    drop(reader);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_older_is_marked_and_what_comes_carries_a_checksum() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture(1), folder.path().join("journal.sqlite")).unwrap();
    let journal = open(folder.path());
    submit(&journal, &good(21));
    assert!(journal.flush(PATIENCE));
    let report = journal.reader().unwrap().verify(|_| {}).unwrap();
    assert_eq!((report.results, report.without_checksum), (21, 20));
}

/// Everything in a folder, by name; but for what SQLite leaves empty or makes anew.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|f| f.unwrap());
    files
        .map(|f| {
            (
                f.file_name().into_string().unwrap(),
                fs::read(f.path()).unwrap(),
            )
        })
        .filter(|(name, bytes)| !name.ends_with("-shm") && !bytes.is_empty())
        .collect()
}

#[test]
fn a_newer_layout_is_refused_with_what_to_do_and_left_alone() {
    // As a newer program writes it; and the number of this layout on a file that is not of this layout.
    let newer = |version: i64, from_fixture: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        match from_fixture {
            true => drop(fs::copy(fixture(1), &path).unwrap()),
            false => drop(open(folder.path())),
        }
        let file = rusqlite::Connection::open(&path).unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
        drop(file);
        folder
    };
    for folder in [newer(VERSION + 1, false), newer(99, false), newer(2, true)] {
        let before = content(folder.path());
        let refused = Reader::open(folder.path()).err().expect("not ours");
        let opened = Journal::open(settings(folder.path())).expect_err("not ours");
        for said in [refused.to_string(), opened.to_string()] {
            let path = folder.path().display().to_string();
            assert!(said.contains("newer") && said.contains(&path), "{said}");
            assert!(said.contains("journal.folder"), "what to do: {said}");
        }
        assert!(matches!(opened, JournalError::Newer { .. }));
        assert!(content(folder.path()) == before, "something was touched");
    }
}

fn part(seq: u64) -> sightline_domain::InspectionResult {
    if seq.is_multiple_of(3) {
        bad(seq, "open", 1)
    } else {
        good(seq)
    }
}

fn write_fixture() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(settings(folder.path())).unwrap();
    (1..=20).for_each(|seq| submit(&journal, &part(seq)));
    journal
        .audit(
            "anna",
            "recipe.activate",
            Some("a"),
            Some("b"),
            "new product",
        )
        .unwrap();
    journal.acknowledge(5);
    drop(journal);
    // Without readers the writer's last close leaves everything in the one file.
    fs::copy(folder.path().join("journal.sqlite"), fixture(VERSION)).unwrap();
}
