//! A recipe's file that was edited and read again by SIGHUP: written down, and told as long as it is wrong.

use serde_json::Value;
use sightline_tests::broker::{Listener, mosquitto};
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::station::{Station, demo_config, json_lines, sightline};
use sightline_tests::{free_port, project};
use std::path::Path;

/// The demo's recipe under another name, beside the configuration.
fn recipe(folder: &Path, id: &str, change: impl Fn(String) -> String) {
    let bundle = project().join("models/pcb-detector");
    let text = std::fs::read_to_string(project().join("configs/recipes/demo-board.toml"))
        .expect("the demo's recipe")
        .replace("../../models/pcb-detector", bundle.to_str().expect("UTF-8"))
        .replace("\"DEMO-BOARD\"", &format!("\"{id}\""));
    let file = folder.join(format!("{id}.toml"));
    std::fs::write(file, change(text)).expect("written");
}

/// Waits for a message on `suffix` that satisfies `wanted`.
fn hear(coming: &mut Listener, suffix: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    coming.hear(&format!("{ROOT}/{suffix}"), wanted)
}

#[test]
fn a_reload_is_written_down_and_a_refused_one_told_until_any_recipe_takes_over() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let mut coming = Listener::start(port, &format!("{ROOT}/#"));
    recipe(folder.path(), "FIRST", |text| text);
    recipe(folder.path(), "OTHER", |text| text);
    let broker = format!(
        "\"mqtt://127.0.0.1:{port}\"\ncommands = [\"prepare_recipe\", \"stop\", \"start\"]"
    );
    let config = demo_config(folder.path(), &broker, "[journal]\nfolder = \"journal\"");
    let demo = project().join("configs/recipes/demo-board.toml");
    let text = std::fs::read_to_string(&config).expect("written");
    let text = text.replace(demo.to_str().expect("UTF-8"), "FIRST.toml");
    std::fs::write(&config, text).expect("written");
    let mut station = Station::run(&config);
    station.wait_for("the first part", 0, |r| r["seq"] == 1);

    let slower = |text: String| text.replace("deadline_ms = 800", "deadline_ms = 900");
    recipe(folder.path(), "FIRST", slower);
    station.signal("HUP");
    let written = hear(&mut coming, "audit", |a| a["action"] == "reload_recipe");
    assert_eq!(written["actor"], "SIGHUP");
    assert_ne!(written["old"], written["new"], "{written}");
    assert!(
        written["hash"].is_string() && written["link"].is_u64(),
        "{written}"
    );
    hear(&mut coming, "recipe/active", |r| r["by"] == "SIGHUP");

    let stands = |state: bool| move |a: &Value| a["active"] == state;
    for way_out in ["the file is good again", "another recipe takes over"] {
        recipe(folder.path(), "FIRST", |_| "not a recipe".into());
        station.signal("HUP");
        let refused = hear(&mut coming, "audit", |a| {
            let why = a["reason"].as_str().unwrap_or_default();
            a["action"] == "reload_recipe" && why.starts_with("refused: ")
        });
        assert_eq!(refused["actor"], "SIGHUP", "{way_out}");
        let alarm = hear(&mut coming, "alarm/recipe-reload", stands(true));
        assert_eq!(alarm["effect"], "none", "the one before inspects: {alarm}");
        if way_out == "the file is good again" {
            recipe(folder.path(), "FIRST", slower);
            station.signal("HUP");
        } else {
            for (verb, payload) in [
                ("stop", ""),
                ("prepare_recipe", r#"{"external_id":"OTHER"}"#),
            ] {
                let answer = ask(port, verb, payload.as_bytes(), Manner::default());
                let answer = answer.expect("an answer");
                assert_eq!(answer["done"], true, "{answer}");
            }
        }
        hear(&mut coming, "alarm/recipe-reload", stands(false));
    }
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let path = folder.path().join("journal");
    let path = path.to_str().expect("UTF-8");
    let trail = json_lines(&sightline(&[
        "journal",
        "audit",
        "--json",
        "--journal",
        path,
    ]));
    let reloads = trail.iter().filter(|l| l["action"] == "reload_recipe");
    assert_eq!(reloads.count(), 4, "{trail:?}");
}
