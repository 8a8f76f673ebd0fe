//! From the configuration to the settings of uplink, commands and flow.

use crate::control::Control;
use crate::station::triggers;
use anyhow::Context;
use sightline_configs::station::{Expects, Trigger as TriggerKind};
use sightline_configs::{Loaded, Station};
use sightline_domain::{CameraId, Clock};
use sightline_flow::FlowSettings;
use sightline_journal::Journal;
use sightline_uplink::{CommandHandler, Patience, Uplink, UplinkSettings};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use uuid::Uuid;

/// Parts on their way through box and belt at once, at most.
pub const MAX_OPEN_PARTS: usize = 1_024;
/// How long the parts on their way to the gate are waited for after the cameras.
const LAST_AT_GATE: Duration = Duration::from_millis(1_500);

/// `None` without `[mqtt]`. A backlog gives way to the open parts.
pub fn uplink_settings(
    station: &Loaded<Station>,
    boot_id: Uuid,
    clock: &Arc<dyn Clock>,
    commands: Option<CommandHandler>,
    open_parts: &Arc<AtomicUsize>,
) -> Option<UplinkSettings> {
    Some(UplinkSettings {
        identity: station.value.station.clone(),
        mqtt: station.value.mqtt.clone()?,
        sparkplug: station.value.sparkplug.clone(),
        base: station.base.clone(),
        session: boot_id.to_string(),
        clock: clock.clone(),
        commands,
        patience: Patience::default(),
        inspecting: open_parts.clone(),
        state: journal_folder(station),
    })
}

/// Where what is remembered until the next run lies; `None` without `[journal]`.
pub fn journal_folder(station: &Loaded<Station>) -> Option<PathBuf> {
    let journal = station.value.journal.as_ref()?;
    Some(station.base.join(&journal.folder))
}

pub fn start_uplink(
    settings: Option<UplinkSettings>,
    journal: Option<&Journal>,
) -> anyhow::Result<Option<Arc<Uplink>>> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    Ok(Some(Arc::new(match journal {
        Some(journal) => Uplink::start_over(settings, journal.clone())?,
        None => Uplink::start(settings)?,
    })))
}

/// The door for commands, with the configured ones allowed.
pub fn control(
    config: &Station,
    clock: &Arc<dyn Clock>,
    door: &Arc<triggers::TriggerRelay>,
) -> Arc<Control> {
    let allowed = config
        .mqtt
        .as_ref()
        .map_or_else(Vec::new, |m| m.commands.clone());
    let trigger = match config.trigger {
        TriggerKind::Command { uncertainty_ms, .. } => Some(triggers::CommandTrigger::new(
            door.clone(),
            clock.clone(),
            uncertainty_ms,
        )),
        _ => None,
    };
    Control::new(allowed, clock.clone(), trigger)
}

pub fn flow_settings(
    config: &Station,
    clock: &Arc<dyn Clock>,
    raised: bool,
) -> anyhow::Result<FlowSettings> {
    let mut settings = FlowSettings::new(
        clock.clone(),
        config.cameras.iter().map(|c| c.slots).collect(),
    );
    settings.batch_wait = Duration::from_secs_f64(config.engine.batch_wait_ms / 1_000.0);
    let warm = Duration::from_secs_f64(config.engine.keep_warm_ms / 1_000.0);
    settings.keep_warm = (!warm.is_zero()).then_some(warm);
    settings.engine_cores = config.engine.cores.clone();
    settings.stage_core = config.threads.stage_core;
    settings.raised = raised;
    settings.max_open_parts = MAX_OPEN_PARTS;
    settings.stop_patience = LAST_AT_GATE;
    settings.every_frame = every_frame(config)?;
    settings.triggered = triggered(config);
    Ok(settings)
}

/// The cameras that give one frame a trigger.
pub fn triggered(config: &Station) -> Vec<CameraId> {
    let cameras = config.cameras.iter().zip(0..);
    let mine = cameras.filter(|(camera, _)| camera.expects == Expects::Trigger);
    mine.map(|(_, id)| CameraId(id)).collect()
}

/// The camera whose every frame is a part, if that is the trigger.
pub fn every_frame(config: &Station) -> anyhow::Result<Option<CameraId>> {
    let TriggerKind::EveryFrame { camera } = &config.trigger else {
        return Ok(None);
    };
    let index = config
        .cameras
        .iter()
        .position(|c| c.name == *camera)
        .context("trigger.camera is not a camera")?;
    Ok(Some(CameraId(index as u16)))
}

/// Randomness for event ids from the operating system.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    seed
}
