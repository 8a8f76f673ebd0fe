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
    assert_eq!(
        results as u64,
        triggers + count("corrections"),
        "one result line a part, and one a correction"
    );
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

/// A process that stands still for 50 to 500 ms now and then: whatever that makes of the gate's commands, the last word on
/// each part is where it lies.
#[test]
fn a_process_that_stands_still_for_moments_tells_what_happened() {
    let folder = tempfile::tempdir().expect("scratch");
    let config = demo_config(folder.path());
    let mut demo = std::process::Command::new(sightline_tests::station::binary())
        .args([
            "demo",
            "--headless",
            "--json",
            "--seconds",
            "15",
            "--config",
        ])
        .arg(&config)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the demo");
    let pid = demo.id().to_string();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(sent.expect("kill").success());
    };
    std::thread::sleep(std::time::Duration::from_secs(3));
    for n in 0..16u64 {
        signal("-STOP");
        std::thread::sleep(std::time::Duration::from_millis(50 + n * 137 % 450));
        signal("-CONT");
        std::thread::sleep(std::time::Duration::from_millis(150 + n * 89 % 200));
    }
    let mut text = String::new();
    let mut out = demo.stdout.take().expect("its output");
    std::io::Read::read_to_string(&mut out, &mut text).expect("text");
    assert!(demo.wait().expect("it ends").success(), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    let (summary, results) = lines.split_last().expect("lines");
    assert_eq!(summary["conserved"], true, "{summary}");
    assert_eq!(summary["escapes_by_other"], 0, "{summary}");
    assert_eq!(
        summary["went_another_way"], 0,
        "told otherwise than happened: {summary}"
    );
    // the same event, a number of its own
    let corrections: Vec<&Value> = results
        .iter()
        .filter(|r| r.get("correction").is_some())
        .collect();
    assert_eq!(summary["corrections"], corrections.len() as u64);
    for correction in corrections {
        let told =
            |r: &&Value| r["event_id"] == correction["event_id"] && r.get("correction").is_none();
        let first = results.iter().find(told).expect("it was told before");
        assert_ne!(first["seq"], correction["seq"]);
        assert_ne!(first["disposition"], correction["disposition"]);
    }
}
