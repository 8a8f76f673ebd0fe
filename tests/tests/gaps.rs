//! A stored result that a disk has changed: the MES is told its number, everything else arrives, and can be had again.
//! What is published of the audit trail carries the link's number and hash; a recipe changed by SIGHUP is in it.

use rusqlite::Connection;
use serde_json::Value;
use sightline_tests::broker::{Messages, mosquitto, subscribe};
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::station::{Station, json_lines, sightline};
use sightline_tests::{PATIENCE, free_port, project};
use std::path::{Path, PathBuf};

/// The demo's station with a journal, on a broker of its own.
fn prepare(folder: &Path, port: u16) -> PathBuf {
    let configs = project().join("configs");
    let read = |name: &str| std::fs::read_to_string(configs.join(name)).expect(name);
    let bundle = project().join("models/pcb-detector");
    let recipe = read("recipes/demo-board.toml")
        .replace("../../models/pcb-detector", bundle.to_str().expect("UTF-8"));
    std::fs::create_dir(folder.join("recipes")).expect("a folder");
    std::fs::write(folder.join("recipes/demo.toml"), recipe).expect("written");
    let broker =
        format!("\"mqtt://127.0.0.1:{port}\"\ncommands = [\"stop\", \"resend\", \"skip\"]");
    let text = read("demo.toml")
        .replace("recipes/demo-board.toml", "recipes/demo.toml")
        .replace("\"embedded\"", &broker)
        + "\n[journal]\nfolder = \"journal\"\n";
    let config = folder.join("station.toml");
    std::fs::write(&config, text).expect("written");
    config
}

/// Reads messages until one on `suffix` satisfies `wanted`; gives all that came before it, too.
fn hear(
    messages: &Messages,
    suffix: &str,
    wanted: impl Fn(&Value) -> bool,
) -> (Value, Vec<(String, Value)>) {
    let (topic, mut before) = (format!("{ROOT}/{suffix}"), Vec::new());
    loop {
        let heard = messages.recv_timeout(PATIENCE);
        let (on, payload) = heard.unwrap_or_else(|e| panic!("{e} on {suffix}: {before:?}"));
        let value = serde_json::from_str(&payload).unwrap_or(Value::Null);
        if on == topic && wanted(&value) {
            return (value, before);
        }
        before.push((on, value));
    }
}

#[test]
fn a_damaged_result_is_told_by_its_number_and_the_rest_arrives() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let config = prepare(folder.path(), port);
    // No broker yet: results wait in the journal.
    let mut station = Station::run(&config);
    station.wait_for("six parts", 0, |r| r["seq"] == 6);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let journal = folder.path().join("journal");
    let file = Connection::open(journal.join("journal.sqlite")).expect("the journal");
    let changed = file.execute(
        "UPDATE results SET body = CAST(substr(body, 1, 40) || x'00' || substr(body, 42) AS BLOB) WHERE seq = 3",
        [],
    );
    assert_eq!(changed, Ok(1));
    drop(file);
    exports_around_it(&journal);

    let _broker = mosquitto(port, folder.path());
    let (_subscriber, messages) = subscribe(port, &format!("{ROOT}/#"), "mqttv5");
    let station = Station::run(&config);
    let (gap, before) = hear(&messages, "gap/3", |gap| !gap.is_null());
    assert_eq!(
        (&gap["first"], &gap["last"], &gap["count"]),
        (&3.into(), &3.into(), &1.into())
    );
    assert!(
        gap["reason"].as_str().expect("why").contains("checksum"),
        "{gap}"
    );
    let (_, after) = hear(&messages, "result", |r| r["seq"].as_u64() > Some(6));
    let results = before
        .iter()
        .chain(&after)
        .filter(|(on, _)| on.ends_with("/result"));
    let heard: Vec<u64> = results.filter_map(|(_, r)| r["seq"].as_u64()).collect();
    assert_eq!(heard, [1, 2, 4, 5, 6]);

    let send = |verb: &str, payload: &str| -> String {
        let answer = ask(port, verb, payload.as_bytes(), Manner::default());
        let answer = answer.unwrap_or_else(|| panic!("no answer; log:\n{}", station.log()));
        assert_eq!(answer["done"], true, "{answer}");
        answer["message"].as_str().expect("a message").to_string()
    };
    let said = send("resend", r#"{"first":2,"last":4}"#);
    assert!(said.contains("these have none: 3"), "{said}");
    hear(&messages, "result", |r| {
        r["seq"] == 2 && r["replayed"] == true
    });
    hear(&messages, "result", |r| {
        r["seq"] == 4 && r["replayed"] == true
    });
    send("skip", r#"{"first":3,"last":3}"#);
    hear(&messages, "gap/3", Value::is_null);
    hear(&messages, "alarm/journal-gap", |alarm| {
        alarm["active"] == false
    });
    the_trail_is_published(
        &messages,
        &station,
        &folder.path().join("recipes/demo.toml"),
        &journal,
    );
}

/// Everything sound is exported, the damaged number is named, and exit code and `verify` say that there is one.
fn exports_around_it(journal: &Path) {
    let journal = journal.to_str().expect("UTF-8");
    for format in ["jsonl", "csv"] {
        let export = sightline(&[
            "journal",
            "export",
            "--journal",
            journal,
            "--format",
            format,
        ]);
        let said = String::from_utf8_lossy(&export.stderr).into_owned();
        assert!(said.contains("3: damaged"), "{said}");
        assert_eq!(export.status.code(), Some(1), "{said}");
        let lines = export.stdout.iter().filter(|b| **b == b'\n').count();
        assert!(lines >= 5, "{format}: {lines}");
    }
    let verify = sightline(&["journal", "verify", "--journal", journal, "--json"]);
    assert_eq!(verify.status.code(), Some(1));
    let found = json_lines(&verify).pop().expect("a report");
    assert_eq!(found["damaged"][0][0], 3, "{found}");
}

fn the_trail_is_published(messages: &Messages, station: &Station, recipe: &Path, journal: &Path) {
    station.signal("HUP");
    let reloaded = |link: &Value| link["action"] == "reload_recipe";
    let (link, _) = hear(messages, "audit", reloaded);
    assert_eq!(link["actor"], "SIGHUP");
    assert!(
        link["new"]
            .as_str()
            .expect("what inspects")
            .contains("generation 2"),
        "{link}"
    );
    std::fs::write(recipe, "external_id = \"BROKEN\"\n").expect("written");
    station.signal("HUP");
    let (refused, _) = hear(messages, "audit", reloaded);
    assert!(
        refused["reason"]
            .as_str()
            .expect("why")
            .starts_with("refused"),
        "{refused}"
    );
    hear(messages, "alarm/recipe-reload", |alarm| {
        alarm["active"] == true
    });
    let journal = journal.to_str().expect("UTF-8");
    let audit = json_lines(&sightline(&[
        "journal",
        "audit",
        "--journal",
        journal,
        "--json",
    ]));
    for published in [link, refused] {
        let kept = audit
            .iter()
            .find(|l| l["id"] == published["link"])
            .expect("the link");
        assert_eq!(
            (&kept["hash"], &kept["at"]),
            (&published["hash"], &published["at"])
        );
    }
}
