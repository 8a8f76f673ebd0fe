//! A recorded run is inspected again with the same bytes as the outcome.

use serde_json::Value;
use sightline_tests::station::{binary, sightline};
use sightline_tests::{free_port, project};
use std::collections::BTreeMap;
use std::process::Command;

fn evaluations(lines: &str) -> BTreeMap<u64, String> {
    let results = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let parts =
        results.filter_map(|r| Some((r["track_id"].as_u64()?, r["evaluation"].to_string())));
    parts.collect()
}

#[test]
fn the_same_recording_gives_the_same_bytes_and_the_verdicts_of_the_run() {
    let folder = tempfile::tempdir().expect("scratch");
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let text = text
        .replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"))
        .replace("127.0.0.1:1884", &format!("127.0.0.1:{}", free_port()));
    let config = folder.path().join("station.toml");
    std::fs::write(&config, text).expect("written");
    let recording = folder.path().join("run.recording");
    let live = Command::new("timeout")
        // In the foreground it signals once; a second Ctrl-C would end the station where it stands.
        .args(["--foreground", "--preserve-status", "-s", "INT", "5"])
        .arg(binary())
        .args(["run", "--json", "--config"])
        .arg(&config)
        .arg("--record")
        .arg(&recording)
        .output()
        .expect("timeout is part of coreutils");
    let said = String::from_utf8_lossy(&live.stderr);
    assert!(live.status.success(), "{}: {said}", live.status);
    let again = || {
        let file = recording.to_str().expect("UTF-8");
        sightline(&[
            "replay",
            "--json",
            "--recording",
            file,
            "--config",
            config.to_str().expect("UTF-8"),
        ])
    };
    let (first, second) = (again(), again());
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    assert_eq!(first.stdout, second.stdout);
    let live = evaluations(&String::from_utf8_lossy(&live.stdout));
    assert!(live.len() >= 5, "{live:?}");
    // A verdict that the busy machine brought too late is reached in time without its clock.
    let replayed = evaluations(&String::from_utf8_lossy(&first.stdout));
    assert_eq!(
        live.keys().collect::<Vec<_>>(),
        replayed.keys().collect::<Vec<_>>()
    );
    let differ = |(part, said): &(&u64, &String)| {
        said.as_str() != "\"NotDecidable\"" && replayed[*part] != **said
    };
    assert_eq!(
        live.iter().filter(differ).count(),
        0,
        "live {live:?}, replayed {replayed:?}"
    );
}
