//! The recipes and bundles that a console can choose from: what lies in two folders, looked at afresh when asked.

use crate::changeover::Changeover;
use sightline_engine::{Bundle, Task};
use sightline_wire::snapshot::{ModelCard, RecipeCard};
use std::path::{Path, PathBuf};

/// Files or folders of a folder, by name; none where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = read.map(|e| e.path()).collect();
    all.sort();
    all
}

/// Every recipe in a folder, also those with something wrong.
pub fn recipes(folder: &Path, changeover: &Changeover) -> Vec<RecipeCard> {
    let files = entries(folder).into_iter();
    files
        .filter(|f| f.extension().is_some_and(|e| e == "toml"))
        .map(|file| recipe(&file, changeover))
        .collect()
}

/// What is said of one recipe's file.
pub fn recipe(file: &Path, changeover: &Changeover) -> RecipeCard {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match changeover.read(file) {
        Ok(recipe) => RecipeCard {
            file: name.into_owned(),
            external_id: recipe.value.external_id.clone(),
            version: recipe.value.version.clone(),
            hash: recipe.hash,
            problem: None,
        },
        Err(error) => RecipeCard {
            file: name.into_owned(),
            problem: Some(format!("{error:#}")),
            ..RecipeCard::default()
        },
    }
}

/// Every bundle in a folder whose manifest can be read, with its folder.
pub fn models(folder: &Path) -> Vec<(PathBuf, ModelCard)> {
    let bundle = |path: PathBuf| {
        let bundle = Bundle::load(&path).ok()?;
        Some((path, card(&bundle)))
    };
    entries(folder).into_iter().filter_map(bundle).collect()
}

/// What is said of a bundle.
pub fn card(bundle: &Bundle) -> ModelCard {
    let manifest = bundle.manifest();
    let mut metrics = Vec::new();
    flatten("", &manifest.metrics, &mut metrics);
    let model = bundle.model_file(None).ok();
    let names = manifest.classes.iter();
    let names = names
        .map(|c| (c.name.en.clone(), c.name.zh.clone()))
        .collect();
    ModelCard {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: model.map(|f| f.entry.sha256.clone()).unwrap_or_default(),
        engine: String::new(),
        task: match manifest.task {
            Task::Detect => "detect",
            Task::Classify => "classify",
        }
        .into(),
        classes: names,
        metrics,
        license: manifest.license.clone(),
    }
}

/// `a.b = value` for every value of a table.
fn flatten(prefix: &str, table: &toml::Table, into: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            toml::Value::Float(f) => into.push((key, format!("{f:.4}"))),
            toml::Value::String(s) => into.push((key, s.clone())),
            other => into.push((key, other.to_string())),
        }
    }
}
