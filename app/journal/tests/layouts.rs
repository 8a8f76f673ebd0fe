//! A journal of every released layout is opened, read, and written on.
//!
//! `SIGHTLINE_UPDATE_GOLDENS=1` writes the fixture of this layout; older ones are never written again.

mod common;

use common::*;
use sightline_journal::{Journal, Reader, VERSION};
use std::fs;
use std::path::PathBuf;

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
fn a_newer_layout_is_set_aside_not_written_on() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("journal.sqlite");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    drop(newer);
    let refused = Reader::open(folder.path())
        .err()
        .expect("not read as if it were ours");
    assert!(refused.to_string().contains("newer"), "{refused}");
    let said = open(folder.path())
        .progress()
        .set_aside
        .expect("it is reported");
    assert!(said.contains("layout version"), "{said}");
}

fn part(seq: u64) -> sightline_model::InspectionResult {
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
