//! Models: which could be installed, into the store, active, and back.

use super::super::house::Deeds;
use super::super::{incoming, installed};
use super::{Done, Visitor, done, failed, needed};
use crate::control::Request;
use sightline_wire::{Answer, Refusal};

impl Visitor {
    pub(super) fn bundles(&self) -> Done {
        let found = incoming::all(&self.house).into_iter();
        Ok(Answer::Bundles(found.map(|f| f.shown).collect()).into())
    }

    /// Only what was shown; it has begun when this is done.
    pub(super) fn install(
        &self,
        who: &str,
        stick: Option<String>,
        file: &str,
        reason: &str,
    ) -> Done {
        let reason = needed(reason)?;
        let is_it = |f: &incoming::Found| f.shown.file == file && f.shown.stick == stick;
        let found = incoming::all(&self.house).into_iter().find(is_it);
        let path = found.ok_or(Refusal::NotThere)?.path;
        let action = format!("install-model {file}");
        self.through_the_door(who, &action, Request::InstallFile { path }, &reason)
    }

    pub(super) fn activate_model(
        &self,
        who: &str,
        name: String,
        version: String,
        reason: &str,
    ) -> Done {
        let reason = needed(reason)?;
        let deeds = self.deeds()?;
        let chosen = installed::all(&self.house)
            .into_iter()
            .find(|c| c.card.name == name && c.card.version == version)
            .ok_or(Refusal::NotThere)?;
        if chosen.is_stored {
            let request = Request::ActivateModel { name, version };
            return self.through_the_door(who, "activate-model", request, &reason);
        }
        let before = deeds.models();
        let changed = deeds.changeover.to_model(&chosen.folder, who);
        changed.map_err(failed)?;
        self.house
            .audit(who, "activate-model", &before, &deeds.models(), &reason);
        done()
    }

    pub(super) fn roll_back(&self, who: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let deeds = self.deeds()?;
        let active = deeds.changeover.active();
        if let Some((name, _)) = installed::from_store(&self.house, &active) {
            let request = Request::RollbackModel { name };
            return self.through_the_door(who, "roll-back-model", request, &reason);
        }
        let before = deeds.models();
        deeds.changeover.back(who).map_err(failed)?;
        self.house
            .audit(who, "roll-back-model", &before, &deeds.models(), &reason);
        done()
    }
}

impl Deeds {
    /// The models that look, for the trail.
    pub(super) fn models(&self) -> String {
        self.changeover.active().models().join(", ")
    }
}
