//! `reference.toml` and the JSON schemas say what the types say.

use schemars::Schema;
use serde_json::Value;
use sightline_configs::{Recipe, Station, check_station, read};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names of all fields anywhere in a schema.
fn fields(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                into.extend(properties.keys().cloned());
            }
            map.values().for_each(|v| fields(v, into));
        }
        Value::Array(items) => items.iter().for_each(|v| fields(v, into)),
        _ => {}
    }
}

#[test]
fn the_reference_shows_every_field_and_is_good() {
    let path = file("reference.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (station, source) = read::<Station>(&path, &text).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(check_station(&station, &source), []);
    let words: BTreeSet<&str> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect();
    let mut known = BTreeSet::new();
    fields(schemars::schema_for!(Station).as_value(), &mut known);
    let missing: Vec<_> = known
        .iter()
        .filter(|f| !words.contains(f.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "reference.toml does not show {missing:?}"
    );
    assert!(known.len() > 60, "the schema lists {} fields", known.len());
}

#[test]
fn the_reference_shows_the_defaults() {
    let (station, _) = read::<Station>(
        Path::new("reference"),
        &std::fs::read_to_string(file("reference.toml")).unwrap(),
    )
    .unwrap();
    let camera = &station.cameras[0];
    assert_eq!(camera.retry, sightline_configs::station::Retry::default());
    assert_eq!(
        camera.health,
        sightline_configs::station::HealthLimits::default()
    );
    assert_eq!(
        station.engine,
        sightline_configs::station::Engine::default()
    );
    let models = station.models.unwrap();
    assert_eq!(
        models,
        sightline_configs::station::Models::at(models.store.clone())
    );
    let journal = station.journal.unwrap();
    assert_eq!(
        journal,
        sightline_configs::journal::Journal::at(journal.folder.clone())
    );
    assert_eq!(
        station.console,
        Some(sightline_configs::console::Console::default())
    );
    let simulation = sightline_configs::station::Simulation {
        faults: Vec::new(),
        ..station.simulation.unwrap()
    };
    assert_eq!(
        simulation,
        sightline_configs::station::Simulation::default()
    );
}

#[test]
fn the_reference_recipe_shows_every_field_and_the_defaults() {
    let path = file("reference-recipe.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (recipe, _) = read::<Recipe>(&path, &text).unwrap_or_else(|p| panic!("{p}"));
    let words: BTreeSet<&str> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect();
    let mut known = BTreeSet::new();
    fields(schemars::schema_for!(Recipe).as_value(), &mut known);
    let missing: Vec<_> = known
        .iter()
        .filter(|f| !words.contains(f.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "reference-recipe.toml does not show {missing:?}"
    );
    // What is written there besides what must be is what would be taken without it.
    let least = "schema = \"\"\nexternal_id = \"\"\ninternal_id = \"\"\nversion = \"\"\ndeadline_ms = 1.0\n\
                 [[models]]\nname = \"\"\nbundle = \"\"\nverifier = { bundle = \"../models/pcb-verifier\" }\n\
                 [[views]]\nname = \"face1\"\ncamera = \"cam1\"\nmodel = \"board\"\nreference = {}\n[limits.open]\n[challenge]\nparts = []\n";
    let (least, _) = read::<Recipe>(Path::new("least"), least).unwrap();
    assert_eq!(recipe.models[0].verifier, least.models[0].verifier);
    assert_eq!(recipe.views, least.views);
    assert_eq!(recipe.limits, least.limits);
    assert_eq!(recipe.combine, least.combine);
    let mut challenge = recipe.challenge;
    challenge.iter_mut().for_each(|c| c.parts.clear());
    assert_eq!(challenge, least.challenge);
}

fn compare(name: &str, schema: &Schema) {
    let path = file(&format!("schemas/{name}.json"));
    let made = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("SIGHTLINE_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "{} is not what the types say; run with SIGHTLINE_UPDATE_GOLDENS=1 and look at the difference",
        path.display()
    );
}

#[test]
fn the_schemas_are_what_the_types_say() {
    compare("sightline.station.v1", &schemars::schema_for!(Station));
    compare("sightline.recipe.v1", &schemars::schema_for!(Recipe));
}
