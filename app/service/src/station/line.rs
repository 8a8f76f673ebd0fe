//! The line a station stands at, as far as it can be driven from here. Today only the simulated one can.

use crate::station::triggers::TriggerRelay;
use sightline_configs::Station;
use sightline_domain::{Clock, InspectionResult};
use sightline_ingest::CameraContext;
use sightline_ingest::source::Source;
use sightline_verdict::{GateDriver, InspectionPlan};
use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A line with a belt that can be stopped from here, a gate, and cameras of its own.
pub trait Line: Any + Send + Sync {
    /// What moves its gate.
    fn gate(&self) -> Box<dyn GateDriver>;

    /// The source of a camera that stands over it; `None`: the camera is another one.
    fn source(&self, camera: &CameraContext) -> anyhow::Result<Option<Box<dyn Source>>>;

    /// The belt begins to move, and its photo-eye to trigger.
    fn run(&self) -> anyhow::Result<()>;

    /// A person stops the belt, or lets it run.
    fn hold_by_person(&self, on: bool);

    /// Whether a person has stopped it.
    #[cfg(feature = "simulation")]
    fn is_held_by_person(&self) -> bool;

    /// Whether it stands, whoever stopped it.
    fn is_held(&self) -> bool;

    /// What a person does at the gate before they acknowledge: frees the flap.
    fn gate_was_seen_to(&self);

    /// A part was decided, or its result corrected.
    fn decided(&self, result: &InspectionResult);

    /// No more parts onto the belt; those on it go through gate and exit, also if a person had stopped it. Parts on a
    /// belt that the gate holds stay where they are. Ends within `patience`.
    fn empty(&self, patience: Duration);
}

/// Where a line is to stand.
#[cfg_attr(
    not(feature = "simulation"),
    expect(dead_code, reason = "only the simulated line asks for all of it")
)]
pub struct Site<'a> {
    pub config: &'a Station,
    pub plan: &'a InspectionPlan,
    pub clock: &'a Arc<dyn Clock>,
    pub base: &'a Path,
    pub triggers: &'a Arc<TriggerRelay>,
}

/// The line, where anything of the station stands on one.
///
/// # Errors
/// It cannot be built as configured.
#[cfg(feature = "simulation")]
pub fn line(site: &Site<'_>) -> anyhow::Result<Option<Arc<dyn Line>>> {
    let line = super::simulated_line::DrivenLine::build(site)?;
    Ok(line.map(|line| Arc::new(line) as Arc<dyn Line>))
}

/// This build has none.
///
/// # Errors
/// Something of the station is configured to stand on the simulated line.
#[cfg(not(feature = "simulation"))]
pub fn line(site: &Site<'_>) -> anyhow::Result<Option<Arc<dyn Line>>> {
    use sightline_configs::station::{GateKind, Source, Trigger};
    let simulated = |source: &Source| matches!(source, Source::Simulated { .. });
    let config = site.config;
    let stands_on_it = config.gate.kind == GateKind::Simulated
        || matches!(config.trigger, Trigger::Simulated {})
        || config.cameras.iter().any(|c| simulated(&c.source));
    if stands_on_it {
        anyhow::bail!(
            "expected a gate, a trigger and cameras of a real line, found `simulated` ones: this station was built \
             without the simulated line; build it with the feature `simulation`, or change the configuration"
        );
    }
    Ok(None)
}
