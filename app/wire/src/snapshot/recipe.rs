//! Recipes: the one that inspects, those that could.

use serde::{Deserialize, Serialize};

/// A recipe file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecipeCard {
    /// The file's name, what it is chosen by.
    pub file: String,
    /// The MES's id.
    pub external_id: String,
    /// Version as written in it.
    pub version: String,
    /// SHA-256 of its content, hex.
    pub hash: String,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
}

/// The recipe that inspects and those that could.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecipeFacts {
    /// The active one.
    pub active: RecipeCard,
    /// Number of the recipe-and-models set that inspects.
    pub generation: u32,
    /// Time from trigger to verdict, ms.
    pub deadline_ms: f32,
    /// Views: name, camera, model.
    pub views: Vec<(String, String, String)>,
    /// All files beside it.
    pub known: Vec<RecipeCard>,
}
