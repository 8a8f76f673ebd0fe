//! A result that is damaged on the disk costs its own number: the station tells it until the MES has taken note, sends all
//! others, sends again what is asked for, and nothing of that needs a restart.

#[path = "../../app/journal/tests/common/mod.rs"]
mod parts;

use parts::{good, submit};
use serde_json::{Value, json};
use sightline_configs::station::Mqtt;
use sightline_tests::broker::{Messages, mosquitto, subscribe};
use sightline_tests::process::Killed;
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::station::{Station, demo_config, json_lines, sightline};
use sightline_tests::uplink::settings;
use sightline_tests::{PATIENCE, free_port, project, until};
use sightline_uplink::Uplink;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Results that were stored before, and the one of them that is damaged.
const STORED: u64 = 8;
const DAMAGED: u64 = 3;

/// Flips one bit of a stored result's body.
fn damage(journal: &Path, seq: u64) {
    let file = rusqlite::Connection::open(journal.join("journal.sqlite")).expect("the journal");
    let body: Vec<u8> = file
        .query_row("SELECT body FROM results WHERE seq = ?1", [seq], |row| {
            row.get(0)
        })
        .expect("the result");
    let mut flipped = body.clone();
    flipped[body.len() / 2] ^= 4;
    let changed = file.execute(
        "UPDATE results SET body = ?1 WHERE seq = ?2",
        rusqlite::params![flipped, seq],
    );
    assert_eq!(changed.expect("written"), 1);
}

/// What the MES hears.
struct Mes {
    port: u16,
    coming: Messages,
    log: Vec<(String, String)>,
    /// How far each topic was looked at.
    seen: BTreeMap<String, usize>,
    /// By number: each `event_id` that was heard, and how often it was marked as replayed.
    results: BTreeMap<u64, Vec<(String, bool)>>,
    _subscriber: Killed,
}

impl Mes {
    fn start(port: u16) -> Self {
        let (subscriber, coming) = subscribe(port, &format!("{ROOT}/#"), "mqttv5");
        Self {
            port,
            coming,
            log: Vec::new(),
            seen: BTreeMap::new(),
            results: BTreeMap::new(),
            _subscriber: subscriber,
        }
    }

    /// Listens until `wanted` is heard on `suffix`, after what was waited for there before.
    fn hear(&mut self, suffix: &str, wanted: impl Fn(&str) -> bool) -> String {
        let (topic, begun) = (format!("{ROOT}/{suffix}"), Instant::now());
        loop {
            let from = self.seen.get(&topic).copied().unwrap_or(0);
            let there = self.log.iter().filter(|(on, _)| *on == topic);
            let mut rest = there.map(|(_, payload)| payload).skip(from);
            if let Some(at) = rest.clone().position(|payload| wanted(payload)) {
                let payload = rest.nth(at).expect("it is there").clone();
                self.seen.insert(topic, from + at + 1);
                return payload;
            }
            let numbers = self.results.keys();
            assert!(begun.elapsed() < PATIENCE, "{suffix}; results: {numbers:?}");
            if let Ok((on, payload)) = self.coming.recv_timeout(Duration::from_secs(1)) {
                if on == format!("{ROOT}/result") {
                    self.note(&payload);
                }
                self.log.push((on, payload));
            }
        }
    }

    fn note(&mut self, payload: &str) {
        let result: Value = serde_json::from_str(payload).expect("JSON");
        let seq = result["seq"].as_u64().expect("seq");
        let id = result["event_id"].as_str().expect("an id").to_string();
        let replayed = result["replayed"] == true;
        self.results.entry(seq).or_default().push((id, replayed));
    }

    /// Listens until each of `numbers` was heard `times`.
    fn hear_results(&mut self, numbers: &BTreeSet<u64>, times: usize) {
        let heard = |mes: &Self| {
            let often = |seq| mes.results.get(seq).map_or(0, Vec::len);
            numbers.iter().all(|seq| often(seq) >= times)
        };
        while !heard(self) {
            self.hear("result", |_| true);
        }
    }

    fn ask(&self, verb: &str, payload: &Value) -> (bool, String) {
        let manner = Manner::default();
        let answer = ask(self.port, verb, payload.to_string().as_bytes(), manner)
            .unwrap_or_else(|| panic!("no answer to {verb}"));
        let message = answer["message"].as_str().expect("a message").to_string();
        (answer["done"] == true, message)
    }
}

/// What the broker keeps for whoever comes now.
fn retained(port: u16, suffix: &str) -> Option<String> {
    let (_subscriber, coming) = subscribe(port, &format!("{ROOT}/{suffix}"), "mqttv5");
    let heard = coming.recv_timeout(Duration::from_millis(500)).ok();
    heard.map(|(_, payload)| payload)
}

fn by_its_schema(message: &Value) {
    let file = project().join("configs/schemas/sightline.gap.v1.json");
    let schema = std::fs::read_to_string(file).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(message), "{message}");
}

/// `journal stat --json`: the gaps.
fn gaps(journal: &str) -> Vec<Value> {
    let stat = sightline(&["journal", "stat", "--json", "--journal", journal]);
    let [stat] = &json_lines(&stat)[..] else {
        panic!("expected one line");
    };
    stat["gaps"].as_array().expect("gaps").clone()
}

