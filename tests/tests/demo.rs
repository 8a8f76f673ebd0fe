//! The simulated line as `make demo` runs it.

use serde_json::Value;
use sightline_tests::free_port;
use sightline_tests::station::{json_lines, sightline};
use std::path::PathBuf;

/// The shipped demo on a port of its own.
fn demo_config(folder: &std::path::Path) -> PathBuf {
    let configs = sightline_tests::project().join("configs");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = text
        .replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"))
        .replace("127.0.0.1:1884", &format!("127.0.0.1:{}", free_port()));
    let path = folder.join("demo.toml");
    std::fs::write(&path, text).expect("written");
    path
}

fn run(arguments: &[&str]) -> (Value, usize) {
    let folder = tempfile::tempdir().expect("scratch");
    let config = demo_config(folder.path());
    let base = [
        "demo",
        "--headless",
        "--json",
        "--config",
        config.to_str().expect("UTF-8"),
    ];
    let output = sightline(&[&base[..], arguments].concat());
    let lines = json_lines(&output);
    let summary = lines.last().cloned().unwrap_or_default();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{summary}\n{log}");
    assert_eq!(summary["kind"], "summary");
    (summary, lines.len() - 1)
}

fn assert_conserved(summary: &Value, results: usize) {
    let count = |name: &str| {
        summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {summary}"))
    };
    let triggers = count("triggers");
    assert!(triggers > 0);
    for name in [
        "parts",
        "verdicts",
        "dispositions",
        "published",
        "acknowledged",
    ] {
        assert_eq!(count(name), triggers, "{name} in {summary}");
    }
    assert_eq!(
        count("ok") + count("not_ok") + count("not_decidable"),
        triggers
    );
    assert_eq!(results as u64, triggers, "one result line a part");
    assert_eq!(summary["conserved"], true);
    assert_eq!(count("escapes_by_other"), 0, "{summary}");
}

#[test]
fn the_line_is_conserved_and_finds_defects() {
    let (summary, results) = run(&["--seconds", "8"]);
    assert_conserved(&summary, results);
    assert!(
        summary["ok"].as_u64() > Some(0) && summary["not_ok"].as_u64() > Some(0),
        "{summary}"
    );
}

#[test]
fn with_every_fault_nothing_is_lost_and_nothing_escapes_but_by_the_model() {
    let (summary, results) = run(&["--seconds", "40", "--faults"]);
    assert_conserved(&summary, results);
    assert!(summary["not_decidable"].as_u64() > Some(0), "{summary}");
    let alarms = summary["alarms"].as_array().expect("alarms");
    let raised = |id: &str| alarms.iter().any(|a| a["id"] == id);
    assert!(
        raised("camera.cam1.down") && raised("gate-unconfirmed"),
        "{alarms:?}"
    );
    assert!(
        !raised("conservation-gap") && !raised("outbox-full"),
        "{alarms:?}"
    );
}
