//! Recipes: what would change, and the changeover.

use super::super::difference;
use super::{Done, Visitor, done, failed, needed};
use sightline_wire::{Answer, Refusal};
use std::path::{Path, PathBuf};

impl Visitor {
    pub(super) fn change_recipe(&self, who: &str, file: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let path = self.recipe_path(file)?;
        let changeover = &self.deeds()?.changeover;
        let describe = || {
            let active = changeover.active();
            let recipe = &active.plan.recipe;
            format!("{} {}", recipe.external_id, recipe.version)
        };
        let before = describe();
        changeover.to_recipe(&path, who).map_err(failed)?;
        self.house
            .audit(who, "change-recipe", &before, &describe(), &reason);
        done()
    }

    pub(super) fn compare(&self, file: &str) -> Done {
        let path = self.recipe_path(file)?;
        let active = self.deeds()?.changeover.active().file;
        let read = |p: &Path| std::fs::read_to_string(p).map_err(|e| failed(e.into()));
        let lines = difference::lines(&read(&active)?, &read(&path)?);
        Ok(Answer::Difference(lines).into())
    }

    /// Only a file of the recipes' folder, by its bare name.
    fn recipe_path(&self, file: &str) -> Result<PathBuf, Refusal> {
        let bare = Path::new(file).file_name().is_some_and(|name| name == file);
        let path = self.house.recipes.join(file);
        (bare && file.ends_with(".toml") && path.is_file())
            .then_some(path)
            .ok_or(Refusal::NotThere)
    }
}
