//! `sightline replay`: the shipped model on drawn boards and on real ones, and its figures against pycocotools'.

use serde_json::Value;
use sightline_tests::boards::drawn_boards;
use sightline_tests::python::python;
use sightline_tests::station::{json_lines, sightline};
use sightline_tests::{dataset, project};
use std::path::Path;
use std::process::Command;

const MODEL: &str = "models/pcb-detector";

fn replay(coco: &Path, more: &[&str]) -> (Vec<Value>, Value) {
    let base = [
        "replay",
        "--model",
        MODEL,
        "--json",
        "--coco",
        coco.to_str().expect("UTF-8"),
    ];
    let output = sightline(&[&base[..], more].concat());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut lines = json_lines(&output);
    let summary = lines.pop().expect("a summary");
    assert_eq!(summary["kind"], "summary");
    (lines, summary)
}

fn figure(summary: &Value, name: &str) -> f64 {
    summary[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {summary}"))
}

#[test]
fn drawn_boards_are_told_apart_and_the_figures_are_pycocotools_own() {
    let folder = tempfile::tempdir().expect("scratch");
    let coco = drawn_boards(folder.path(), 60, 0.05);
    let (results, summary) = replay(&coco, &[]);
    assert_eq!(results.len(), 60);
    assert!(figure(&summary, "ap50") > 0.95, "{summary}");
    assert!(
        figure(&summary, "escapes") <= 1.0 && figure(&summary, "overkill") <= 2.0,
        "{summary}"
    );
    let (_, templates) = replay(&coco, &["--templates"]);
    assert!(
        figure(&templates, "overkill") <= 1.0,
        "a board compared with itself: {templates}"
    );

    let Some(python) = python() else { return };
    let lines: Vec<String> = results.iter().map(Value::to_string).collect();
    let file = folder.path().join("results.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("written");
    let script = project().join("tests/tests/pycocotools_ap.py");
    let theirs = Command::new(python)
        .arg(script)
        .arg(&file)
        .arg(&coco)
        .output()
        .expect("python");
    assert!(
        theirs.status.success(),
        "{}",
        String::from_utf8_lossy(&theirs.stderr)
    );
    let theirs: Value = serde_json::from_slice(&theirs.stdout).expect("JSON");
    for name in ["ap50", "ap50_95"] {
        let (ours, theirs) = (figure(&summary, name), figure(&theirs, name));
        assert!(
            (ours - theirs).abs() < 0.001,
            "{name}: ours {ours}, pycocotools {theirs}"
        );
    }
}

#[test]
fn real_boards_are_inspected_through_the_same_code() {
    let Some(coco) = dataset("deeppcb/annotations/test.json") else {
        return;
    };
    let (results, summary) = replay(&coco, &[]);
    assert_eq!(
        (results.len(), figure(&summary, "images")),
        (300, 299.0),
        "one picture is spoiled"
    );
    assert!(figure(&summary, "ap50") > 0.97, "{summary}");
    assert_eq!(figure(&summary, "escapes"), 0.0, "{summary}");
}
