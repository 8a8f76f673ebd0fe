//! Records what goes into a running flow.

use super::{Recorder, RecordingError};
use crate::{FlowEvents, FlowTap, FlowTrigger};
use sightline_domain::{Alarm, AlarmKind, CameraId, Clock, Trigger};
use sightline_frames::{TapSink, Tapped, TriggerSink};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stands before a flow's tap and trigger and records what they take, in the order in which the flow takes it.
///
/// It writes on the caller's thread, cameras one at a time: recording slows capture, it is a tool for reproducing,
/// not a way of running. When writing fails the recording ends with an alarm, and the inspection goes on.
pub struct RecordingTap<W> {
    tap: FlowTap,
    trigger: FlowTrigger,
    recorder: Mutex<Option<Recorder<W>>>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn FlowEvents>,
}

impl<W: Write + Send> RecordingTap<W> {
    /// Before these two; `clock` is the flow's.
    pub fn new(
        tap: FlowTap,
        trigger: FlowTrigger,
        recorder: Recorder<W>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn FlowEvents>,
    ) -> Self {
        Self {
            tap,
            trigger,
            recorder: Mutex::new(Some(recorder)),
            clock,
            events,
        }
    }

    /// The camera is not live, see [`FlowTap::camera_down`].
    pub fn camera_down(&self, camera: CameraId) {
        let mut recorder = self.lock();
        if let Some(recorder) = recorder.as_mut() {
            recorder.camera_down(self.clock.now(), camera);
        }
        self.tap.camera_down(camera);
        self.write(&mut recorder);
    }

    /// Ends the recording; what comes after goes to the flow alone. `None` if it ended before.
    ///
    /// # Errors
    /// [`RecordingError::Io`] if the last bytes could not be written.
    pub fn finish(&self) -> Result<Option<W>, RecordingError> {
        let recorder = self.lock().take();
        let at = self.clock.now();
        recorder.map(|r| r.finish(at)).transpose()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Recorder<W>>> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, recorder: &mut Option<Recorder<W>>) {
        let Some(Err(error)) = recorder.as_mut().map(Recorder::write) else {
            return;
        };
        *recorder = None;
        self.events.alarm(Alarm {
            id: AlarmKind::FlowRecording.into(),
            active: true,
            since: self.clock.utc(),
            message: error.to_string(),
        });
    }
}

impl<W: Write + Send> TapSink for RecordingTap<W> {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        let mut recorder = self.lock();
        if let Some(recorder) = recorder.as_mut() {
            recorder.tapped(self.clock.now(), &item);
        }
        self.tap.deliver(item)?;
        self.write(&mut recorder);
        Ok(())
    }
}

impl<W: Write + Send> TriggerSink for RecordingTap<W> {
    fn trigger(&self, trigger: Trigger) -> Result<(), Trigger> {
        let mut recorder = self.lock();
        if let Some(recorder) = recorder.as_mut() {
            recorder.trigger(self.clock.now(), &trigger);
        }
        self.trigger.trigger(trigger)?;
        self.write(&mut recorder);
        Ok(())
    }
}
