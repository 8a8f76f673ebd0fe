//! Where cameras and triggers hand on what they have. Nothing here waits, but a trigger for room in the queue.

use crate::counters::{Counters, bump};
use crate::gate::GateLink;
use crate::input::FlowInput;
use sightline_domain::{CameraId, Clock, Trigger};
use sightline_frames::{TapSink, Tapped, TriggerSink};
use sightline_queue::{SendError, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The door in: closed once, and then nobody is inside any more.
#[derive(Debug, Default)]
pub(crate) struct IntakeGate {
    closed: AtomicBool,
    inside: AtomicUsize,
}

impl IntakeGate {
    /// Runs `f` unless the door is closed.
    fn through<T>(&self, f: impl FnOnce() -> T) -> Option<T> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let done = (!self.closed.load(Ordering::SeqCst)).then(f);
        self.inside.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Closes, and waits until everybody inside has left: after this nothing comes in.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        while self.inside.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// Takes what cameras deliver. Clones lead to the same flow.
#[derive(Clone)]
pub struct FlowTap {
    pub(crate) input: Sender<FlowInput>,
    pub(crate) door: Arc<IntakeGate>,
    pub(crate) tally: Arc<Counters>,
}

impl TapSink for FlowTap {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        let camera = match &item {
            Tapped::View(view) => view.lease.meta().camera,
            Tapped::Missed(missed) => missed.camera,
        };
        let mut item = Some(item);
        let sent = self.door.through(|| {
            bump(&self.tally.taken);
            let tapped = item.take().map(FlowInput::Tapped)?;
            let refused = self.input.try_send(tapped).map_err(SendError::into_inner);
            if refused.is_err() {
                bump(&self.tally.dealt);
            }
            Some(refused)
        });
        match sent.flatten() {
            Some(Ok(())) => Ok(()),
            Some(Err(FlowInput::Tapped(back))) => {
                self.tally.camera(camera, |c| &c.refused);
                Err(back)
            }
            _ => {
                self.tally.camera(camera, |c| &c.refused);
                item.map_or(Ok(()), Err)
            }
        }
    }
}

impl FlowTap {
    /// The camera is not live: what it owes is missed at once, until it delivers again.
    pub fn camera_down(&self, camera: CameraId) {
        self.door.through(|| {
            bump(&self.tally.taken);
            if self.input.send(FlowInput::CameraDown(camera)).is_err() {
                bump(&self.tally.dealt);
            }
        });
    }
}

/// Takes triggers: tells the gate first, so that from this moment the part is rejected unless a verdict lets it pass.
/// Clones lead to the same flow.
#[derive(Clone)]
pub struct FlowTrigger {
    pub(crate) input: Sender<FlowInput>,
    pub(crate) door: Arc<IntakeGate>,
    pub(crate) tally: Arc<Counters>,
    pub(crate) gate: Option<Arc<GateLink>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl TriggerSink for FlowTrigger {
    fn trigger(&self, trigger: Trigger) -> Result<(), Trigger> {
        let mut trigger = Some(trigger);
        let sent = self.door.through(|| {
            let trigger = trigger.take()?;
            bump(&self.tally.line.triggers);
            if let Some(gate) = &self.gate
                && !gate.register(&trigger, self.clock.now())
            {
                bump(&self.tally.line.duplicate_triggers);
                return Some(Ok(()));
            }
            bump(&self.tally.taken);
            let sent = self.input.send(FlowInput::Trigger(trigger));
            Some(sent.map_err(|closed| {
                bump(&self.tally.dealt);
                self.tally.line.triggers.fetch_sub(1, Ordering::Relaxed);
                closed.0
            }))
        });
        match sent.flatten() {
            Some(Ok(())) => Ok(()),
            Some(Err(FlowInput::Trigger(back))) => Err(back),
            _ => trigger.map_or(Ok(()), Err),
        }
    }
}
