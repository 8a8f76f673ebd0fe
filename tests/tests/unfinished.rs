//! What a killed station had on its belt is told by the next start, once, until somebody has seen to it; an end in order
//! leaves nothing to tell.

use serde_json::Value;
use sightline_tests::broker::{Listener, mosquitto};
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::station::{Station, demo_config};
use sightline_tests::{free_port, until};
use std::path::Path;

const ALARM: &str = "parts.unfinished";

/// Changes of an alarm as the journal's file has them.
const RAISED: i64 = 0;
const CLEARED: i64 = 1;
const ACKNOWLEDGED: i64 = 2;

/// Changes of the alarm in the journal's history, oldest first.
fn history(journal: &Path) -> Vec<i64> {
    let file = rusqlite::Connection::open(journal.join("journal.sqlite")).expect("the journal");
    let mut rows = file
        .prepare("SELECT change FROM alarms WHERE alarm = ?1 ORDER BY rowid")
        .expect("the history");
    let changes = rows.query_map([ALARM], |row| row.get(0));
    let changes = changes.expect("rows").map(|c| c.expect("a change"));
    changes.collect()
}

#[test]
fn a_killed_station_says_at_its_next_start_what_was_on_the_belt_and_one_that_ended_does_not() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let journal = folder.path().join("journal");
    let _broker = mosquitto(port, folder.path());
    let mut coming = Listener::start(port, &format!("{ROOT}/#"));
    let topic = format!("{ROOT}/alarm/{ALARM}");
    let config = demo_config(
        folder.path(),
        &format!("\"mqtt://127.0.0.1:{port}\"\ncommands = [\"ack_alarm\"]"),
        &format!("[journal]\nfolder = {:?}\n", journal.display().to_string()),
    );
    let station = Station::run(&config);
    // The belt always has a part between trigger and gate.
    station.wait_for("some parts", 0, |r| r["seq"].as_u64() >= Some(4));
    let run = station.results()[0]["boot_id"].clone();
    station.signal("KILL");
    drop(station);

    let mut station = Station::run(&config);
    let told = coming.hear(&topic, |a| a["active"] == true);
    let words = told["message"].as_str().expect("a message").to_owned();
    assert!(words.contains(run.as_str().expect("an id")), "{words}");
    let most = words
        .split("at most ")
        .nth(1)
        .and_then(|w| w.split(' ').next());
    let most: u32 = most.and_then(|n| n.parse().ok()).expect("a number");
    assert!((1..=40).contains(&most), "{words}");
    assert_eq!(
        (&told["severity"], &told["effect"]),
        (&Value::from("low"), &Value::from("none"))
    );
    station.wait_for("the line runs all the same", 0, |r| {
        r["disposition"] == "pass"
    });
    let seen = format!(r#"{{"id":"{ALARM}"}}"#);
    let answer = ask(port, "ack_alarm", seen.as_bytes(), Manner::default()).expect("an answer");
    assert_eq!(answer["done"], true, "{answer}");
    until("it is in the history", || history(&journal).len() == 3);
    assert_eq!(history(&journal), [RAISED, ACKNOWLEDGED, CLEARED]);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    assert!(station.log().contains(" 0 unfinished"), "{}", station.log());

    let mut station = Station::run(&config);
    station.wait_for("a part", 0, |_| true);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    assert!(!station.log().contains(ALARM), "{}", station.log());
    assert_eq!(history(&journal).len(), 3, "an end in order leaves nothing");
}
