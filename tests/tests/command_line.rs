//! What people see when they write something wrong: all of it at once, with the place and what to write; exit code 2.

use sightline_tests::station::{demo_config, sightline};
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

#[test]
fn names_and_numbers_that_a_station_cannot_use_are_refused_with_what_fits() {
    for (from, to, expected) in [
        ("name = \"cam1\"", "name = \"cam/1\"", "`cam/1`"),
        ("name = \"cam1\"", "name = \"cam+1\"", "`cam+1`"),
        ("seed = 1", "speed_mm_s = 1e300", "0.1 to 20000 mm/s"),
        (
            "slots = 8",
            "slots = 18446744073709551615",
            "2 to 256 slots",
        ),
        (
            "[simulation]",
            "[journal]\nfolder = \"j\"\nkeep_days = inf\n\n[simulation]",
            "0.001 to 36500 days",
        ),
        (
            "[simulation]",
            "[journal]\nfolder = \"j\"\nmax_mb = 17592186044416\n\n[simulation]",
            "16 to 16777216 MB",
        ),
    ] {
        let output = check(|text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{to}: {said}");
        assert!(said.contains(expected), "{to}: {said}");
    }
}

/// `sightline arguments` with its stdout where a shell puts it.
fn shell(line: &str) -> Output {
    let line = line.replace(
        "sightline",
        sightline_tests::station::binary().to_str().expect("UTF-8"),
    );
    std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &line])
        .output()
        .expect("bash")
}

#[test]
fn a_reader_that_has_enough_is_no_failure_and_a_full_disk_is_one() {
    let head = shell("sightline completions bash | head -c 1");
    assert_eq!(head.status.code(), Some(0), "{}", said(&head));
    assert_eq!(said(&head), "");
    let scratch = tempfile::tempdir().expect("scratch");
    let journal = scratch.path().join("journal.sqlite");
    let earlier = project().join("app/journal/tests/fixtures/v2.sqlite");
    std::fs::copy(earlier, &journal).expect("a journal of an earlier layout");
    let journal = journal.display();
    for what in ["export --format jsonl", "audit", "audit --json"] {
        let head = shell(&format!(
            "sightline journal {what} --journal {journal} | head -c 1"
        ));
        assert_eq!(head.status.code(), Some(0), "{what}: {}", said(&head));
    }
    for line in [
        "completions bash",
        "--help",
        "--version",
        &format!("journal stat --journal {journal}"),
        &format!("journal audit --journal {journal}"),
        &format!("journal verify --json --journal {journal}"),
        &format!("journal export --format jsonl --journal {journal}"),
        &format!("model inspect {}/models/pcb-detector", project().display()),
        &format!(
            "check --json --config {}/configs/demo.toml",
            project().display()
        ),
    ] {
        let full = shell(&format!("sightline {line} > /dev/full"));
        assert_eq!(full.status.code(), Some(1), "{line}: {}", said(&full));
        assert!(
            said(&full).contains("No space left"),
            "{line}: {}",
            said(&full)
        );
    }
}

#[test]
fn shells_and_man_know_every_command() {
    let folder = tempfile::tempdir().expect("scratch");
    let to = folder.path().to_str().expect("UTF-8");
    let output = sightline(&["man", to]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for page in [
        "sightline.1",
        "sightline-journal-export.1",
        "sightline-run.1",
    ] {
        assert!(folder.path().join(page).exists(), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = sightline(&["completions", shell]);
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("journal"),
            "{shell}"
        );
    }
}

/// The one object on stdout.
fn object(arguments: &[&str]) -> serde_json::Value {
    let output = sightline(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let [found] = &sightline_tests::station::json_lines(&output)[..] else {
        panic!("{arguments:?}: expected one line");
    };
    found.clone()
}

#[test]
fn models_and_keys_are_shown_as_json() {
    let bundle = object(&["model", "inspect", "--json", "models/pcb-detector"]);
    assert_eq!(bundle["name"], "pcb-detector");
    assert!(bundle["classes"].as_array().map(Vec::len) > Some(1));
    let file = object(&[
        "model",
        "inspect",
        "--json",
        "models/pcb-detector/model.onnx",
    ]);
    let manifest = file["manifest_toml"].as_str().unwrap_or_default();
    assert!(
        manifest.contains("[decoder]") && file["read_as"].is_string(),
        "{file}"
    );
    let proof = object(&["model", "verify", "--json", "models/pcb-detector"]);
    assert_eq!(
        (&proof["proved"], &proof["reasons"]),
        (&true.into(), &"".into())
    );
    assert!(proof["found"].as_array().map(Vec::len) > Some(0), "{proof}");

    let folder = tempfile::tempdir().expect("scratch");
    let keys = folder.path().join("keys");
    let made = sightline(&[
        "keys",
        "new",
        "plant",
        "--no-password",
        "--out",
        keys.to_str().expect("UTF-8"),
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let more = "[models]\nstore = \"store\"\ntrusted_keys = \"keys\"";
    let config = demo_config(folder.path(), "\"embedded\"", more);
    let key = object(&[
        "keys",
        "list",
        "--json",
        "--config",
        config.to_str().expect("UTF-8"),
    ]);
    assert_eq!(key["name"], "plant");
    assert!(key["id"].is_string(), "{key}");
}

#[test]
fn check_says_what_it_found_as_json() {
    let output = sightline(&["check", "--json", "--config", "configs/demo.toml"]);
    let [found] = &sightline_tests::station::json_lines(&output)[..] else {
        panic!("expected one line");
    };
    assert_eq!(
        (&found["good"], found["problems"].as_array().map(Vec::len)),
        (&true.into(), Some(0))
    );
}
