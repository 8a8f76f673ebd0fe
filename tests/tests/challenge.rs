//! Challenge parts on a whole station, asked for over MQTT: until one has shown what it must, nothing passes.

use serde_json::Value;
use sightline_tests::broker::mosquitto;
use sightline_tests::requester::{Manner, ask};
use sightline_tests::station::{Station, demo_config, json_lines, sightline};
use sightline_tests::{PATIENCE, free_port};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The demo's line, whose recipe wants a part with a pinhole shown after each start.
fn prepare(folder: &Path, port: u16) -> PathBuf {
    let broker = format!("\"mqtt://127.0.0.1:{port}\"\ncommands = [\"challenge\"]\n# ");
    let journal = folder.join("journal");
    let config = demo_config(
        folder,
        &broker,
        &format!("[journal]\nfolder = {:?}\n", journal.display().to_string()),
    );
    let text = std::fs::read_to_string(&config).expect("written");
    let recipe = text
        .lines()
        .find_map(|l| l.strip_prefix("recipe = \"")?.strip_suffix('"'))
        .expect("a recipe");
    let models = sightline_tests::project().join("models");
    let own = std::fs::read_to_string(recipe)
        .expect("the recipe")
        .replace("../../models", &models.display().to_string())
        + "\n[challenge]\nafter_change = true\n[[challenge.parts]]\npart_id = \"BAD-1\"\nfindings = [\"open\"]\n";
    let path = folder.join("recipe.toml");
    std::fs::write(&path, own).expect("written");
    std::fs::write(&config, text.replace(recipe, &path.display().to_string())).expect("written");
    config
}

#[test]
fn nothing_passes_until_a_challenge_part_has_shown_what_it_must() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let config = prepare(folder.path(), port);
    let _broker = mosquitto(port, folder.path());
    let mut station = Station::run(&config);
    let passes = |r: &Value| r["disposition"] == "pass";
    let shown = |r: &Value| r["challenge"]["passed"] == true;
    station.wait_for("a part", 0, |_| true);
    let unknown = ask(
        port,
        "challenge",
        br#"{"part_id":"BAD-2"}"#,
        Manner::default(),
    );
    assert_eq!(unknown.expect("an answer")["done"], false);
    // The line draws its own parts: one of them has what it must show. Each is announced, and waited for.
    let begun = Instant::now();
    let mut seen = 0;
    loop {
        assert!(begun.elapsed() < 3 * PATIENCE, "{}", station.log());
        let answer = ask(
            port,
            "challenge",
            br#"{"part_id":"BAD-1"}"#,
            Manner::default(),
        );
        assert_eq!(answer.expect("an answer")["done"], true);
        let challenged = |r: &Value| r["challenge"].is_object();
        (_, seen) = station.wait_for("the challenge part", seen, challenged);
        if station.results()[..seen].iter().any(shown) {
            break;
        }
    }
    let so_far = station.results();
    let at = so_far.iter().position(shown).expect("it was shown");
    assert!(!so_far[..=at].iter().any(passes), "nothing passed before");
    let challenged = so_far.iter().filter(|r| r["challenge"].is_object());
    for result in challenged {
        assert_eq!(result["part_id"], "BAD-1", "{result}");
    }
    station.wait_for("a part that passes", at, passes);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let journal = folder.path().join("journal");
    let audit = sightline(&[
        "journal",
        "audit",
        "--json",
        "--journal",
        &journal.display().to_string(),
    ]);
    let told = |entry: &Value| entry.to_string().contains("BAD-1");
    assert!(json_lines(&audit).iter().filter(|e| told(e)).count() >= 2);
}
