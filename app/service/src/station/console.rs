//! The station as its consoles know it.

use super::process_times::Cpu;
use super::running::Running;
use crate::alarms::list::Events;
use crate::control::{Control, Request};
use crate::log;
use crate::models::changeover::Changeover;
use crate::models::store::Store;
use anyhow::Context;
use sightline_configs::{Loaded, Recipe};
use sightline_console_host::{ActiveSet, CameraReading, Order, Readings, Station, UplinkReading};
use sightline_domain::{AlarmStanding, Clock};
use sightline_flow::FlowCounters;
use sightline_journal::Review;
use sightline_uplink::payload::{ReviewMessage, to_json};
use sightline_uplink::{Outcome, Uplink};
use sightline_wire::snapshot::{InstallFacts, InstallState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Parts between photo-eye and gate that are shown, at most.
const ON_THE_WAY: usize = 64;

/// What consoles act through. They may come before anything inspects: then there is no changeover yet.
pub struct ConsoleHandle {
    pub events: Arc<Events>,
    pub control: Arc<Control>,
    pub uplink: Option<Arc<Uplink>>,
    pub clock: Arc<dyn Clock>,
    /// The model store's folder.
    pub store: Option<PathBuf>,
    pub changeover: OnceLock<Arc<Changeover>>,
}

impl ConsoleHandle {
    fn changeover(&self) -> anyhow::Result<&Arc<Changeover>> {
        self.changeover.get().context("the station is starting")
    }
}

impl Station for ConsoleHandle {
    fn audit(&self, by: &str, action: &str, old: Option<String>, new: Option<String>, why: &str) {
        self.control.audit(by, action, old, new, why);
    }

    fn order(&self, action: &str, order: Order, by: &str, why: &str) -> Result<(), String> {
        match self.control.ask(action, request(order), by, why) {
            Outcome::Done(_) | Outcome::Running(_) => Ok(()),
            Outcome::Refused(why) => Err(why),
        }
    }

    fn tell_review(&self, review: &Review) {
        let Some(uplink) = &self.uplink else {
            return;
        };
        let message = ReviewMessage {
            schema: "sightline.review.v1".into(),
            event_id: review.event_id.to_string(),
            seq: review.seq,
            at: self.clock.utc().to_rfc3339(),
            by: review.by.clone(),
            evaluation: review.evaluation,
            comment: review.comment.clone(),
        };
        uplink.say("review", to_json(&message));
    }

    fn alarms(&self) -> Vec<AlarmStanding> {
        self.events.standing()
    }

    fn has_alarm(&self, id: &str) -> bool {
        self.events.state_of(id).is_some()
    }

    fn installation(&self) -> Option<InstallFacts> {
        let at = self.control.installation()?;
        Some(InstallFacts {
            file: at.file,
            by: at.by,
            state: match at.done {
                None => InstallState::Running,
                Some(true) => InstallState::Done,
                Some(false) => InstallState::Refused,
            },
            took_s: at.took_s,
            said: at.said,
        })
    }

    fn recent_log(&self) -> String {
        log::last_lines()
    }

    fn active(&self) -> Option<ActiveSet> {
        self.changeover.get().map(|changeover| active(changeover))
    }

    fn read_recipe(&self, file: &Path) -> anyhow::Result<Loaded<Recipe>> {
        self.changeover()?.read(file)
    }

    fn change_recipe(&self, file: &Path, by: &str) -> anyhow::Result<()> {
        self.changeover()?.to_recipe(file, by).map(drop)
    }

    fn use_bundle(&self, folder: &Path, by: &str) -> anyhow::Result<()> {
        self.changeover()?.to_model(folder, by).map(drop)
    }

    fn roll_back(&self, by: &str) -> anyhow::Result<()> {
        self.changeover()?.back(by).map(drop)
    }

    fn stored_bundles(&self) -> anyhow::Result<Vec<PathBuf>> {
        match &self.store {
            Some(root) => Store::open(root)?.folders(),
            None => Ok(Vec::new()),
        }
    }

    fn activated(&self, name: &str) -> Option<Vec<String>> {
        let store = Store::open(self.store.as_deref()?).ok()?;
        store.activated(name).ok()
    }
}

fn request(order: Order) -> Request {
    match order {
        Order::Start => Request::Start {
            single: false,
            job_id: None,
        },
        Order::Stop => Request::Stop,
        Order::AckAlarm { id, shelve } => Request::AckAlarm { id, shelve },
        Order::UnshelveAlarm { id } => Request::UnshelveAlarm { id },
        Order::InstallFile { path } => Request::InstallFile { path },
        Order::ActivateModel { name, version } => Request::ActivateModel { name, version },
        Order::RollbackModel { name } => Request::RollbackModel { name },
    }
}

fn active(changeover: &Changeover) -> ActiveSet {
    let active = changeover.active();
    ActiveSet {
        file: active.file,
        plan: active.plan,
    }
}

/// How the station stands, for its consoles.
pub fn readings<'a>(running: &Running, counters: &'a FlowCounters) -> Readings<'a> {
    let camera = |c: &sightline_ingest::CameraHandle| CameraReading {
        name: c.name().clone(),
        status: c.status(),
    };
    let uplink = |u: &Arc<Uplink>| UplinkReading {
        counters: u.counters(),
        certificates: u.certificates(),
    };
    let cpu = Cpu::now().unwrap_or_default();
    Readings {
        counters,
        cameras: running.cameras.iter().map(camera).collect(),
        takes_parts: running.control.takes_parts(),
        is_held: running.line.as_ref().is_some_and(|line| line.is_held()),
        on_the_way: running.flow.on_the_way(ON_THE_WAY),
        uplink: running.uplink.as_ref().map(uplink),
        cpu: cpu.engines + cpu.sources + cpu.others,
        active: active(&running.changeover),
        previous: running.changeover.previous(),
    }
}
