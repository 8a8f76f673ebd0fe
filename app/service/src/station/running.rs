//! A station at work: watched, and ended in order.

use super::console;
use super::line::Line;
use crate::alarms::camera_doubts::Doubts;
use crate::alarms::list::Events;
use crate::control::{Control, Event};
use crate::models::changeover::Changeover;
use crate::models::engines::Models;
use crate::models::trial::Trial;
use crate::station::assemble::aside;
use crate::station::journal::Keeping;
use crate::station::triggers::RateTrigger;
use crate::station::{monitor, record};
use sightline_console_host::Console;
use sightline_domain::{AlarmEffect, Clock};
use sightline_flow::{FlowCounters, FlowHandle};
use sightline_ingest::{CameraHandle, CameraState};
use sightline_journal::Journal;
use sightline_uplink::{Counters, Uplink};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an end takes at most that a signal asks for; what is not done by then is left.
pub const ON_SIGNAL: Duration = Duration::from_millis(3_500);
/// How long the last parts on the belt get to leave it and their results to be acknowledged, where nobody asked for an end.
pub const LAST_PARTS: Duration = Duration::from_secs(40);
/// How long the broker gets to acknowledge the last results at the end.
const LAST_ACKNOWLEDGEMENTS: Duration = Duration::from_secs(5);

/// A station at work.
pub struct Running {
    pub clock: Arc<dyn Clock>,
    pub flow: Arc<FlowHandle>,
    pub changeover: Arc<Changeover>,
    pub console: Option<Console>,
    pub cameras: Vec<CameraHandle>,
    pub line: Option<Arc<dyn Line>>,
    pub journal: Option<Journal>,
    pub uplink: Option<Arc<Uplink>>,
    pub events: Arc<Events>,
    pub models: Arc<Models>,
    pub losses: monitor::Losses,
    pub keeping: Keeping,
    pub trial: Arc<Trial>,
    pub doubts: Doubts,
    pub control: Arc<Control>,
    pub(super) recorder: Option<Arc<record::Tap>>,
    pub(super) rate: Option<RateTrigger>,
}

/// What is left when a station has ended.
pub struct Ended {
    pub flow: FlowCounters,
    pub uplink: Option<Counters>,
    pub events: Arc<Events>,
}

impl Running {
    /// Looks after what changes slowly: camera alarms, conservation, key figures. To be called a few times a second.
    pub fn watch(&self) {
        let counters = monitor::look(self);
        if let Some(console) = &self.console {
            console.look(&console::readings(self, &counters));
        }
    }

    /// Cameras and engines stand, and no alarm holds the line. Else: what is waited for.
    pub fn stands(&self) -> Result<(), String> {
        let up = |c: &&CameraHandle| {
            use CameraState::{Ended, Live, Unusable};
            matches!(c.status().state, Live | Unusable | Ended)
        };
        if let Some(camera) = self.cameras.iter().find(|c| !up(c)) {
            return Err(format!("waiting for camera {}", camera.name()));
        }
        if self.flow.counters().workers == 0 {
            return Err("waiting for an engine".into());
        }
        match self.events.effect(|_| true) {
            AlarmEffect::Hold => Err("an alarm holds the line".into()),
            _ => Ok(()),
        }
    }

    /// Reads the active recipe's file again and lets it take over between parts, on a thread of its own. With anything wrong
    /// the old one goes on, and an alarm stands until it is read well or another recipe takes over.
    pub fn reload_recipe(&self) {
        let changeover = self.changeover.clone();
        let control = self.control.clone();
        aside("sl-reload", move || {
            let before = changeover.active();
            let (new, reason) = match changeover.reload("SIGHUP") {
                Ok(_) => {
                    let now = changeover.active().in_words();
                    (Some(now), "the recipe's file was read again".into())
                }
                Err(error) => (None, format!("refused: {error:#}")),
            };
            let old = Some(before.in_words());
            control.audit("SIGHUP", "reload_recipe", old, new, &reason);
        });
    }

    /// True when every camera has given its last frame and nothing is in flight.
    pub fn finished(&self) -> bool {
        self.cameras.iter().all(CameraHandle::done) && self.flow.idle()
    }

    /// Ends in order, within `patience` where nothing hangs: trigger and line, cameras, flow (engines, judge, gate), journal,
    /// uplink.
    pub fn stop(self, patience: Duration) -> Ended {
        let end = Instant::now() + patience;
        let left = || end.saturating_duration_since(Instant::now());
        if let Err(error) = self.control.step(Event::Halt) {
            tracing::debug!(%error, "the state stays");
        }
        drop(self.rate);
        drop(self.console);
        if let Some(line) = &self.line {
            // The rest is for what comes after the belt.
            line.empty(left().mul_f64(0.5));
        }
        for camera in self.cameras {
            if let Err(error) = camera.stop() {
                tracing::error!(%error, "stopping a camera");
            }
        }
        if let Some(Err(error)) = self.recorder.map(|recorder| recorder.finish()) {
            tracing::error!(%error, "the recording has no end");
        }
        self.flow.stop();
        let flow = self.flow.counters();
        self.control.follow_trail(true);
        if let Some(journal) = &self.journal {
            self.keeping.settle(journal, &self.events, left());
        }
        self.control.follow_trail(true);
        let uplink = self.uplink.as_ref().map(|uplink| {
            uplink.settle(LAST_ACKNOWLEDGEMENTS.min(left()));
            uplink.counters()
        });
        if let Some(uplink) = &uplink {
            monitor::check_conservation(&self.events, &flow, Some(uplink));
        }
        Ended {
            flow,
            uplink,
            events: self.events,
        }
    }
}
