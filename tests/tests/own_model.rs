//! The page that says how a model of one's own comes to the line (`docs/models.md`) is followed word for word, with an ok/ng classifier
//! as its exporter left it.

use serde_json::Value;
use sightline_tests::project;
use sightline_tests::station::{Station, binary};
use std::path::Path;
use std::process::{Command, Output};

/// The commands of the page, one a line.
fn commands() -> Vec<String> {
    let page = std::fs::read_to_string(project().join("docs/models.md")).expect("the page");
    let begin = page.find("```sh\nmkdir").expect("the block of commands");
    let block = page[begin..].split("```").nth(1).expect("it ends");
    let lines = block.lines().skip(1).map(str::to_owned);
    lines.filter(|l| !l.is_empty()).collect()
}

fn in_shell(line: &str, folder: &Path) -> Output {
    let programs = binary().parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-euc", line])
        .current_dir(folder)
        .env("PATH", format!("{programs}:{path}"))
        .output();
    output.expect("sh")
}

/// What the reader of the page has: the export, labelled pictures, a station.
fn prepared(folder: &Path) {
    let from = project().join("tests/models/okng");
    let copied = Command::new("sh")
        .args(["-euc", "cp \"$0\"/best.onnx . && mkdir pictures && cp -r \"$0\"/images \"$0\"/labels.json pictures/"])
        .arg(&from)
        .current_dir(folder)
        .status();
    assert!(copied.expect("sh").success());
    let station = "recipe = \"recipe.toml\"\n\n\
        [station]\nenterprise = \"acme\"\nsite = \"north\"\narea = \"smt\"\nline = \"line1\"\ncell = \"aoi\"\nname = \"station1\"\n\n\
        [[cameras]]\nname = \"cam1\"\nformat = \"RGB\"\nsource = { kind = \"images\", path = \"pictures/images\", rate_hz = 5.0, repeat = true }\n\
        health = { frozen_after = 0, focus_share = 0.0, flat_below = 0.0 }\n\n\
        [trigger]\nkind = \"every-frame\"\ncamera = \"cam1\"\n\n\
        [gate]\nkind = \"none\"\nat = { delay_ms = 1000.0 }\n\n\
        [models]\nstore = \"store\"\ntrusted_keys = \"trusted\"\n";
    std::fs::write(folder.join("station.toml"), station).expect("written");
}

#[test]
fn the_page_for_your_own_model_leads_to_a_line_that_passes_good_parts_and_rejects_the_others() {
    let folder = tempfile::tempdir().expect("scratch");
    prepared(folder.path());
    let all = commands();
    let (run, steps) = all.split_last().expect("commands");
    assert_eq!(run, "sightline run --config station.toml");
    for line in steps {
        let output = in_shell(line, folder.path());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        if line.contains("replay") {
            let figures = said + &String::from_utf8_lossy(&output.stdout);
            assert!(!figures.contains("faults"), "{figures}");
            for zero in ["overkill: 0", "escapes: 0"] {
                assert!(figures.contains(zero), "no {zero} in {figures}");
            }
        }
    }
    let recipe = std::fs::read_to_string(folder.path().join("recipe.toml")).expect("a recipe");
    assert!(recipe.contains("a part of this class is good"), "{recipe}");

    let mut station = Station::run(&folder.path().join("station.toml"));
    sightline_tests::until("two rounds of the pictures", || {
        station.results().len() >= 8
    });
    for result in station.results() {
        let view = &result["views"][0];
        let class = view["detections"][0]["code"].as_str();
        let told = (
            result["evaluation"].as_str(),
            result["disposition"].as_str(),
        );
        let wanted = match class {
            Some("OK") => (Some("OK"), Some("pass")),
            Some("scratch" | "dent") => (Some("NotOK"), Some("reject")),
            _ => panic!("{result}"),
        };
        assert_eq!(told, wanted, "{result}");
    }
    let passed = |r: &&Value| r["disposition"] == "pass";
    assert!(station.results().iter().filter(passed).count() >= 2);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}
