//! The station as its consoles know it: one trait to act through, one record of how it stands.

use sightline_configs::{Loaded, Recipe};
use sightline_domain::AlarmStanding;
use sightline_flow::FlowCounters;
use sightline_ingest::CameraStatus;
use sightline_journal::Review;
use sightline_uplink::{Counters, Validity};
use sightline_verdict::{InspectionPlan, OnTheWay};
use sightline_wire::snapshot::InstallFacts;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a person at a console asks the station for; carried out between parts, and written into the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Parts are taken.
    Start,
    /// No more parts are taken.
    Stop,
    /// An alarm has been seen, or is put aside for a while.
    AckAlarm {
        /// The alarm's id.
        id: String,
        /// How long it is put aside; absent: acknowledged only.
        shelve: Option<Duration>,
    },
    /// An alarm is put aside no longer.
    UnshelveAlarm {
        /// The alarm's id.
        id: String,
    },
    /// A bundle's archive goes into the store.
    InstallFile {
        /// The archive.
        path: PathBuf,
    },
    /// A model of the store takes over.
    ActivateModel {
        /// The bundle's name.
        name: String,
        /// Its version.
        version: String,
    },
    /// The model of that name that inspected before takes over again.
    RollbackModel {
        /// The bundle's name.
        name: String,
    },
}

/// What consoles may see and do of the station, besides what they are told a few times a second ([`Readings`]).
pub trait Station: Send + Sync {
    /// Writes into the audit trail, the one that commands over MQTT are in, too.
    fn audit(&self, by: &str, action: &str, old: Option<String>, new: Option<String>, why: &str);

    /// Carries out an order and waits for what becomes of it. `action` is what the audit trail calls it.
    ///
    /// # Errors
    /// Why it is refused, for people.
    fn order(&self, action: &str, order: Order, by: &str, why: &str) -> Result<(), String>;

    /// Tells the MES what a person said of a part.
    fn tell_review(&self, review: &Review);

    /// The alarms that are not over or that nobody has seen.
    fn alarms(&self) -> Vec<AlarmStanding>;

    /// Whether there is such an alarm.
    fn has_alarm(&self, id: &str) -> bool;

    /// The installation that goes on, or what became of the last one.
    fn installation(&self) -> Option<InstallFacts>;

    /// The last lines of the log.
    fn recent_log(&self) -> String;

    /// What inspects now; `None` while the station starts.
    fn active(&self) -> Option<ActiveSet>;

    /// Reads a recipe's file, without changing anything.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read_recipe(&self, file: &Path) -> anyhow::Result<Loaded<Recipe>>;

    /// The recipe in `file` takes over.
    ///
    /// # Errors
    /// Why the one before goes on.
    fn change_recipe(&self, file: &Path, by: &str) -> anyhow::Result<()>;

    /// A bundle that is not in the store takes over.
    ///
    /// # Errors
    /// Why the one before goes on.
    fn use_bundle(&self, folder: &Path, by: &str) -> anyhow::Result<()>;

    /// What inspected before takes over again.
    ///
    /// # Errors
    /// Why not.
    fn roll_back(&self, by: &str) -> anyhow::Result<()>;

    /// The folders of the store's bundles; none without a store.
    ///
    /// # Errors
    /// The store cannot be read.
    fn stored_bundles(&self) -> anyhow::Result<Vec<PathBuf>>;

    /// The versions of a stored model that were activated, the active one last; `None` without a store.
    fn activated(&self, name: &str) -> Option<Vec<String>>;
}

/// The recipe and the models that inspect.
#[derive(Clone)]
pub struct ActiveSet {
    /// The recipe's file.
    pub file: PathBuf,
    /// The recipe, resolved.
    pub plan: Arc<InspectionPlan>,
}

impl ActiveSet {
    /// Id and version of the recipe, for the audit trail.
    pub fn recipe(&self) -> String {
        let recipe = &self.plan.recipe;
        format!("{} {}", recipe.external_id, recipe.version)
    }

    /// The models, each with its version, for the audit trail.
    pub fn models(&self) -> String {
        let refs = self.plan.models.iter().flat_map(|m| &m.refs);
        let models: Vec<String> = refs.map(|r| format!("{} {}", r.name, r.version)).collect();
        models.join(", ")
    }
}

/// How the station stands now.
pub struct Readings<'a> {
    /// The flow's counters.
    pub counters: &'a FlowCounters,
    /// The cameras, in the configuration's order.
    pub cameras: Vec<CameraReading>,
    /// Parts are taken.
    pub takes_parts: bool,
    /// The line stands, because its gate or a person holds it.
    pub is_held: bool,
    /// Parts between photo-eye and gate, the first to reach it first.
    pub on_the_way: Vec<OnTheWay>,
    /// The connection to the broker, where there is one.
    pub uplink: Option<UplinkReading>,
    /// Processor time that this process has used so far.
    pub cpu: Duration,
    /// What inspects.
    pub active: ActiveSet,
    /// The models a roll-back would bring back, each with its version.
    pub previous: Vec<String>,
}

/// One camera.
pub struct CameraReading {
    /// Its name.
    pub name: Arc<str>,
    /// State, reason and counters.
    pub status: CameraStatus,
}

/// The connection to the broker.
pub struct UplinkReading {
    /// Its counters.
    pub counters: Counters,
    /// Its certificates, and how long they are valid.
    pub certificates: Vec<Validity>,
}
