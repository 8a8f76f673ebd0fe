//! What all consoles share: pictures, parts, users, the journal, and the ways to act on the line.

use super::guest::Visitor;
use super::parts::Parts;
use super::previews::Previews;
use super::users::Users;
use crate::changeover::Changeover;
use crate::control::Control;
use crate::events::Events;
use sightline_configs::console::Console as Config;
use sightline_configs::{Loaded, Station};
use sightline_journal::Journal;
use sightline_model::{Clock, InspectionResult, MonoTime, UtcMicros};
use sightline_uplink::Uplink;
use sightline_uplink::payload::{ReviewMessage, to_json};
use sightline_wire::preview::{PreviewHead, Wish};
use sightline_wire::{Board, Guest, Host};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// What acts on the line and remembers; there before the flow is.
#[derive(Clone)]
pub struct Means {
    pub events: Arc<Events>,
    pub control: Arc<Control>,
    pub journal: Option<Journal>,
    pub uplink: Option<Arc<Uplink>>,
}

/// What acts on the line once it runs.
pub struct Deeds {
    pub changeover: Arc<Changeover>,
}

/// Shared by all consoles.
pub struct House {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) start: MonoTime,
    pub(super) users: Users,
    pub(super) idle: Duration,
    /// Where recipes and bundles are looked for.
    pub(super) recipes: PathBuf,
    pub(super) bundles: Option<PathBuf>,
    /// The model store.
    pub(super) store: Option<PathBuf>,
    /// Where reviewed parts and bundles for support are written.
    pub(super) exports: Option<PathBuf>,
    /// The station's file, and its digest.
    pub(super) configuration: PathBuf,
    pub(super) configuration_hash: String,
    pub(super) events: Arc<Events>,
    pub(super) control: Arc<Control>,
    pub(super) journal: Option<Journal>,
    pub(super) board: Arc<Board>,
    uplink: Option<Arc<Uplink>>,
    previews: Arc<Previews>,
    parts: Mutex<Parts>,
    deeds: OnceLock<Deeds>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl House {
    pub(super) fn new(
        station: &Loaded<Station>,
        config: &Config,
        clock: Arc<dyn Clock>,
        means: Means,
    ) -> anyhow::Result<Self> {
        let cameras: Vec<String> = (station.value.cameras.iter())
            .map(|c| c.name.clone())
            .collect();
        let users = match &config.users_file {
            Some(file) => Users::load(&station.base.join(file))?,
            None => Users::nobody(),
        };
        let at = |path: &PathBuf| station.base.join(path);
        let recipe = station.base.join(&station.value.recipe);
        Ok(Self {
            start: clock.now(),
            users,
            idle: Duration::from_secs(config.idle_s),
            recipes: recipe.parent().map(Into::into).unwrap_or_default(),
            bundles: config.bundles.as_ref().map(at),
            store: station.value.models.as_ref().map(|m| at(&m.store)),
            exports: config.exports.as_ref().map(at),
            configuration: station.source.file.clone(),
            configuration_hash: station.hash.clone(),
            events: means.events,
            control: means.control,
            journal: means.journal,
            uplink: means.uplink,
            board: Arc::default(),
            previews: Arc::new(Previews::new(cameras.len(), config.preview_px)),
            parts: Mutex::new(Parts::new(cameras, config.reject_pictures_mb << 20)),
            deeds: OnceLock::new(),
            clock,
        })
    }

    pub(super) fn begin(&self, deeds: Deeds) {
        // A second flow behind the same house does not exist.
        let _ = self.deeds.set(deeds);
    }

    pub(super) fn previews(&self) -> &Arc<Previews> {
        &self.previews
    }

    pub(super) fn deeds(&self) -> Option<&Deeds> {
        self.deeds.get()
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Parts> {
        lock(&self.parts)
    }

    pub(super) fn utc(&self) -> UtcMicros {
        self.clock.utc()
    }

    /// A part was decided: called on the flow's result thread.
    pub fn told(&self, result: &InspectionResult) {
        self.parts().told(result, &self.previews);
    }

    /// Writes into the audit trail, the one that commands over MQTT are in, too.
    pub(super) fn audit(&self, actor: &str, action: &str, old: &str, new: &str, reason: &str) {
        let value = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.control
            .audit(actor, action, value(old), value(new), reason);
    }

    /// Tells the MES what a person said of a part.
    pub(super) fn tell_review(&self, review: &sightline_journal::Review) {
        if let Some(uplink) = &self.uplink {
            let message = ReviewMessage {
                schema: "sightline.review.v1".into(),
                event_id: review.event_id.to_string(),
                seq: review.seq,
                at: self.utc().to_rfc3339(),
                by: review.by.clone(),
                evaluation: review.evaluation,
                comment: review.comment.clone(),
            };
            uplink.say("review", to_json(&message));
        }
    }
}

/// Receives consoles on behalf of the house.
pub struct Reception(pub Arc<House>);

impl Host for Reception {
    fn welcome(&self, name: &str) -> Box<dyn Guest> {
        tracing::info!(name, "a console has come");
        Box::new(Visitor::new(self.0.clone()))
    }

    fn preview(
        &self,
        wish: &Wish,
        seen: Option<(u64, bool)>,
        pixels: &mut Vec<u8>,
    ) -> Option<PreviewHead> {
        self.0.previews.newest(wish, seen, pixels)
    }
}
