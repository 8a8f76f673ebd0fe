//! The simulated line as the station sees it: its line to drive, its gate to move.

use crate::trigger::Door;
use sightline_configs::Station;
use sightline_configs::station::{Camera, GateKind, Source, Trigger};
use sightline_ingest::{LineSetup, SimulatedCamera, SimulatedLine};
use sightline_model::{CameraId, Clock, Disposition, MonoTime, TrackId};
use sightline_verdict::{Confirmation, GateDriver, GateError, InspectionPlan};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The simulated line, where anything of the station stands on it.
pub fn simulated_line(
    config: &Station,
    plan: &InspectionPlan,
    clock: &Arc<dyn Clock>,
    base: &Path,
    triggers: &Arc<Door>,
) -> anyhow::Result<Option<Arc<SimulatedLine>>> {
    let simulated = |(_, c): &(usize, &Camera)| matches!(c.source, Source::Simulated { .. });
    let cameras: Vec<SimulatedCamera> = config
        .cameras
        .iter()
        .enumerate()
        .filter(simulated)
        .map(|(i, c)| camera(i, c, plan))
        .collect();
    let stands_on_it = config.gate.kind == GateKind::Simulated
        || matches!(config.trigger, Trigger::Simulated {})
        || !cameras.is_empty();
    let (Some(simulation), true) = (&config.simulation, stands_on_it) else {
        return Ok(None);
    };
    let setup = LineSetup {
        simulation: simulation.clone(),
        gate: Some(config.gate.clone()),
        cameras,
        base_dir: base.to_path_buf(),
        clock: clock.clone(),
        triggers: triggers.clone(),
    };
    Ok(Some(SimulatedLine::build(setup)?))
}

/// A camera stands where the recipe's first view of it expects the part.
fn camera(index: usize, camera: &Camera, plan: &InspectionPlan) -> SimulatedCamera {
    let id = CameraId(index as u16);
    let view = plan.views.iter().find(|v| v.camera == id);
    SimulatedCamera {
        id,
        name: camera.name.clone(),
        offset: view.map(|v| v.offset).unwrap_or_default(),
    }
}

/// Who holds the simulated belt: the gate, a person, or both. It runs when neither does.
#[derive(Clone)]
pub struct LineHold {
    line: Arc<SimulatedLine>,
    by: Arc<Mutex<HeldBy>>,
}

#[derive(Default)]
struct HeldBy {
    gate: bool,
    person: bool,
}

impl LineHold {
    pub fn new(line: Arc<SimulatedLine>) -> Self {
        Self {
            line,
            by: Arc::default(),
        }
    }

    fn change<T>(&self, f: impl FnOnce(&mut HeldBy) -> T) -> T {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        let done = f(&mut by);
        if by.gate || by.person {
            self.line.hold()
        } else {
            self.line.release()
        }
        done
    }

    fn by_gate(&self, on: bool) {
        self.change(|by| by.gate = on);
    }

    /// A person stops the belt or lets it run; returns whether they held it before.
    pub fn by_person(&self, on: bool) -> bool {
        self.change(|by| std::mem::replace(&mut by.person, on))
    }

    /// Whether a person holds it.
    pub fn is_by_person(&self) -> bool {
        self.by
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .person
    }

    /// What a person does at the gate before they acknowledge: frees the flap.
    pub fn gate_was_seen_to(&self) {
        self.line.repair_gate();
    }
}

/// Moves the simulated gate.
pub struct SimulatedGate {
    line: Arc<SimulatedLine>,
    hold: LineHold,
}

impl SimulatedGate {
    pub fn new(line: Arc<SimulatedLine>, hold: LineHold) -> Self {
        Self { line, hold }
    }
}

impl GateDriver for SimulatedGate {
    fn encoder(&mut self, now: MonoTime) -> Option<i64> {
        self.line.encoder(now)
    }

    fn actuate(
        &mut self,
        track: TrackId,
        disposition: Disposition,
        now: MonoTime,
    ) -> Result<(), GateError> {
        self.line.command_gate(track, disposition, now);
        Ok(())
    }

    fn poll_confirmations(&mut self, now: MonoTime, out: &mut Vec<Confirmation>) {
        while let Some((track, at)) = self.line.confirmation(now) {
            out.push(Confirmation {
                track: Some(track),
                at,
            });
        }
    }

    fn hold(&mut self, on: bool) {
        self.hold.by_gate(on);
    }

    fn is_held(&mut self, _now: MonoTime) -> bool {
        self.line.is_held()
    }
}
