//! Commands as a MES sends them, to the real station over a real broker: each is answered with done or why not, acts
//! once, is written down, and changes things only where the state allows.

use serde_json::Value;
use sightline_tests::broker::{Messages, mosquitto, subscribe};
use sightline_tests::process::Killed;
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::scripted::{Packet, Scripted};
use sightline_tests::station::{Station, sightline};
use sightline_tests::{PATIENCE, free_port, project, until};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// A demo station in `folder` that takes every command; recipes `demo-board` and `other` lie beside each other.
struct Plant {
    port: u16,
    station: Station,
    heard: RefCell<Heard>,
    _broker: Killed,
    _subscriber: Killed,
}

fn prepare(folder: &Path, port: u16) -> std::path::PathBuf {
    let configs = project().join("configs");
    let read = |name: &str| std::fs::read_to_string(configs.join(name)).expect(name);
    let bundle = project().join("models/pcb-detector");
    let recipe = read("recipes/demo-board.toml")
        .replace("../../models/pcb-detector", bundle.to_str().expect("UTF-8"));
    let other = recipe.replace("\"DEMO-BOARD\"", "\"OTHER\"");
    assert_ne!(other, recipe);
    std::fs::create_dir(folder.join("recipes")).expect("a folder");
    std::fs::write(folder.join("recipes/demo.toml"), &recipe).expect("written");
    std::fs::write(folder.join("recipes/other.toml"), other).expect("written");
    std::fs::write(
        folder.join("recipes/broken.toml"),
        "external_id = \"BROKEN\"\nversion = \"1\"\n",
    )
    .expect("written");
    std::fs::create_dir(folder.join("inbox")).expect("a folder");
    let all = "commands = [\"trigger\", \"prepare_recipe\", \"start\", \"stop\", \"ack_alarm\", \
               \"install_model\", \"activate_model\", \"rollback_model\"]";
    let text = read("demo.toml")
        .replace("recipes/demo-board.toml", "recipes/demo.toml")
        .replace(
            "\"embedded\"",
            &format!("\"mqtt://127.0.0.1:{port}\"\n{all}"),
        )
        + "\n[models]\nstore = \"store\"\ninbox = \"inbox\"\nallow_unsigned = true\n";
    let config = folder.join("station.toml");
    std::fs::write(&config, text).expect("written");
    config
}

/// What came over MQTT.
struct Heard {
    coming: Messages,
    log: Vec<(String, Value)>,
    /// How far each topic was looked at.
    seen: BTreeMap<String, usize>,
}

impl Plant {
    fn start(folder: &Path) -> Self {
        let port = free_port();
        let config = prepare(folder, port);
        let broker = mosquitto(port, folder);
        let (subscriber, coming) = subscribe(port, &format!("{ROOT}/#"), "mqttv5");
        let station = Station::run(&config);
        station.wait_for("the first part", 0, |r| r["seq"] == 1);
        Self {
            port,
            station,
            heard: RefCell::new(Heard {
                coming,
                log: Vec::new(),
                seen: BTreeMap::new(),
            }),
            _broker: broker,
            _subscriber: subscriber,
        }
    }

    fn ask(&self, verb: &str, payload: &str) -> (bool, String) {
        self.ask_so(verb, payload.as_bytes(), Manner::default())
    }

    fn ask_so(&self, verb: &str, payload: &[u8], manner: Manner<'_>) -> (bool, String) {
        let answer = ask(self.port, verb, payload, manner)
            .unwrap_or_else(|| panic!("no answer to {verb}; log:\n{}", self.station.log()));
        assert_eq!(answer["schema"], "sightline.answer.v1");
        assert_eq!(answer["verb"], verb);
        let message = answer["message"].as_str().expect("a message").to_string();
        (answer["done"] == true, message)
    }

    fn done(&self, verb: &str, payload: &str) -> String {
        let (done, message) = self.ask(verb, payload);
        assert!(done, "{verb}: {message}");
        message
    }

    fn refused(&self, verb: &str, payload: &str, expected: &str) {
        let (done, message) = self.ask(verb, payload);
        assert!(
            !done && message.contains(expected),
            "{verb}: expected `{expected}` in: {message}"
        );
    }

    /// Waits for a message on `suffix` that satisfies `wanted` and came after the last one waited for there; returns
    /// everything that was said there since the start.
    fn hear(&self, suffix: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let topic = format!("{ROOT}/{suffix}");
        let mut heard = self.heard.borrow_mut();
        loop {
            let from = heard.seen.get(&topic).copied().unwrap_or(0);
            let there = heard.log.iter().filter(|(on, _)| *on == topic);
            let all: Vec<Value> = there.map(|(_, value)| value.clone()).collect();
            if let Some(at) = all.iter().skip(from).position(&wanted) {
                heard.seen.insert(topic, from + at + 1);
                return all;
            }
            let next = heard.coming.recv_timeout(PATIENCE);
            let (on, payload) = next.unwrap_or_else(|e| panic!("{e}: {suffix}: {all:?}"));
            if !payload.is_empty() && !on.contains("/cmd/") {
                let value: Value = serde_json::from_str(&payload).expect("JSON");
                by_its_schema(&value);
                heard.log.push((on, value));
            }
        }
    }
}

