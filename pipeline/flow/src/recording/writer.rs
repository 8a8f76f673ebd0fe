//! Writes a recording.

use super::fields::{Put, reason_number};
use super::{CameraShape, DOWN, END, FRAME, MAGIC, MISSED, RecordingError, TRIGGER};
use sightline_domain::{CameraId, MonoTime, Trigger};
use sightline_frames::{Lease, Tapped};
use std::io::Write;

/// Writes what comes into the flow. Every record is made whole before any of it is written.
pub struct Recorder<W> {
    to: W,
    record: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording of these cameras. `to` should be buffered.
    ///
    /// # Errors
    /// [`RecordingError::Io`].
    pub fn new(mut to: W, cameras: &[CameraShape]) -> Result<Self, RecordingError> {
        let mut head = MAGIC.to_vec();
        let mut put = Put(&mut head);
        put.u16(cameras.len() as u16);
        for camera in cameras {
            put.u32(camera.slots);
            put.u64(camera.slot_bytes);
        }
        to.write_all(&head)?;
        Ok(Self {
            to,
            record: Vec::with_capacity(1 << 16),
        })
    }

    /// Makes a trigger's record; [`Recorder::write`] writes it.
    pub fn trigger(&mut self, at: MonoTime, trigger: &Trigger) {
        let mut put = self.begin(TRIGGER, at);
        put.u64(trigger.track_id.0);
        put.option(trigger.part_id.as_deref(), |put, id| {
            put.u64(id.len() as u64);
            put.0.extend_from_slice(id.as_bytes());
        });
        put.u64(trigger.at.0);
        put.i64(trigger.at_utc.0);
        put.timing(trigger.timing);
        put.option(trigger.encoder, Put::i64);
    }

    /// Makes the record of what a camera brought; [`Recorder::write`] writes it.
    pub fn tapped(&mut self, at: MonoTime, tapped: &Tapped) {
        match tapped {
            Tapped::View(view) => {
                let mut put = self.begin(FRAME, at);
                picture(&mut put, &view.lease);
                put.option(view.reference.as_ref(), picture);
            }
            Tapped::Missed(missed) => {
                let mut put = self.begin(MISSED, at);
                put.u16(missed.camera.0);
                put.option(missed.frame_id, |put, id| put.u64(id.0));
                put.u64(missed.at.0);
                put.u8(reason_number(missed.reason));
            }
        }
    }

    /// Makes the record of a camera that is down; [`Recorder::write`] writes it.
    pub fn camera_down(&mut self, at: MonoTime, camera: CameraId) {
        self.begin(DOWN, at).u16(camera.0);
    }

    fn begin(&mut self, kind: u8, at: MonoTime) -> Put<'_> {
        self.record.clear();
        let mut put = Put(&mut self.record);
        put.u8(kind);
        put.u64(at.0);
        put
    }

    /// Writes the record made last.
    ///
    /// # Errors
    /// [`RecordingError::Io`]; the recording ends there.
    pub fn write(&mut self) -> Result<(), RecordingError> {
        self.to.write_all(&self.record)?;
        Ok(())
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// [`RecordingError::Io`].
    pub fn finish(mut self, at: MonoTime) -> Result<W, RecordingError> {
        self.begin(END, at);
        self.write()?;
        self.to.flush()?;
        Ok(self.to)
    }
}

fn picture(put: &mut Put<'_>, lease: &Lease) {
    put.meta(lease.meta());
    put.0.extend_from_slice(lease.bytes());
}
