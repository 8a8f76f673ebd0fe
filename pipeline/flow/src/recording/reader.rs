//! Reads a recording, one record at a time.

use super::fields::{Get, REASONS};
use super::{CameraShape, DOWN, END, FRAME, MAGIC, MAGIC_01, MISSED, RecordingError, TRIGGER};
use sightline_domain::{CameraId, FrameId, FrameMeta, MonoTime, TrackId, Trigger, UtcMicros};
use sightline_frames::Missed;
use std::io::Read;

/// One thing that came into the flow.
#[allow(
    clippy::large_enum_variant,
    reason = "read one at a time, and most are frames"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// A part arrived.
    Trigger(Trigger),
    /// A camera brought a view.
    Frame(RecordedFrame),
    /// A camera said that a frame is lost.
    Missed(Missed),
    /// A camera was down.
    CameraDown(CameraId),
}

/// A view.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedFrame {
    /// The picture's identity and shape.
    pub meta: FrameMeta,
    /// Its `meta.layout.len` bytes.
    pub pixels: Vec<u8>,
    /// Its own golden picture, where it brought one.
    pub reference: Option<(FrameMeta, Vec<u8>)>,
}

/// A recording being read.
pub struct Recording<R> {
    get: Get<R>,
    cameras: Vec<CameraShape>,
    ended: Option<MonoTime>,
}

impl<R: Read> Recording<R> {
    /// Reads the head. `from` should be buffered.
    ///
    /// # Errors
    /// [`RecordingError::NotARecording`], [`RecordingError::CutShort`], [`RecordingError::Io`].
    pub fn open(from: R) -> Result<Self, RecordingError> {
        let mut get = Get {
            from,
            records: 0,
            without_timing: false,
        };
        let found = get.bytes::<8>()?;
        get.without_timing = &found == MAGIC_01;
        if &found != MAGIC && !get.without_timing {
            return Err(RecordingError::NotARecording { found });
        }
        let cameras = get.u16()?;
        let mut shapes = Vec::with_capacity(cameras.into());
        for _ in 0..cameras {
            shapes.push(CameraShape {
                slots: get.u32()?,
                slot_bytes: get.u64()?,
            });
        }
        Ok(Self {
            get,
            cameras: shapes,
            ended: None,
        })
    }

    /// The cameras that were recorded.
    pub fn cameras(&self) -> &[CameraShape] {
        &self.cameras
    }

    /// When the recording ended; `None` until its end was read.
    pub fn ended(&self) -> Option<MonoTime> {
        self.ended
    }

    /// The next record and when it came in; `None` at the end.
    ///
    /// # Errors
    /// [`RecordingError::CutShort`], [`RecordingError::Damaged`], [`RecordingError::Io`].
    pub fn next_record(&mut self) -> Result<Option<(MonoTime, Recorded)>, RecordingError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        let kind = self.get.u8()?;
        let at = MonoTime(self.get.u64()?);
        let recorded = match kind {
            END => {
                self.ended = Some(at);
                return Ok(None);
            }
            TRIGGER => Recorded::Trigger(self.trigger()?),
            FRAME => Recorded::Frame(self.frame()?),
            MISSED => Recorded::Missed(self.missed()?),
            DOWN => Recorded::CameraDown(CameraId(self.get.u16()?)),
            n => return Err(self.get.damaged("kind", "0 to 4", n.into())),
        };
        self.get.records += 1;
        Ok(Some((at, recorded)))
    }

    fn trigger(&mut self) -> Result<Trigger, RecordingError> {
        let get = &mut self.get;
        let track_id = TrackId(get.u64()?);
        let part_id = match get.flag("part id")? {
            true => Some(get.text()?),
            false => None,
        };
        let (at, at_utc) = (MonoTime(get.u64()?), UtcMicros(get.i64()?));
        let timing = get.timing()?;
        let encoder = match get.flag("encoder")? {
            true => Some(get.i64()?),
            false => None,
        };
        Ok(Trigger {
            track_id,
            part_id,
            at,
            at_utc,
            timing,
            encoder,
        })
    }

    fn frame(&mut self) -> Result<RecordedFrame, RecordingError> {
        let (meta, pixels) = self.picture()?;
        let reference = match self.get.flag("golden picture")? {
            true => Some(self.picture()?),
            false => None,
        };
        Ok(RecordedFrame {
            meta,
            pixels,
            reference,
        })
    }

    fn picture(&mut self) -> Result<(FrameMeta, Vec<u8>), RecordingError> {
        let meta = self.get.meta()?;
        let most = self.cameras.get(meta.camera.index()).map(|c| c.slot_bytes);
        if most.is_none_or(|most| meta.layout.len as u64 > most) {
            let expected = match most {
                Some(most) => format!("a picture of at most {most} bytes"),
                None => format!("a camera below {}", self.cameras.len()),
            };
            let found = meta.layout.len as u64;
            return Err(self.get.damaged("picture", expected, found));
        }
        let mut pixels = vec![0; meta.layout.len];
        self.get.fill(&mut pixels)?;
        Ok((meta, pixels))
    }

    fn missed(&mut self) -> Result<Missed, RecordingError> {
        let get = &mut self.get;
        let camera = CameraId(get.u16()?);
        let frame_id = match get.flag("frame number")? {
            true => Some(FrameId(get.u64()?)),
            false => None,
        };
        Ok(Missed {
            camera,
            frame_id,
            at: MonoTime(get.u64()?),
            reason: get.one_of("reason", &REASONS)?,
        })
    }
}
