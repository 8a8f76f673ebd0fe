//! What came into the flow, as a stream of bytes, so that it can be inspected again.
//!
//! Layout, little-endian: `SLFLOW02`, u16 cameras, for each u32 slots and u64 bytes a slot; then records: u8 kind,
//! u64 ns when it came in, fields. Kinds: 1 trigger, 2 frame (meta, pixels, perhaps a golden picture of its own),
//! 3 missed, 4 camera down, 0 the end. Without an end record it was cut short; what is before can be read.
//! `SLFLOW01` is the same without how times are known (of triggers after the UTC, of frames after the UTC, there with
//! whether the source counts its frames); it is still read.
//! Limits: a part id is at most 64 KiB, a picture at most 1 GiB.

mod fields;
mod reader;
mod tap;
mod writer;

pub use reader::{Recorded, RecordedFrame, Recording};
pub use tap::RecordingTap;
pub use writer::Recorder;

pub(crate) const MAGIC: &[u8; 8] = b"SLFLOW02";
pub(crate) const MAGIC_01: &[u8; 8] = b"SLFLOW01";
pub(crate) const MAX_PART_ID: usize = 1 << 16;
pub(crate) const MAX_PICTURE: usize = 1 << 30;

pub(crate) const END: u8 = 0;
pub(crate) const TRIGGER: u8 = 1;
pub(crate) const FRAME: u8 = 2;
pub(crate) const MISSED: u8 = 3;
pub(crate) const DOWN: u8 = 4;

/// The frame memory of one camera while it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraShape {
    /// Frames in memory at once.
    pub slots: u32,
    /// Bytes a frame can have.
    pub slot_bytes: u64,
}

/// Why a recording cannot be read, or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It is none.
    #[error(
        "expected a recording of this program, which begins with SLFLOW02 or SLFLOW01, found {found:?}; name a file that `--record` wrote"
    )]
    NotARecording {
        /// The first bytes.
        found: [u8; 8],
    },
    /// It ends in the middle.
    #[error(
        "the recording was cut short after {records} records; what is before was used, record again for the rest"
    )]
    CutShort {
        /// Whole records before.
        records: u64,
    },
    /// A field has no meaning.
    #[error(
        "record {record}: {field}: expected {expected}, found {found}; the recording is damaged, record again"
    )]
    Damaged {
        /// Number of the record, from 0.
        record: u64,
        /// Which field.
        field: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: u64,
    },
    /// No memory for the frames of its cameras.
    #[error("no memory for the recording's frames: {0}")]
    Frames(#[from] sightline_frames::FramesError),
    /// Reading or writing failed.
    #[error("the recording could not be read or written: {0}; look at the disk")]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests;
