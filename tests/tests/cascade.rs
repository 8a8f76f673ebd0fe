//! The shipped detector and its shipped verifier in one recipe, on drawn boards.

use serde_json::Value;
use sightline_tests::boards::drawn_boards;
use sightline_tests::project;
use sightline_tests::station::{json_lines, sightline};
use std::path::Path;

const RECIPE: &str = "configs/recipes/board-cascade.toml";

/// The results and the summary of a replay with a recipe, at `precision`.
fn replay(coco: &Path, recipe: &Path, precision: &str) -> (Vec<Value>, Value) {
    let output = sightline(&[
        "replay",
        "--model",
        "models/pcb-detector",
        "--precision",
        precision,
        "--json",
        "--recipe",
        recipe.to_str().expect("UTF-8"),
        "--coco",
        coco.to_str().expect("UTF-8"),
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut lines = json_lines(&output);
    let summary = lines.pop().expect("a summary");
    (lines, summary)
}

fn count(summary: &Value, name: &str) -> u64 {
    summary[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {summary}"))
}

/// The shipped recipe with every limit next to nothing, with its verifier, as ready to dismiss as to confirm, or without.
fn anxious(folder: &Path, verified: bool) -> std::path::PathBuf {
    let text = std::fs::read_to_string(project().join(RECIPE)).expect("the recipe");
    let mut recipe: toml::Table = text.parse().expect("TOML");
    let models = project().join("models");
    let model = recipe["models"][0].as_table_mut().expect("a model");
    model.insert("bundle".into(), path(&models.join("pcb-detector")));
    if verified {
        model["verifier"]["bundle"] = path(&models.join("pcb-verifier"));
        model["verifier"]["dismiss_at"] = 0.5_f64.into();
    } else {
        model.remove("verifier");
    }
    let limits = recipe["limits"].as_table_mut().expect("limits");
    for (_, limit) in limits {
        limit["score"] = 0.011_f64.into();
    }
    let file = folder.join(format!("anxious-{verified}.toml"));
    std::fs::write(&file, recipe.to_string()).expect("written");
    file
}

fn path(path: &Path) -> toml::Value {
    path.to_str().expect("UTF-8").into()
}

#[test]
fn the_verifier_takes_back_what_an_anxious_detector_calls() {
    let folder = tempfile::tempdir().expect("scratch");
    let coco = drawn_boards(folder.path(), 160, 0.8);
    let (_, alone) = replay(&coco, &anxious(folder.path(), false), "int8");
    let (_, both) = replay(&coco, &anxious(folder.path(), true), "int8");
    assert!(
        count(&alone, "overkill") >= 4,
        "nothing to take back: {alone}"
    );
    assert!(
        2 * count(&both, "overkill") <= count(&alone, "overkill"),
        "at least half is taken back: {alone} and {both}"
    );
    assert_eq!(count(&both, "escapes"), 0, "and no defect with it: {both}");
}

#[test]
fn the_shipped_recipe_runs_both_models_in_every_precision_of_the_detector() {
    let folder = tempfile::tempdir().expect("scratch");
    let coco = drawn_boards(folder.path(), 16, 0.5);
    for precision in ["int8", "fp32"] {
        let (results, summary) = replay(&coco, &project().join(RECIPE), precision);
        assert_eq!(results.len(), 16);
        let models = results[0]["models"].as_array().expect("models");
        let names: Vec<&Value> = models.iter().map(|m| &m["name"]).collect();
        assert_eq!(names, ["pcb-detector", "pcb-verifier"], "{precision}");
        assert_eq!(count(&summary, "escapes"), 0, "{precision}: {summary}");
    }
}
