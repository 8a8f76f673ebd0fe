//! Models that passed every check and are no good on the line: whatever such a model does, the station is stopped when
//! somebody says so, another model takes over, and a start does not come up with it for ever.

use serde_json::Value;
use sightline_tests::broker::{Listener, mosquitto};
use sightline_tests::process::Killed;
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::station::{Station, demo_config, sightline};
use sightline_tests::{PATIENCE, free_port, project, until};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// So soon a command is answered, the client's own start and a busy box with it.
const SOON: Duration = Duration::from_secs(2);
/// The line stands when no part came for so long: at full speed it makes one in a third of that.
const STANDS: Duration = Duration::from_secs(2);
/// The model that the recipe names.
const OWN: &str = "0.1.0";
const NAME: &str = r#"{"name":"pcb-detector"}"#;

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output();
    String::from_utf8_lossy(&output.expect("sha256sum").stdout)[..64].to_owned()
}

fn succeeded(arguments: &[&str]) {
    let output = sightline(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The bundle of the demo's line with `tests/models/line/{model}.onnx` in it and without golden pictures, which would
/// show what it is: as somebody brings it who commissions a line.
fn bundle(folder: &Path, model: &str, version: &str) -> PathBuf {
    let path = folder.join(format!("bundle-{model}"));
    std::fs::create_dir(&path).expect("a folder");
    let file = path.join("model.onnx");
    let from = project().join(format!("tests/models/line/{model}.onnx"));
    std::fs::copy(from, &file).expect("a model");
    let shipped = project().join("models/pcb-detector/manifest.toml");
    let shipped = std::fs::read_to_string(shipped).expect("a manifest");
    let mut manifest: toml::Table = shipped.parse().expect("TOML");
    manifest.remove("golden");
    manifest.remove("metrics");
    manifest.insert("version".into(), version.into());
    let files = format!(
        "[[files]]\npath = \"model.onnx\"\nrole = \"model\"\nprecision = \"fp32\"\nsha256 = \"{}\"\nsize = {}\n",
        sha256(&file),
        file.metadata().expect("a model").len()
    );
    let mut files: toml::Table = files.parse().expect("TOML");
    manifest.insert("files".into(), files.remove("files").expect("files"));
    std::fs::write(path.join("manifest.toml"), manifest.to_string()).expect("written");
    path
}

/// A demo station that is being commissioned, one engine on one thread, and what was heard of it over MQTT.
struct Plant {
    folder: tempfile::TempDir,
    config: PathBuf,
    port: u16,
    coming: Listener,
    _broker: Killed,
}

impl Plant {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("scratch");
        let port = free_port();
        let broker = format!(
            "\"mqtt://127.0.0.1:{port}\"\ncommands = [\"start\", \"stop\", \"ack_alarm\", \"install_model\", \"activate_model\", \"rollback_model\"]"
        );
        let config = demo_config(
            folder.path(),
            &broker,
            "[engine]\nname = \"onnx\"\narrangement = { instances = 1, threads = 1 }\n\
             [models]\nstore = \"store\"\ninbox = \"inbox\"\nallow_unsigned = true\nallow_unproved = true\n",
        );
        std::fs::create_dir(folder.path().join("inbox")).expect("a folder");
        let broker = mosquitto(port, folder.path());
        let coming = Listener::start(port, &format!("{ROOT}/#"));
        Self {
            folder,
            config,
            port,
            coming,
            _broker: broker,
        }
    }

    /// Installs a bad model as a person does at the box.
    fn install(&self, model: &str, version: &str) {
        let bundle = bundle(self.folder.path(), model, version);
        let config = text(&self.config);
        succeeded(&["model", "install", "--config", config, text(&bundle)]);
    }

    /// Activates it while the station is off.
    fn activate(&self, version: &str) {
        let config = text(&self.config);
        succeeded(&[
            "model",
            "activate",
            "--config",
            config,
            "pcb-detector",
            version,
        ]);
    }

    /// The active set is one that stood its trial, as after days on the line.
    fn stood_its_trial(&self) {
        let store = self.folder.path().join("store");
        let set = std::fs::read_to_string(store.join("active.json")).expect("the active set");
        let set: Value = serde_json::from_str(&set).expect("JSON");
        let book = serde_json::json!({ "good": null, "set": set, "starts": 0, "confirmed": true });
        std::fs::write(store.join("trial.json"), book.to_string()).expect("written");
    }

    fn answer(&self, verb: &str, payload: &str) -> (bool, String) {
        let answer = ask(self.port, verb, payload.as_bytes(), Manner::default());
        let answer = answer.unwrap_or_else(|| panic!("no answer to {verb}"));
        let message = answer["message"].as_str().expect("a message").to_owned();
        (answer["done"] == true, message)
    }

    fn done(&self, verb: &str, payload: &str) -> String {
        let (done, message) = self.answer(verb, payload);
        assert!(done, "{verb}: {message}");
        message
    }

    /// `stop` is answered soon and done, and the belt stands.
    fn stops(&self, station: &Station) {
        let asked = Instant::now();
        let (done, message) = self.answer("stop", "");
        let took = asked.elapsed();
        assert!(done, "{message}; log:\n{}", station.log());
        assert!(took < SOON, "{took:?}; log:\n{}", station.log());
        // What was under way gets its verdict by its deadline.
        std::thread::sleep(STANDS);
        let parts = station.results().len();
        std::thread::sleep(STANDS);
        assert_eq!(station.results().len(), parts, "the belt stands");
    }

    fn state(&mut self, state: &str) {
        let topic = format!("{ROOT}/state");
        self.coming.hear(&topic, |s| s["state"] == state);
    }
}

fn by(version: &'static str) -> impl Fn(&Value) -> bool {
    move |r| r["models"][0]["version"] == version
}

/// A part that the recipe's own model judged.
fn judged_by_own(r: &Value) -> bool {
    by(OWN)(r) && r["evaluation"] != "NotDecidable"
}

#[test]
fn a_model_that_answers_nonsense_or_nothing_is_stopped_and_rolled_back() {
    let plant = Plant::new();
    plant.install("nan", "9.6.0");
    plant.install("blind", "9.7.0");
    let mut station = Station::run(&plant.config);
    let (_, mut from) = station.wait_for("a part", 0, judged_by_own);
    for (version, evaluation) in [("9.6.0", "NotDecidable"), ("9.7.0", "OK")] {
        let wanted = format!(r#"{{"name":"pcb-detector","version":"{version}"}}"#);
        plant.done("activate_model", &wanted);
        station.wait_for("three parts by it", from + 3, by(version));
        let theirs = |r: &&Value| r["models"][0]["version"] == version;
        for result in station.results().iter().filter(theirs) {
            assert_eq!(result["evaluation"], evaluation, "{result}");
            let passes = result["disposition"] == "pass";
            assert!(!passes || evaluation == "OK", "{result}");
        }
        plant.stops(&station);
        plant.done("rollback_model", NAME);
        from = station.results().len();
        plant.done("start", "");
        (_, from) = station.wait_for("its own model looks again", from, judged_by_own);
    }
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

#[test]
fn a_model_that_hangs_on_trial_is_left_by_itself_and_meanwhile_commands_are_answered() {
    let mut plant = Plant::new();
    plant.install("hang", "9.1.0");
    let mut station = Station::run(&plant.config);
    station.wait_for("a part", 0, judged_by_own);
    plant.done(
        "activate_model",
        r#"{"name":"pcb-detector","version":"9.1.0"}"#,
    );
    // The first parts after the change may be decided without a picture; by the fourth it has one to hang on.
    let from = station.results().len();
    station.wait_for("parts that it hangs on", from + 4, by("9.1.0"));
    plant.stops(&station);
    // It may be in Error for too short a time to be told: the last good model takes over by itself.
    plant
        .coming
        .hear(&format!("{ROOT}/alarm/models.trial-failed"), |a| {
            a["active"] == true && a["message"].to_string().contains("did not come back")
        });
    plant
        .coming
        .hear(&format!("{ROOT}/alarm/engine.left-behind"), |a| {
            a["active"] == true
        });
    plant.coming.hear(&format!("{ROOT}/model/active"), by(OWN));
    plant.state("Ready");
    let from = station.results().len();
    plant.done("start", "");
    station.wait_for("its own model looks again", from, judged_by_own);
    assert!(
        !station
            .results()
            .iter()
            .any(|r| by("9.1.0")(r) && r["disposition"] == "pass")
    );
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

#[test]
fn in_the_state_error_another_model_takes_over_and_the_line_inspects_again() {
    for verb in ["rollback_model", "activate_model"] {
        let mut plant = Plant::new();
        plant.install("hang", "9.1.0");
        plant.install("blind", "9.7.0");
        plant.activate("9.1.0");
        plant.stood_its_trial();
        let mut station = Station::run(&plant.config);
        station.wait_for("a part that it hangs on", 0, by("9.1.0"));
        plant.state("Error");
        // Whatever the recipe's reading comes to, nobody waits for it.
        for _ in 0..3 {
            station.signal("HUP");
            let asked = Instant::now();
            let (done, _) = plant.answer("ack_alarm", r#"{"id":"nothing"}"#);
            assert!(!done && asked.elapsed() < SOON, "{:?}", asked.elapsed());
        }
        plant.stops(&station);
        let next = match verb {
            "rollback_model" => OWN,
            _ => "9.7.0",
        };
        let asked = match verb {
            "rollback_model" => NAME.to_owned(),
            _ => format!(r#"{{"name":"pcb-detector","version":"{next}"}}"#),
        };
        let begun = Instant::now();
        // While the recipe is still being read, a model is not activated beside it.
        let mut answer = plant.answer(verb, &asked);
        while !answer.0 && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(500));
            answer = plant.answer(verb, &asked);
        }
        assert!(answer.0, "{verb}: {}; log:\n{}", answer.1, station.log());
        plant.state("Ready");
        let from = station.results().len();
        plant.done("start", "");
        let judged = |r: &Value| by(next)(r) && r["evaluation"] != "NotDecidable";
        station.wait_for("the next model looks", from, judged);
        assert_eq!(station.interrupt(), 0, "{}", station.log());
    }
}

#[test]
fn while_a_slow_model_is_installed_and_built_the_station_is_stopped_at_once() {
    let mut plant = Plant::new();
    let slow = bundle(plant.folder.path(), "slow-build", "9.4.0");
    let archive = plant.folder.path().join("inbox/slow.tar.zst");
    succeeded(&["model", "pack", text(&slow), "--output", text(&archive)]);
    let mut station = Station::run(&plant.config);
    station.wait_for("a part", 0, judged_by_own);
    let install = format!(
        r#"{{"file":"slow.tar.zst","sha256":"{}"}}"#,
        sha256(&archive)
    );
    let activate = r#"{"name":"pcb-detector","version":"9.4.0"}"#;
    for (verb, payload) in [
        ("install_model", install.as_str()),
        ("activate_model", activate),
    ] {
        let progress = Manner {
            progress: true,
            ..Manner::default()
        };
        let first = ask(plant.port, verb, payload.as_bytes(), progress).expect("an answer");
        assert_eq!(first["running"], true, "{verb} takes its time: {first}");
        plant.stops(&station);
        if verb == "install_model" {
            let installed = plant.folder.path().join("store/pcb-detector/9.4.0");
            until("it is installed", || {
                installed.join("manifest.toml").exists()
            });
        } else {
            plant
                .coming
                .hear(&format!("{ROOT}/model/active"), by("9.4.0"));
        }
        let from = station.results().len();
        plant.done("start", "");
        station.wait_for("parts again", from, |_| true);
    }
    let from = station.results().len();
    station.wait_for("a part by the slow one", from, by("9.4.0"));
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

#[test]
fn a_bad_set_is_left_at_the_third_start_and_the_station_says_so() {
    let mut plant = Plant::new();
    plant.install("nan", "9.6.0");
    plant.activate("9.6.0");
    for start in 1..=2 {
        let station = Station::run(&plant.config);
        let (_, seen) = station.wait_for("parts by it", 0, by("9.6.0"));
        assert!(seen > 0, "start {start}");
        assert!(!station.results().iter().any(|r| r["disposition"] == "pass"));
        // As a power cut: the process is killed.
        drop(station);
    }
    let mut station = Station::run(&plant.config);
    plant
        .coming
        .hear(&format!("{ROOT}/alarm/models.trial-failed"), |a| {
            a["active"] == true && a["message"].to_string().contains("started 2 times")
        });
    station.wait_for("its own model looks", 0, judged_by_own);
    assert!(station.results().iter().all(by(OWN)));
    plant.stops(&station);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}
