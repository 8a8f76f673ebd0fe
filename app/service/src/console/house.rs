//! What all consoles share: pictures, parts, users, the journal, and the ways to act on the line.

use super::gallery::{Gallery, Pictures};
use super::guest::Visitor;
use super::parts::Parts;
use super::previews::Previews;
use super::users::Users;
use crate::alarms::list::Events;
use crate::control::Control;
use crate::models::changeover::Changeover;
use sightline_configs::console::Console as Config;
use sightline_configs::{Loaded, Station};
use sightline_domain::{Clock, InspectionResult, MonoTime, UtcMicros};
use sightline_journal::Journal;
use sightline_uplink::Uplink;
use sightline_uplink::payload::{ReviewMessage, to_json};
use sightline_wire::preview::{PreviewHead, Wish};
use sightline_wire::snapshot::{PartCard, PictureFacts};
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
    /// Where bundles arrive, and where the system mounts sticks.
    pub(super) inbox: Option<PathBuf>,
    pub(super) sticks: Option<PathBuf>,
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
    gallery: Option<Gallery>,
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
        let models = station.value.models.as_ref();
        let gallery = config.pictures.as_ref().map(|folder| {
            let budget = (config.pictures_mb as u64) << 20;
            Gallery::open(&station.base.join(folder), budget)
        });
        Ok(Self {
            start: clock.now(),
            users,
            idle: Duration::from_secs(config.idle_s),
            recipes: recipe.parent().map(Into::into).unwrap_or_default(),
            bundles: config.bundles.as_ref().map(at),
            store: models.map(|m| at(&m.store)),
            inbox: models.and_then(|m| m.inbox.as_ref()).map(at),
            sticks: config.sticks.as_ref().map(at),
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
            gallery: gallery.transpose()?,
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
        let pictures = self.parts().told(result, &self.previews);
        if let (Some(gallery), Some(pictures)) = (&self.gallery, pictures) {
            gallery.offer(result.event_id.to_string(), pictures);
        }
    }

    /// The kept pictures of a part, one a view: from memory, else from disk.
    pub(super) fn pictures(&self, part: &PartCard) -> Pictures {
        let in_memory = self.parts().pictures(part.seq);
        let on_disk = || {
            let gallery = self.gallery.as_ref();
            gallery.map_or_else(Vec::new, |g| g.read(&part.event_id))
        };
        in_memory.unwrap_or_else(|| on_disk().into())
    }

    /// Says of each view of a part whether a picture of it is kept.
    pub(super) fn mark_pictures(&self, part: &mut PartCard) {
        let in_memory = self.parts().pictures(part.seq);
        for (i, view) in part.views.iter_mut().enumerate() {
            view.has_picture = match (&in_memory, &self.gallery) {
                (Some(pictures), _) => pictures.get(i).is_some_and(Option::is_some),
                (None, Some(gallery)) => gallery.has(&part.event_id, i),
                (None, None) => false,
            };
        }
    }

    /// How it stands with the pictures on disk.
    pub(super) fn picture_facts(&self) -> Option<PictureFacts> {
        self.gallery.as_ref().map(Gallery::facts)
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
