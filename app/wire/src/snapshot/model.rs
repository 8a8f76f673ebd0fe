//! Models: those that look, those that are installed, and one's way into the store.

use serde::{Deserialize, Serialize};

/// One model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Bundle's name.
    pub name: String,
    /// Bundle's version.
    pub version: String,
    /// SHA-256 of the model file, hex.
    pub digest: String,
    /// Engine and precision, where it runs.
    pub engine: String,
    /// What it does.
    pub task: String,
    /// Its classes, in English and, where the bundle says it, in Chinese.
    pub classes: Vec<(String, Option<String>)>,
    /// Metrics of its manifest: name and value.
    pub metrics: Vec<(String, String)>,
    /// Terms.
    pub license: String,
}

/// The models that look and those that are installed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Those that look.
    pub active: Vec<ModelCard>,
    /// Those that are installed.
    pub installed: Vec<ModelCard>,
    /// The models that a roll-back would bring back; empty: there is nothing to go back to.
    pub previous: Vec<String>,
}

/// How an installation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallState {
    /// It goes on: its digest is compared, then it is unpacked, then it proves itself on its golden pictures.
    #[default]
    Running,
    /// The model can be activated.
    Done,
    /// The station did not take it.
    Refused,
}

/// A model's way into the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallFacts {
    /// The file in the inbox.
    pub file: String,
    /// Who asked for it.
    pub by: String,
    /// How it stands.
    pub state: InstallState,
    /// Seconds it has taken.
    pub took_s: u32,
    /// The step it is at, or what came of it, in the station's words.
    pub said: String,
}