#[test]
fn a_damaged_result_is_told_until_the_mes_takes_note_and_the_others_come_as_often_as_asked_for() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let broker = format!("\"mqtt://127.0.0.1:{port}\"\ncommands = [\"resend\", \"skip\"]");
    let config = demo_config(folder.path(), &broker, "[journal]\nfolder = \"journal\"");
    let journal = folder.path().join("journal");
    let mut station = Station::run(&config);
    station.wait_for("parts without a broker", 0, |r| r["seq"] == STORED);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    damage(&journal, DAMAGED);

    let _broker = mosquitto(port, folder.path());
    let mut mes = Mes::start(port);
    let mut station = Station::run(&config);
    let gap = format!("gap/{DAMAGED}");
    let told: Value = serde_json::from_str(&mes.hear(&gap, |said| !said.is_empty())).expect("JSON");
    by_its_schema(&told);
    assert_eq!(
        (&told["first"], &told["last"], &told["count"]),
        (&DAMAGED.into(), &DAMAGED.into(), &1.into())
    );
    assert!(
        told["reason"]
            .as_str()
            .is_some_and(|r| r.contains("damaged")),
        "{told}"
    );
    let others: BTreeSet<u64> = (1..=STORED).filter(|seq| *seq != DAMAGED).collect();
    mes.hear_results(&others, 1);
    mes.hear("alarm/journal-gap", |said| said.contains("\"active\":true"));
    assert!(retained(port, &gap).is_some_and(|said| said.contains("\"first\":3")));

    let range = json!({"first": 1, "last": STORED});
    let (done, said) = mes.ask("resend", &range);
    assert!(done && said.ends_with("these have none: 3"), "{said}");
    mes.hear_results(&others, 2);
    for seq in &others {
        let [first, again, ..] = &mes.results[seq][..] else {
            panic!("{seq}: {:?}", mes.results[seq]);
        };
        assert_eq!(first.0, again.0, "{seq}");
        assert!(again.1, "{seq} is marked as sent again");
    }
    assert!(!mes.results.contains_key(&DAMAGED));
    let (done, said) = mes.ask("resend", &json!({"first": 1_000_000, "last": 1_000_001}));
    assert!(!done && said.contains("expected numbers up to"), "{said}");

    let path = journal.to_str().expect("UTF-8");
    assert_eq!(gaps(path)[0]["acknowledged"], Value::Null);
    let (done, said) = mes.ask("skip", &json!({"first": 1, "last": 2}));
    assert!(!done && said.contains("give its whole range"), "{said}");
    let note = json!({"first": DAMAGED, "last": DAMAGED, "by": "mes-1"});
    let (done, said) = mes.ask("skip", &note);
    assert!(done, "{said}");
    mes.hear(&gap, str::is_empty);
    mes.hear("alarm/journal-gap", |said| {
        said.contains("\"active\":false")
    });
    until("the broker keeps it no longer", || {
        retained(port, &gap).is_none()
    });
    let (done, said) = mes.ask("skip", &note);
    assert!(!done && said.contains("found none at all"), "{said}");
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    assert!(!station.log().contains("panicked"), "{}", station.log());
    shown(path, &others);
}

/// What the command line says of it afterwards.
fn shown(journal: &str, others: &BTreeSet<u64>) {
    let noted = &gaps(journal)[0];
    assert_eq!(
        (&noted["first"], &noted["by"]),
        (&DAMAGED.into(), &"mes-1".into())
    );
    let export = sightline(&[
        "journal",
        "export",
        "--format",
        "jsonl",
        "--journal",
        journal,
    ]);
    let numbers: BTreeSet<u64> = json_lines(&export)
        .iter()
        .filter_map(|r| r["seq"].as_u64())
        .collect();
    assert!(numbers.is_superset(others) && !numbers.contains(&DAMAGED));
    let said = String::from_utf8_lossy(&export.stderr).into_owned();
    assert!(
        said.contains("3: lost, found at") && said.contains("mes-1 took note"),
        "{said}"
    );
    assert_eq!(export.status.code(), Some(1), "not everything is there");
    let verify = sightline(&["journal", "verify", "--json", "--journal", journal]);
    assert_eq!(verify.status.code(), Some(1));
    assert_eq!(json_lines(&verify)[0]["damaged"][0][0], DAMAGED);
}

#[test]
fn what_is_asked_for_again_comes_at_a_bounded_rate_beside_what_is_new() {
    const MANY: u64 = 600;
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let journal = parts::open(&folder.path().join("journal"));
    let topic = format!("{}/result", sightline_tests::uplink::ROOT);
    let (_subscriber, coming) = subscribe(port, &topic, "mqttv5");
    let mqtt = Mqtt::to(&format!("mqtt://127.0.0.1:{port}"));
    let uplink = Uplink::start_over(settings(mqtt), journal.clone()).expect("it starts");
    (1..=MANY).for_each(|seq| submit(&journal, &good(seq)));
    let next = || {
        let (_, payload) = coming.recv_timeout(PATIENCE).expect("a result");
        let result: Value = serde_json::from_str(&payload).expect("JSON");
        (
            result["seq"].as_u64().expect("seq"),
            result["replayed"] == true,
        )
    };
    (1..=MANY).for_each(|seq| assert_eq!(next().0, seq));
    let begun = Instant::now();
    assert_eq!(uplink.resend(101, MANY - 100), Some(200));
    submit(&journal, &good(MANY + 1));
    let (mut again, mut fresh) = (Vec::new(), None);
    while again.len() < MANY as usize - 200 {
        match next() {
            (seq, false) => fresh = Some((seq, begun.elapsed())),
            (seq, true) => again.push(seq),
        }
    }
    let took = begun.elapsed();
    assert_eq!(again, (101..=MANY - 100).collect::<Vec<_>>());
    assert!(took >= Duration::from_millis(1_700), "{took:?} for 400");
    let (seq, after) = fresh.expect("what is new is not held up");
    assert!(seq == MANY + 1 && after < took, "{seq} after {after:?}");
}
