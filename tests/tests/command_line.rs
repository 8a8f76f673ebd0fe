//! What people see when they write something wrong: all of it at once, with the place and what to write; exit code 2.

use sightline_tests::station::sightline;
use sightline_tests::{free_port, project};
use std::process::Output;

fn check(change: impl Fn(String) -> String) -> Output {
    let folder = tempfile::tempdir().expect("scratch");
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let text = text.replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"));
    let path = folder.path().join("station.toml");
    std::fs::write(&path, change(text)).expect("written");
    sightline(&["check", "--config", path.to_str().expect("UTF-8")])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_good_configuration_is_good() {
    let output = check(|text| text);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn every_mistake_is_named_with_its_line_and_the_nearest_field() {
    let output = check(|text| {
        text.replace("slots = 8", "slotz = 8")
            .replace("seed = 1", "seed = \"x\"")
            .replace(
                "kind = \"simulated\" }\nwidth",
                "kind = \"simulatd\" }\nwidth",
            )
    });
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in [
        "slotz",
        "did you mean `slots`?",
        "simulation.seed",
        "did you mean `simulated`?",
        "station.toml:",
    ] {
        assert!(said.contains(part), "expected `{part}` in:\n{said}");
    }
}

#[test]
fn wrong_use_is_exit_code_2_and_json_stays_clean() {
    for arguments in [
        &["frobnicate"][..],
        &["run"],
        &["run", "--config", "/nowhere/station.toml"],
        &[
            "replay",
            "--model",
            "/nowhere",
            "--coco",
            "/nowhere/test.json",
            "--json",
        ],
        &["demo", "--json", "--config", "/nowhere/station.toml"],
        &["model", "verify", "/nowhere"],
    ] {
        let output = sightline(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
        assert!(!said(&output).is_empty(), "{arguments:?} said nothing");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("bound");
    let folder = tempfile::tempdir().expect("scratch");
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let text = text
        .replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"))
        .replace("127.0.0.1:1884", &format!("127.0.0.1:{port}"));
    let path = folder.path().join("station.toml");
    std::fs::write(&path, text).expect("written");
    let output = sightline(&[
        "demo",
        "--headless",
        "--seconds",
        "1",
        "--config",
        path.to_str().expect("UTF-8"),
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains(&format!("127.0.0.1:{port}")),
        "{}",
        said(&output)
    );
}

#[test]
fn the_shipped_bundle_is_as_its_golden_pictures_say() {
    let output = sightline(&["model", "verify", "models/pcb-detector"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("as expected"), "{}", said(&output));
}
