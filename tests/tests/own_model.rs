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

#[test]
fn an_expectation_of_another_kind_proves_nothing() {
    let folder = tempfile::tempdir().expect("scratch");
    prepared(folder.path());
    for line in &commands()[..2] {
        assert!(in_shell(line, folder.path()).status.success(), "{line}");
    }
    let part = folder.path().join("part");
    let picture = folder.path().join("pictures/images/k0.png");
    std::fs::copy(picture, part.join("k0.png")).expect("a picture");
    std::fs::write(part.join("k0.json"), r#"{"detections":[]}"#).expect("written");
    let manifest = part.join("manifest.toml");
    let drafted = std::fs::read_to_string(&manifest).expect("a draft");
    let golden = "\n[[golden]]\nimage = \"k0.png\"\nexpected = \"k0.json\"\ntolerance = { score = 0.05, box_px = 0.0 }\n";
    std::fs::write(&manifest, drafted + golden).expect("written");
    let output = in_shell("sightline model verify part", folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "such an expectation cannot fail",
        "none for scratch, OK, dent",
    ] {
        assert!(said.contains(words), "no {words} in {said}");
    }
}

#[test]
fn a_model_that_sees_colours_warns_behind_a_camera_that_gives_none() {
    let folder = tempfile::tempdir().expect("scratch");
    prepared(folder.path());
    for line in &commands()[..5] {
        assert!(in_shell(line, folder.path()).status.success(), "{line}");
    }
    let station = folder.path().join("station.toml");
    let text = std::fs::read_to_string(&station).expect("it");
    let gray = text.replace("\"RGB\"", "\"GRAY8\"") + "allow_unsigned = true\n";
    std::fs::write(&station, gray).expect("written");
    let output = in_shell(
        "sightline check --probe --config station.toml",
        folder.path(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("train on gray pictures"), "{said}");
}
