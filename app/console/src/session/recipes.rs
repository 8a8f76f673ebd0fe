//! Recipes: what would change, and the changeover.

use super::{ConsoleSession, Done, done, failed, needed};
use crate::recipe_diff;
use sightline_wire::{Answer, Refusal};
use std::path::{Path, PathBuf};

impl ConsoleSession {
    pub(super) fn change_recipe(&self, who: &str, file: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let path = self.recipe_path(file)?;
        let before = self.active()?.recipe();
        let handle = &self.context.handle;
        handle.change_recipe(&path, who).map_err(failed)?;
        let after = self.active()?.recipe();
        self.context
            .audit(who, "change-recipe", &before, &after, &reason);
        done()
    }

    pub(super) fn compare(&self, file: &str) -> Done {
        let path = self.recipe_path(file)?;
        let active = self.active()?.file;
        let read = |p: &Path| std::fs::read_to_string(p).map_err(|e| failed(e.into()));
        let lines = recipe_diff::lines(&read(&active)?, &read(&path)?);
        Ok(Answer::Difference(lines).into())
    }

    /// Only a file of the recipes' folder, by its bare name.
    fn recipe_path(&self, file: &str) -> Result<PathBuf, Refusal> {
        let bare = Path::new(file).file_name().is_some_and(|name| name == file);
        let path = self.context.recipes.join(file);
        (bare && file.ends_with(".toml") && path.is_file())
            .then_some(path)
            .ok_or(Refusal::NotThere)
    }
}
