//! A frame's number: the source's own where it has one, otherwise counted, with gaps in time stamps as lost frames.

use gstreamer as gst;
use sightline_model::FrameId;

/// Distances of time stamps looked at to know the frame rate; what caps say of it is often wrong.
const WINDOW: usize = 15;

/// Numbers the frames of one session.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Whether the source numbers its frames itself; decided on the first one.
    own: Option<bool>,
    next: u64,
    last_pts: Option<u64>,
    steps: [u64; WINDOW],
    seen: usize,
}

/// What of a buffer says its number.
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
    pub(super) fn number(&mut self, marks: Marks) -> FrameId {
        if *self.own.get_or_insert(marks.numbered()) && marks.numbered() {
            return FrameId(marks.offset);
        }
        self.next += self.lost_before(marks.pts_ns);
        let id = FrameId(self.next);
        self.next += 1;
        id
    }

    /// Frames that fit between this time stamp and the last, by the median of the last distances.
    fn lost_before(&mut self, pts_ns: Option<u64>) -> u64 {
        let (Some(now), Some(last)) = (pts_ns, std::mem::replace(&mut self.last_pts, pts_ns))
        else {
            return 0;
        };
        let Some(step) = now.checked_sub(last).filter(|step| *step > 0) else {
            return 0;
        };
        let known = self.seen >= WINDOW;
        self.steps[self.seen % WINDOW] = step;
        self.seen += 1;
        if !known {
            return 0;
        }
        let mut sorted = self.steps;
        sorted.sort_unstable();
        let usual = sorted[WINDOW / 2];
        // A quarter of a frame's time is jitter.
        ((step + usual / 4) / usual).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: u64 = u64::MAX;

    fn stamped(pts_ms: u64) -> Marks {
        Marks {
            offset: NONE,
            offset_end: NONE,
            pts_ns: Some(pts_ms * 1_000_000),
        }
    }

    #[test]
    fn a_source_that_numbers_its_frames_is_believed() {
        let mut numbering = Numbering::default();
        let ids = [7u64, 8, 11].map(|n| {
            numbering
                .number(Marks {
                    offset: n,
                    offset_end: n + 1,
                    pts_ns: None,
                })
                .0
        });
        assert_eq!(ids, [7, 8, 11]);
    }

    #[test]
    fn byte_offsets_are_no_frame_numbers() {
        let mut numbering = Numbering::default();
        let ids = [0u64, 4_096].map(|n| {
            numbering
                .number(Marks {
                    offset: n,
                    offset_end: n + 4_096,
                    pts_ns: None,
                })
                .0
        });
        assert_eq!(ids, [0, 1]);
    }

    #[test]
    fn a_hole_in_time_stamps_is_as_many_lost_frames_as_fit_and_jitter_is_none() {
        let mut numbering = Numbering::default();
        let mut pts: Vec<u64> = (0..30)
            .map(|i| i * 40 + [0, 5, 3][i as usize % 3])
            .collect();
        assert!(
            pts.iter()
                .map(|&p| numbering.number(stamped(p)).0)
                .eq(0..30)
        );
        let last = pts.pop().unwrap();
        assert_eq!(
            numbering.number(stamped(last + 160)).0,
            33,
            "three frames fit between"
        );
        assert_eq!(numbering.number(stamped(last + 200)).0, 34);
        // A file that begins again.
        assert_eq!(numbering.number(stamped(0)).0, 35);
    }

    #[test]
    fn a_slower_rate_is_learned() {
        let mut numbering = Numbering::default();
        assert!((0..20).all(|i| numbering.number(stamped(i * 40)).0 == i));
        let slow: Vec<u64> = (0..40)
            .map(|i| numbering.number(stamped(800 + i * 200)).0)
            .collect();
        assert_eq!(
            slow[39] - slow[20],
            19,
            "after a while no gaps are seen any more"
        );
    }
}
