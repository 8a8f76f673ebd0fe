//! Fields to bytes and back.

use super::{MAX_PART_ID, MAX_PICTURE, RecordingError};
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Health, Levels, MissReason, MonoTime, PixelFormat, PlaneLayout,
    TimeSource, Timing, UtcMicros,
};
use std::io::Read;
use std::time::Duration;

pub(super) const HEALTHS: [Health; 8] = [
    Health::Ok,
    Health::Frozen,
    Health::TooDark,
    Health::TooBright,
    Health::OutOfFocus,
    Health::Corrupt,
    Health::Misaligned,
    Health::Flat,
];
pub(super) const REASONS: [MissReason; 10] = [
    MissReason::NotArrived,
    MissReason::CameraDown,
    MissReason::NoFreeSlot,
    MissReason::OutOfStep,
    MissReason::Overflow,
    MissReason::Undecodable,
    MissReason::EngineFault,
    MissReason::Late,
    MissReason::Ambiguous,
    MissReason::Geometry,
];

/// The place in [`HEALTHS`]; written as a match so that a new variant does not compile until it has one.
pub(super) fn health_number(h: Health) -> u8 {
    match h {
        Health::Ok => 0,
        Health::Frozen => 1,
        Health::TooDark => 2,
        Health::TooBright => 3,
        Health::OutOfFocus => 4,
        Health::Corrupt => 5,
        Health::Misaligned => 6,
        Health::Flat => 7,
    }
}

/// The place in [`REASONS`].
pub(super) fn reason_number(r: MissReason) -> u8 {
    match r {
        MissReason::NotArrived => 0,
        MissReason::CameraDown => 1,
        MissReason::NoFreeSlot => 2,
        MissReason::OutOfStep => 3,
        MissReason::Overflow => 4,
        MissReason::Undecodable => 5,
        MissReason::EngineFault => 6,
        MissReason::Late => 7,
        MissReason::Ambiguous => 8,
        MissReason::Geometry => 9,
    }
}

/// Fields into a buffer.
pub(super) struct Put<'a>(pub &'a mut Vec<u8>);

impl Put<'_> {
    pub(super) fn u8(&mut self, v: u8) {
        self.0.push(v);
    }
    pub(super) fn u16(&mut self, v: u16) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn i64(&mut self, v: i64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn option<T>(&mut self, v: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(v.is_some()));
        if let Some(v) = v {
            put(self, v);
        }
    }
    pub(super) fn timing(&mut self, t: Timing) {
        self.u64(u64::try_from(t.uncertainty.as_nanos()).unwrap_or(u64::MAX));
        self.u8(t.source as u8);
    }
    pub(super) fn meta(&mut self, m: &FrameMeta) {
        self.u16(m.camera.0);
        self.u64(m.frame_id.0);
        self.u64(m.captured.0);
        self.i64(m.captured_utc.0);
        self.timing(m.timing);
        self.u8(u8::from(m.numbered));
        self.u32(m.width);
        self.u32(m.height);
        self.u8(m.format as u8);
        for n in m.layout.offsets.iter().chain(&m.layout.strides) {
            self.u64(*n as u64);
        }
        self.u64(m.layout.len as u64);
        self.u8(health_number(m.health));
        // The upper four bits, 0 in older recordings: what is not the format's own.
        let own = Levels::guessed(m.format, m.height);
        let levels = if m.levels == own {
            0
        } else {
            m.levels.number() + 1
        };
        self.u8(m.host_copies.min(15) | levels << 4);
    }
}

/// Fields out of a reader; counts whole records for the messages.
pub(super) struct Get<R> {
    pub(super) from: R,
    pub(super) records: u64,
    /// An older recording, which does not say how times are known.
    pub(super) without_timing: bool,
}

type Got<T> = Result<T, RecordingError>;

impl<R: Read> Get<R> {
    pub(super) fn bytes<const N: usize>(&mut self) -> Got<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Got<()> {
        self.from.read_exact(bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => RecordingError::CutShort {
                records: self.records,
            },
            _ => RecordingError::Io(e),
        })
    }

    pub(super) fn u8(&mut self) -> Got<u8> {
        Ok(self.bytes::<1>()?[0])
    }
    pub(super) fn u16(&mut self) -> Got<u16> {
        Ok(u16::from_le_bytes(self.bytes()?))
    }
    pub(super) fn u32(&mut self) -> Got<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }
    pub(super) fn u64(&mut self) -> Got<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }
    pub(super) fn i64(&mut self) -> Got<i64> {
        Ok(i64::from_le_bytes(self.bytes()?))
    }

    pub(super) fn damaged(
        &self,
        field: &'static str,
        expected: impl ToString,
        found: u64,
    ) -> RecordingError {
        RecordingError::Damaged {
            record: self.records,
            field,
            expected: expected.to_string(),
            found,
        }
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Got<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            n => Err(self.damaged(field, "0 or 1", n.into())),
        }
    }

    pub(super) fn one_of<T: Copy>(&mut self, field: &'static str, table: &[T]) -> Got<T> {
        let n = self.u8()?;
        let found = table.get(usize::from(n)).copied();
        found.ok_or_else(|| self.damaged(field, format!("less than {}", table.len()), n.into()))
    }

    pub(super) fn size(&mut self, field: &'static str, most: usize) -> Got<usize> {
        let n = self.u64()?;
        match usize::try_from(n) {
            Ok(size) if size <= most => Ok(size),
            _ => Err(self.damaged(field, format!("at most {most}"), n)),
        }
    }

    pub(super) fn text(&mut self) -> Got<std::sync::Arc<str>> {
        let len = self.size("part id length", MAX_PART_ID)?;
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        let text = String::from_utf8(bytes);
        let text = text
            .map_err(|e| self.damaged("part id", "UTF-8", e.utf8_error().valid_up_to() as u64))?;
        Ok(text.into())
    }

    pub(super) fn timing(&mut self) -> Got<Timing> {
        if self.without_timing {
            return Ok(Timing::default());
        }
        Ok(Timing {
            uncertainty: Duration::from_nanos(self.u64()?),
            source: self.one_of("source of the time", &TimeSource::ALL)?,
        })
    }

    pub(super) fn meta(&mut self) -> Got<FrameMeta> {
        let camera = CameraId(self.u16()?);
        let frame_id = FrameId(self.u64()?);
        let captured = MonoTime(self.u64()?);
        let captured_utc = UtcMicros(self.i64()?);
        let timing = self.timing()?;
        let numbered = self.without_timing || self.flag("numbered")?;
        let (width, height) = (self.u32()?, self.u32()?);
        let format = self.one_of("pixel format", &PixelFormat::ALL)?;
        let mut layout = PlaneLayout::default();
        for n in layout.offsets.iter_mut().chain(&mut layout.strides) {
            *n = self.size("plane layout", MAX_PICTURE)?;
        }
        layout.len = self.size("picture length", MAX_PICTURE)?;
        let health = self.one_of("health", &HEALTHS)?;
        let last = self.u8()?;
        let levels = match last >> 4 {
            0 => Levels::guessed(format, height),
            n => Levels::of_number(n - 1)
                .ok_or_else(|| self.damaged("levels", "at most 6", n.into()))?,
        };
        Ok(FrameMeta {
            camera,
            frame_id,
            captured,
            captured_utc,
            timing,
            numbered,
            width,
            height,
            format,
            levels,
            layout,
            health,
            host_copies: last & 15,
        })
    }
}
