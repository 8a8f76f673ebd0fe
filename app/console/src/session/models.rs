//! Models: which could be installed, into the store, active, and back.

use super::{ConsoleSession, Done, done, failed, needed};
use crate::station::Order;
use crate::{inbox, installed};
use sightline_wire::{Answer, Refusal};

impl ConsoleSession {
    pub(super) fn bundles(&self) -> Done {
        let found = inbox::all(&self.context).into_iter();
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
        let is_it = |f: &inbox::Found| f.shown.file == file && f.shown.stick == stick;
        let found = inbox::all(&self.context).into_iter().find(is_it);
        let path = found.ok_or(Refusal::NotThere)?.path;
        let action = format!("install-model {file}");
        self.order(who, &action, Order::InstallFile { path }, &reason)
    }

    pub(super) fn activate_model(
        &self,
        who: &str,
        name: String,
        version: String,
        reason: &str,
    ) -> Done {
        let reason = needed(reason)?;
        let before = self.active()?;
        let chosen = installed::all(&self.context)
            .into_iter()
            .find(|c| c.card.name == name && c.card.version == version)
            .ok_or(Refusal::NotThere)?;
        if chosen.is_stored {
            let request = Order::ActivateModel { name, version };
            return self.order(who, "activate-model", request, &reason);
        }
        let handle = &self.context.handle;
        handle.use_bundle(&chosen.folder, who).map_err(failed)?;
        let (before, after) = (before.models(), self.active()?.models());
        self.context
            .audit(who, "activate-model", &before, &after, &reason);
        done()
    }

    pub(super) fn roll_back(&self, who: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let active = self.active()?;
        if let Some((name, _)) = installed::from_store(&self.context, &active) {
            let request = Order::RollbackModel { name };
            return self.order(who, "roll-back-model", request, &reason);
        }
        self.context.handle.roll_back(who).map_err(failed)?;
        let (before, after) = (active.models(), self.active()?.models());
        self.context
            .audit(who, "roll-back-model", &before, &after, &reason);
        done()
    }
}
