//! What all consoles share: pictures, parts, users, the journal, and the way to the station.

use crate::previews::Previews;
use crate::recent_parts::RecentParts;
use crate::reject_pictures::{Pictures, RejectPictures};
use crate::station::Station;
use crate::users::Users;
use sightline_configs::Loaded;
use sightline_configs::Station as Configuration;
use sightline_configs::console::Console as Config;
use sightline_domain::{Clock, InspectionResult, MonoTime, UtcMicros};
use sightline_journal::Journal;
use sightline_wire::Board;
use sightline_wire::snapshot::{PartCard, PictureFacts};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shared by all consoles.
pub struct ConsoleContext {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) start: MonoTime,
    pub(super) users: Users,
    pub(super) idle: Duration,
    /// Where recipes and bundles are looked for.
    pub(super) recipes: PathBuf,
    pub(super) bundles: Option<PathBuf>,
    /// Models can be installed: there is a store.
    pub(super) has_store: bool,
    /// Where reviewed parts and bundles for support are written.
    pub(super) exports: Option<PathBuf>,
    /// Where bundles arrive, and where the system mounts sticks.
    pub(super) inbox: Option<PathBuf>,
    pub(super) sticks: Option<PathBuf>,
    /// The station's file, and its digest.
    pub(super) configuration: PathBuf,
    pub(super) configuration_hash: String,
    pub(super) handle: Arc<dyn Station>,
    pub(super) journal: Option<Journal>,
    pub(super) board: Arc<Board>,
    previews: Arc<Previews>,
    parts: Mutex<RecentParts>,
    reject_pictures: Option<RejectPictures>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConsoleContext {
    pub(super) fn new(
        station: &Loaded<Configuration>,
        config: &Config,
        clock: Arc<dyn Clock>,
        handle: Arc<dyn Station>,
        journal: Option<Journal>,
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
        let reject_pictures = config.pictures.as_ref().map(|folder| {
            let budget = (config.pictures_mb as u64) << 20;
            RejectPictures::open(&station.base.join(folder), budget)
        });
        Ok(Self {
            start: clock.now(),
            users,
            idle: Duration::from_secs(config.idle_s),
            recipes: recipe.parent().map(Into::into).unwrap_or_default(),
            bundles: config.bundles.as_ref().map(at),
            has_store: models.is_some(),
            inbox: models.and_then(|m| m.inbox.as_ref()).map(at),
            sticks: config.sticks.as_ref().map(at),
            exports: config.exports.as_ref().map(at),
            configuration: station.source.file.clone(),
            configuration_hash: station.hash.clone(),
            handle,
            journal,
            board: Arc::default(),
            previews: Arc::new(Previews::new(cameras.len(), config.preview_px)),
            parts: Mutex::new(RecentParts::new(cameras, config.reject_pictures_mb << 20)),
            reject_pictures: reject_pictures.transpose()?,
            clock,
        })
    }

    pub(super) fn previews(&self) -> &Arc<Previews> {
        &self.previews
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, RecentParts> {
        lock(&self.parts)
    }

    pub(super) fn utc(&self) -> UtcMicros {
        self.clock.utc()
    }

    /// A part was decided: called on the flow's result thread.
    pub fn told(&self, result: &InspectionResult) {
        let pictures = self.parts().told(result, &self.previews);
        if let (Some(reject_pictures), Some(pictures)) = (&self.reject_pictures, pictures) {
            reject_pictures.offer(result.event_id.to_string(), pictures);
        }
    }

    /// The kept pictures of a part, one a view: from memory, else from disk.
    pub(super) fn pictures(&self, part: &PartCard) -> Pictures {
        let in_memory = self.parts().pictures(part.seq);
        let on_disk = || {
            let reject_pictures = self.reject_pictures.as_ref();
            reject_pictures.map_or_else(Vec::new, |g| g.read(&part.event_id))
        };
        in_memory.unwrap_or_else(|| on_disk().into())
    }

    /// Says of each view of a part whether a picture of it is kept.
    pub(super) fn mark_pictures(&self, part: &mut PartCard) {
        let in_memory = self.parts().pictures(part.seq);
        for (i, view) in part.views.iter_mut().enumerate() {
            view.has_picture = match (&in_memory, &self.reject_pictures) {
                (Some(pictures), _) => pictures.get(i).is_some_and(Option::is_some),
                (None, Some(reject_pictures)) => reject_pictures.has(&part.event_id, i),
                (None, None) => false,
            };
        }
    }

    /// How it stands with the pictures on disk.
    pub(super) fn picture_facts(&self) -> Option<PictureFacts> {
        self.reject_pictures.as_ref().map(RejectPictures::facts)
    }

    /// Writes into the audit trail, the one that commands over MQTT are in, too.
    pub(super) fn audit(&self, actor: &str, action: &str, old: &str, new: &str, reason: &str) {
        let value = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.handle
            .audit(actor, action, value(old), value(new), reason);
    }
}
