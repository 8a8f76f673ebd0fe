//! A frame's number: the source's own where it has one. Otherwise frames are counted as they come, and no loss is made up.

use gstreamer as gst;
use sightline_domain::FrameId;

/// Numbers the frames of one session.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Whether the source numbers its frames itself; decided on the first one.
    own: Option<bool>,
    next: u64,
}

/// What of a buffer says its number and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) offset: u64,
    pub(super) offset_end: u64,
    pub(super) pts_ns: Option<u64>,
}

impl Marks {
    pub(super) fn of(buffer: &gst::BufferRef) -> Self {
        Self {
            offset: buffer.offset(),
            offset_end: buffer.offset_end(),
            pts_ns: buffer.pts().map(gst::ClockTime::nseconds),
        }
    }

    /// Capture elements give each frame the offsets `n` and `n + 1`; file positions and "none" look otherwise.
    fn numbered(&self) -> bool {
        self.offset != u64::MAX && self.offset.checked_add(1) == Some(self.offset_end)
    }
}

impl Numbering {
    /// The frame's number, and whether it is the source's own.
    pub(super) fn number(&mut self, marks: Marks) -> (FrameId, bool) {
        let own = *self.own.get_or_insert(marks.numbered()) && marks.numbered();
        let id = if own { marks.offset } else { self.next };
        self.next = id + 1;
        (FrameId(id), own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(offset: u64, offset_end: u64, pts_ms: u64) -> Marks {
        Marks {
            offset,
            offset_end,
            pts_ns: Some(pts_ms * 1_000_000),
        }
    }

    #[test]
    fn a_source_that_numbers_its_frames_is_believed() {
        let mut numbering = Numbering::default();
        let ids = [7u64, 8, 11].map(|n| numbering.number(marks(n, n + 1, 0)));
        assert_eq!(ids, [7, 8, 11].map(|n| (FrameId(n), true)));
        assert_eq!(
            numbering.number(marks(u64::MAX, u64::MAX, 0)),
            (FrameId(12), false)
        );
    }

    #[test]
    fn byte_offsets_are_no_frame_numbers() {
        let mut numbering = Numbering::default();
        let ids = [0u64, 4_096].map(|n| numbering.number(marks(n, n + 4_096, 0)));
        assert_eq!(ids, [0, 1].map(|n| (FrameId(n), false)));
    }

    #[test]
    fn a_hole_in_time_stamps_is_no_lost_frame() {
        let mut numbering = Numbering::default();
        let pauses = (0..60u64).map(|n| n * 40 + n / 20 * 1_200);
        assert!(pauses.zip(0..).all(
            |(pts, n)| numbering.number(marks(u64::MAX, u64::MAX, pts)) == (FrameId(n), false)
        ));
    }
}
