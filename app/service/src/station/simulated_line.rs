//! The simulated line as the station sees it: its line to drive, its gate to move.

use super::line::{Line, Site};
use sightline_configs::station::{Camera, GateKind, Source, Trigger};
use sightline_domain::{CameraId, Disposition, Health, InspectionResult, MonoTime, TrackId};
use sightline_ingest::CameraContext;
use sightline_ingest::source::Source as CameraSource;
use sightline_simulated_line::{LineSetup, LineSummary, SimulatedCamera, SimulatedLine};
use sightline_verdict::{Confirmation, GateDriver, GateError, InspectionPlan};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The simulated line, driven by a station.
pub struct DrivenLine {
    line: Arc<SimulatedLine>,
    hold: LineHold,
}

impl DrivenLine {
    /// The line, where anything of the station stands on it.
    pub fn build(site: &Site<'_>) -> anyhow::Result<Option<Self>> {
        let config = site.config;
        let simulated = |(_, c): &(usize, &Camera)| matches!(c.source, Source::Simulated { .. });
        let cameras: Vec<SimulatedCamera> = (config.cameras.iter().enumerate())
            .filter(simulated)
            .map(|(i, c)| camera(i, c, site.plan))
            .collect();
        let stands_on_it = config.gate.kind == GateKind::Simulated
            || matches!(config.trigger, Trigger::Simulated {})
            || !cameras.is_empty();
        let (Some(simulation), true) = (&config.simulation, stands_on_it) else {
            return Ok(None);
        };
        let line = SimulatedLine::build(LineSetup {
            simulation: simulation.clone(),
            gate: Some(config.gate.clone()),
            cameras,
            base_dir: site.base.to_path_buf(),
            clock: site.clock.clone(),
            triggers: site.triggers.clone(),
        })?;
        let hold = LineHold::new(line.clone());
        Ok(Some(Self { line, hold }))
    }

    /// The sums of its truth book so far.
    pub fn summary(&self) -> LineSummary {
        self.line.summary()
    }
}

impl Line for DrivenLine {
    fn gate(&self) -> Box<dyn GateDriver> {
        Box::new(SimulatedGate {
            line: self.line.clone(),
            hold: self.hold.clone(),
        })
    }

    fn source(&self, camera: &CameraContext) -> anyhow::Result<Option<Box<dyn CameraSource>>> {
        let config = &camera.config;
        if !matches!(config.source, Source::Simulated { .. }) {
            return Ok(None);
        }
        let (place, wants_reference) = (camera.place(), camera.wants_reference);
        let source = self
            .line
            .source(camera.id, config, place, wants_reference)?;
        Ok(Some(source))
    }

    fn run(&self) -> anyhow::Result<()> {
        Ok(self.line.run()?)
    }

    fn hold_by_person(&self, on: bool) {
        self.hold.by_person(on);
    }

    fn is_held_by_person(&self) -> bool {
        self.hold.is_by_person()
    }

    fn is_held(&self) -> bool {
        self.line.is_held()
    }

    fn gate_was_seen_to(&self) {
        self.line.repair_gate();
    }

    fn decided(&self, result: &InspectionResult) {
        let healthy = result
            .views
            .iter()
            .all(|v| v.missed.is_none() && v.health == Some(Health::Ok));
        let track = TrackId(result.track_id);
        let (disposition, reason) = (result.disposition, result.disposition_reason);
        let (line, evaluation) = (&self.line, result.evaluation);
        match result.correction {
            0 => line.record_verdict(track, evaluation, disposition, reason, healthy),
            _ => line.record_correction(track, disposition, reason),
        }
    }

    fn empty(&self, patience: Duration) {
        let line = &self.line;
        line.stop_feeding();
        if self.hold.is_by_person() {
            self.hold.by_person(false);
        }
        let begin = Instant::now();
        while !line.is_empty() && !line.is_held() && begin.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        line.stop();
    }
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
struct LineHold {
    line: Arc<SimulatedLine>,
    by: Arc<Mutex<HeldBy>>,
}

#[derive(Default)]
struct HeldBy {
    gate: bool,
    person: bool,
}

impl LineHold {
    fn new(line: Arc<SimulatedLine>) -> Self {
        Self {
            line,
            by: Arc::default(),
        }
    }

    fn change(&self, f: impl FnOnce(&mut HeldBy)) {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut by);
        if by.gate || by.person {
            self.line.hold()
        } else {
            self.line.release()
        }
    }

    fn by_gate(&self, on: bool) {
        self.change(|by| by.gate = on);
    }

    fn by_person(&self, on: bool) {
        self.change(|by| by.person = on);
    }

    fn is_by_person(&self) -> bool {
        self.by
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .person
    }
}

/// Moves the simulated gate.
struct SimulatedGate {
    line: Arc<SimulatedLine>,
    hold: LineHold,
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
