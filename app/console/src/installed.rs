//! The recipes and bundles that a console can choose from: what lies in two folders, looked at afresh when asked.

use crate::context::ConsoleContext;
use crate::station::{ActiveSet, Station};
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
pub fn recipes(folder: &Path, station: &dyn Station) -> Vec<RecipeCard> {
    let files = entries(folder).into_iter();
    files
        .filter(|f| f.extension().is_some_and(|e| e == "toml"))
        .map(|file| recipe(&file, station))
        .collect()
}

/// What is said of one recipe's file.
pub fn recipe(file: &Path, station: &dyn Station) -> RecipeCard {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match station.read_recipe(file) {
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

/// A bundle that can be chosen.
pub struct Choice {
    pub card: ModelCard,
    pub folder: PathBuf,
    /// It is one of the store.
    pub is_stored: bool,
}

/// Every bundle of the store and of the folder beside it, those of the store first.
pub fn all(context: &ConsoleContext) -> Vec<Choice> {
    let stored = context.handle.stored_bundles().unwrap_or_else(|error| {
        tracing::warn!("the model store cannot be listed: {error:#}");
        Vec::new()
    });
    let stored = stored.into_iter().filter_map(bundle);
    let lying = context.bundles.as_deref().map(models).unwrap_or_default();
    let choice = |is_stored| {
        move |(folder, card)| Choice {
            card,
            folder,
            is_stored,
        }
    };
    let mut all: Vec<Choice> = stored.map(choice(true)).collect();
    for lies in lying.into_iter().map(choice(false)) {
        let same =
            |c: &Choice| (&c.card.name, &c.card.version) == (&lies.card.name, &lies.card.version);
        if !all.iter().any(same) {
            all.push(lies);
        }
    }
    all
}

/// The active model that the store lets look, if there is one.
pub fn from_store(context: &ConsoleContext, active: &ActiveSet) -> Option<(String, Vec<String>)> {
    let refs = active.plan.models.iter().flat_map(|m| &m.refs);
    refs.filter_map(|r| Some((r.name.clone(), context.handle.activated(&r.name)?)))
        .find(|(_, versions)| !versions.is_empty())
}

/// What the store would go back to.
pub fn before(context: &ConsoleContext, active: &ActiveSet) -> Option<String> {
    let (name, versions) = from_store(context, active)?;
    let before = versions.len().checked_sub(2).map(|i| versions[i].as_str());
    Some(format!("{name} {}", before.unwrap_or("(recipe)")))
}

fn bundle(path: PathBuf) -> Option<(PathBuf, ModelCard)> {
    let bundle = Bundle::load(&path).ok()?;
    Some((path, card(&bundle)))
}

/// Every bundle in a folder whose manifest can be read, with its folder.
fn models(folder: &Path) -> Vec<(PathBuf, ModelCard)> {
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