/// Holds a message against the schema that it names.
fn by_its_schema(message: &Value) {
    let name = message["schema"]
        .as_str()
        .expect("every message names its schema");
    let file = project().join(format!("configs/schemas/{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(message)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{message}");
}

#[test]
fn a_recipe_changes_where_the_state_allows_it_and_every_command_is_written_down() {
    let folder = tempfile::tempdir().expect("scratch");
    let mut plant = Plant::start(folder.path());
    plant.hear("state", |s| s["state"] == "ContinuousExecution");
    plant.refused(
        "prepare_recipe",
        r#"{"external_id":"OTHER"}"#,
        "send stop, then prepare_recipe",
    );
    plant.refused("start", "", "send stop first");
    plant.done("stop", r#"{"by":"anna"}"#);
    plant.hear("state", |s| s["state"] == "Ready");
    plant.refused(
        "prepare_recipe",
        r#"{"external_id":"NOBODY"}"#,
        "found BROKEN 1",
    );
    plant.refused("prepare_recipe", r#"{"external_id":"BROKEN"}"#, "schema");
    let said = plant.done("prepare_recipe", r#"{"external_id":"OTHER","by":"anna"}"#);
    assert!(said.contains("generation 2"), "{said}");
    plant.hear("recipe/active", |r| {
        r["id"] == "OTHER" && r["by"] == "anna" && r["generation"] == 2
    });
    let before = plant.station.results().len();
    plant.done("start", r#"{"job_id":"lot 7"}"#);
    plant
        .station
        .wait_for("parts of the other recipe", before, |r| {
            r["recipe"]["external_id"] == "OTHER" && r["job_id"] == "lot 7"
        });
    let audit = plant.hear("audit", |a| a["action"] == "start" && a["new"].is_string());
    let of = |action: &str| {
        audit
            .iter()
            .filter(|a| a["action"] == action)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("prepare_recipe").len(), 4, "{audit:?}");
    assert_eq!(of("stop")[0]["actor"], "anna");
    let changed = of("prepare_recipe")[3];
    assert!(
        changed["new"]
            .as_str()
            .is_some_and(|n| n.contains("recipe OTHER")),
        "{changed}"
    );
    // One part, and Ready again.
    plant.done("stop", "");
    let before = plant.station.results().len();
    plant.done("start", r#"{"mode":"single"}"#);
    plant.hear("state", |s| s["state"] == "SingleExecution");
    plant.hear("state", |s| s["state"] == "Ready");
    plant.station.wait_for("the one part", before, |_| true);
    assert_eq!(plant.station.interrupt(), 0, "{}", plant.station.log());
}

#[test]
fn the_same_correlation_acts_once_and_bad_commands_are_answered() {
    let folder = tempfile::tempdir().expect("scratch");
    let plant = Plant::start(folder.path());
    let once = Manner {
        id: Some("order-1"),
        ..Manner::default()
    };
    let first = plant.ask_so("stop", b"", once);
    assert!(first.0, "{first:?}");
    let again = plant.ask_so("stop", b"", once);
    assert_eq!(
        again, first,
        "the same answer, though a second stop would be refused"
    );
    plant.refused("stop", "", "expected a state that allows Stop");
    let (done, other) = plant.ask_so("stop", b"{}", once);
    assert!(!done && other.contains("another command"), "{other}");
    let sent = std::process::Command::new("mosquitto_pub")
        .args([
            "-V",
            "mqttv5",
            "-h",
            "127.0.0.1",
            "-p",
            &plant.port.to_string(),
            "-q",
            "1",
            "-r",
            "-n",
        ])
        .args(["-t", &format!("{ROOT}/cmd/start")])
        .status();
    assert!(sent.expect("mosquitto_pub").success());
    plant.hear("audit", |a| {
        let why = a["reason"].as_str().unwrap_or_default();
        a["action"] == "start" && why.contains("a retained command is never carried out")
    });
    plant.refused("frobnicate", "", "found `frobnicate`");
    plant.refused(
        "start",
        r#"{"schema":"sightline.command.v9"}"#,
        "no other version",
    );
    plant.refused("start", &" ".repeat(20_000), "at most 16384 bytes");
    let (done, why) = plant.ask_so("start", b"\xff\xfe{}", Manner::default());
    assert!(!done && why.contains("UTF-8"), "{why}");
    plant.refused("trigger", "", "trigger.kind = \"command\"");
    plant.refused("ack_alarm", r#"{"id":"nothing"}"#, "no `nothing`");
    let expiring = Manner {
        expires_s: Some(60),
        ..Manner::default()
    };
    let (done, why) = plant.ask_so("start", b"", expiring);
    assert!(done, "in time: {why}");
    assert!(
        !plant.station.log().contains("panicked"),
        "{}",
        plant.station.log()
    );
}

#[test]
fn a_command_whose_time_is_over_when_it_comes_is_refused() {
    let (folder, answer) = (tempfile::tempdir().expect("scratch"), "mes/answers");
    let (broker, port) = Scripted::start();
    let _station = Station::run(&prepare(folder.path(), port));
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    // The station goes on by itself; a `stop` in time is done, one that is over changes nothing.
    for (left_s, expected) in [(0, "too late"), (60, "\"done\":true")] {
        peer.command(&format!("{ROOT}/cmd/stop"), left_s, answer);
        let said = loop {
            match peer.packet().expect("the station stays") {
                Packet::Publish(topic, _, said) if topic == answer => break said,
                other => {
                    if let Some((id, _)) = peer.pass(other) {
                        peer.puback(id, 0);
                    }
                }
            }
        };
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(expected), "{left_s} s left: {said}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_model_is_installed_proved_activated_and_rolled_back_while_the_line_runs() {
    let folder = tempfile::tempdir().expect("scratch");
    let plant = Plant::start(folder.path());
    // The shipped bundle under a new version.
    let copy = folder.path().join("next");
    let made = std::process::Command::new("cp")
        .arg("-r")
        .arg(project().join("models/pcb-detector"))
        .arg(&copy)
        .status();
    assert!(made.expect("cp").success());
    let manifest = std::fs::read_to_string(copy.join("manifest.toml")).expect("manifest");
    let version = manifest
        .lines()
        .find(|l| l.starts_with("version"))
        .expect("a version");
    std::fs::write(
        copy.join("manifest.toml"),
        manifest.replace(version, "version = \"99.0.0\""),
    )
    .expect("written");
    let archive = folder.path().join("inbox/next.tar.zst");
    let paths = [&copy, &archive].map(|p| p.to_str().expect("UTF-8").to_string());
    let packed = sightline(&["model", "pack", &paths[0], "--output", &paths[1]]);
    assert!(
        packed.status.success(),
        "{}",
        String::from_utf8_lossy(&packed.stderr)
    );
    let sha = std::process::Command::new("sha256sum")
        .arg(&archive)
        .output()
        .expect("sha256sum");
    let sha = String::from_utf8_lossy(&sha.stdout)[..64].to_string();

    let wrong = "0".repeat(64);
    plant.refused(
        "install_model",
        &format!(r#"{{"file":"next.tar.zst","sha256":"{wrong}"}}"#),
        "copy it again",
    );
    plant.refused(
        "install_model",
        &format!(r#"{{"file":"absent.tar.zst","sha256":"{sha}"}}"#),
        "cannot read",
    );
    // Who takes more than one answer hears at once that it goes on.
    let absent = format!(r#"{{"file":"absent.tar.zst","sha256":"{sha}"}}"#);
    let progress = Manner {
        progress: true,
        ..Manner::default()
    };
    let first = ask(plant.port, "install_model", absent.as_bytes(), progress).expect("an answer");
    assert_eq!(
        (&first["running"], &first["done"]),
        (&true.into(), &false.into())
    );
    let ended = |m: &Value| {
        m["reason"]
            .as_str()
            .is_some_and(|r| r.contains("cannot read"))
    };
    plant.hear("audit", ended);
    plant.hear("audit", ended);
    let name = "pcb-detector";
    plant.refused(
        "activate_model",
        &format!(r#"{{"name":"{name}","version":"99.0.0"}}"#),
        "install it first",
    );
    let said = plant.done(
        "install_model",
        &format!(r#"{{"file":"next.tar.zst","sha256":"{sha}"}}"#),
    );
    assert!(said.contains("installed pcb-detector 99.0.0"), "{said}");
    let before = plant.station.results().len();
    plant.done(
        "activate_model",
        &format!(r#"{{"name":"{name}","version":"99.0.0"}}"#),
    );
    let uses = |r: &Value, version: &str| r["models"][0]["version"] == version;
    let (_, count) = plant
        .station
        .wait_for("the new version looks", before, |r| uses(r, "99.0.0"));
    plant.hear("model/active", |m| uses(m, "99.0.0"));
    let said = plant.done("rollback_model", &format!(r#"{{"name":"{name}"}}"#));
    assert!(said.contains("as the recipe says"), "{said}");
    plant
        .station
        .wait_for("the old one again", count, |r| !uses(r, "99.0.0"));
    plant.refused(
        "rollback_model",
        &format!(r#"{{"name":"{name}"}}"#),
        "nothing to go back from",
    );
    until("no part is missing", || {
        let results = plant.station.results();
        let seqs: Vec<u64> = results.iter().filter_map(|r| r["seq"].as_u64()).collect();
        seqs == (1..=seqs.len() as u64).collect::<Vec<_>>()
    });
    let store = folder.path().join("store");
    let listed = sightline(&["model", "list", "--store", store.to_str().expect("UTF-8")]);
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "pcb-detector 99.0.0\n"
    );
}
