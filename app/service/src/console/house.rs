//! What all consoles share: pictures, parts, alarms, users, trail, and the ways to act on the line.

use super::alarms::AlarmBook;
use super::guest::Visitor;
use super::parts::Parts;
use super::previews::Previews;
use super::users::Users;
use crate::changeover::Changeover;
use crate::events::Events;
use crate::gate::LineHold;
use sightline_configs::console::Console as Config;
use sightline_configs::{Loaded, Station};
use sightline_flow::FlowHandle;
use sightline_model::{Clock, InspectionResult, MonoTime, UtcMicros};
use sightline_wire::ask::AuditRow;
use sightline_wire::preview::{PreviewHead, Wish};
use sightline_wire::snapshot::AlarmCard;
use sightline_wire::{Guest, Host};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Rows of the audit trail kept in memory.
const TRAIL: usize = 1_000;

/// What acts on the line.
pub struct Deeds {
    pub flow: Arc<FlowHandle>,
    pub changeover: Arc<Changeover>,
    /// A line that can be stopped.
    pub hold: Option<LineHold>,
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
    events: Arc<Events>,
    previews: Arc<Previews>,
    parts: Mutex<Parts>,
    alarms: Mutex<AlarmBook>,
    trail: Mutex<VecDeque<AuditRow>>,
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
        events: Arc<Events>,
    ) -> anyhow::Result<Self> {
        let cameras: Vec<String> = (station.value.cameras.iter())
            .map(|c| c.name.clone())
            .collect();
        let users = match &config.users_file {
            Some(file) => Users::load(&station.base.join(file))?,
            None => Users::new(Vec::new()),
        };
        let recipe = station.base.join(&station.value.recipe);
        Ok(Self {
            start: clock.now(),
            users,
            idle: Duration::from_secs(config.idle_s),
            recipes: recipe.parent().map(Into::into).unwrap_or_default(),
            bundles: config.bundles.as_ref().map(|b| station.base.join(b)),
            events,
            previews: Arc::new(Previews::new(cameras.len(), config.preview_px)),
            parts: Mutex::new(Parts::new(cameras, config.reject_pictures_mb << 20)),
            alarms: Mutex::default(),
            trail: Mutex::default(),
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
        let deadline = self
            .deeds()
            .map_or(Duration::ZERO, |d| d.changeover.deadline());
        let deadline_ms = deadline.as_secs_f32() * 1e3;
        self.parts()
            .told(result, deadline_ms, self.utc(), &self.previews);
    }

    /// The alarms as they stand now, after `change`.
    pub(super) fn alarms<T>(&self, change: impl FnOnce(&mut AlarmBook) -> T) -> T {
        let now = self.utc();
        let mut book = lock(&self.alarms);
        book.see(&self.events.all(), now);
        let done = change(&mut book);
        book.see(&self.events.all(), now);
        done
    }

    pub(super) fn alarm_cards(&self) -> Vec<AlarmCard> {
        self.alarms(|book| book.cards().to_vec())
    }

    /// Writes into the audit trail.
    pub(super) fn audit(&self, actor: &str, action: &str, old: &str, new: &str, reason: &str) {
        tracing::info!(actor, action, old, new, reason, "audit");
        let mut trail = lock(&self.trail);
        trail.truncate(TRAIL - 1);
        trail.push_front(AuditRow {
            at: self.utc(),
            actor: actor.into(),
            action: action.into(),
            old: old.into(),
            new: new.into(),
            reason: reason.into(),
        });
    }

    pub(super) fn trail(&self, limit: usize) -> Vec<AuditRow> {
        lock(&self.trail).iter().take(limit).cloned().collect()
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
