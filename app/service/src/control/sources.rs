//! Whether parts are taken, for the sources of triggers that are ours: the rate, commands, and every frame of a camera.
//! A photo-eye is never ignored: a part that arrives though the station was stopped is inspected all the same.

use super::machine::State;
use sightline_domain::{CameraId, Trigger};
use sightline_frames::{TapSink, Tapped, TriggerSink};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

const NONE: u8 = 0;
const ONE: u8 = 1;
const ALL: u8 = 2;

/// How many more parts are taken, and what was announced of the next one.
#[derive(Debug, Default)]
pub struct Sources {
    parts: AtomicU8,
    announced: Mutex<Option<Arc<str>>>,
}

impl Sources {
    /// Follows the state machine.
    pub fn set(&self, takes_parts: Option<State>) {
        let parts = match takes_parts {
            Some(State::SingleExecution) => ONE,
            Some(_) => ALL,
            None => NONE,
        };
        self.parts.store(parts, Ordering::SeqCst);
    }

    /// True if a part may be opened now; the one part of a single execution is used up by that.
    pub fn take(&self) -> bool {
        let used = self
            .parts
            .compare_exchange(ONE, NONE, Ordering::SeqCst, Ordering::SeqCst);
        used.is_ok() || used == Err(ALL)
    }

    /// The next part that comes without an id of its own has this one.
    pub fn announce(&self, part_id: &str) {
        *super::lock(&self.announced) = Some(part_id.into());
    }
}

/// Gives a part the id that was announced for it.
pub struct NamedTrigger {
    pub sources: Arc<Sources>,
    /// The ids that parts come with are made up (the simulated line) and give way.
    pub made_up: bool,
    pub to: Arc<dyn TriggerSink>,
}

impl TriggerSink for NamedTrigger {
    fn trigger(&self, mut trigger: Trigger) -> Result<(), Trigger> {
        if let Some(announced) = super::lock(&self.sources.announced).take() {
            match &trigger.part_id {
                Some(own) if !self.made_up && *own != announced => {
                    tracing::warn!(%announced, %own, "the announced part has an id of its own, and keeps it");
                }
                _ => trigger.part_id = Some(announced),
            }
        }
        self.to.trigger(trigger)
    }
}

/// Lets triggers pass while parts are taken, and drops them otherwise.
pub struct GatedTrigger {
    pub sources: Arc<Sources>,
    pub to: Arc<dyn TriggerSink>,
}

impl TriggerSink for GatedTrigger {
    fn trigger(&self, trigger: Trigger) -> Result<(), Trigger> {
        if self.sources.take() {
            self.to.trigger(trigger)
        } else {
            Ok(())
        }
    }
}

/// Lets the frames of the camera that opens parts pass while parts are taken; the others always.
pub struct GatedTap {
    pub sources: Arc<Sources>,
    pub camera: CameraId,
    pub to: Arc<dyn TapSink>,
}

impl TapSink for GatedTap {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        let opens = match &item {
            Tapped::View(view) => view.lease.meta().camera == self.camera,
            Tapped::Missed(_) => false,
        };
        if opens && !self.sources.take() {
            return Ok(());
        }
        self.to.deliver(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_in_single_execution_all_in_continuous_none_otherwise() {
        let sources = Sources::default();
        assert!(!sources.take());
        sources.set(Some(State::SingleExecution));
        assert!(sources.take());
        assert!(!sources.take());
        sources.set(Some(State::ContinuousExecution));
        assert!(sources.take() && sources.take());
        sources.set(None);
        assert!(!sources.take());
    }
}
