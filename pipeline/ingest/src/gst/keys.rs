//! Which pictures of a coded stream stand for themselves, and which only say what has changed.
//!
//! A decoder does not tell of its pictures how they were coded, so what goes in is noted by its time stamp.

use gstreamer::{self as gst, prelude::*};
use std::sync::{Arc, Mutex, PoisonError};

/// Key pictures that a decoder may still hold back.
const HELD: usize = 8;

/// What went into a session's decoders; one decoder of pictures a pipeline is meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Pictures came that depend on others.
    predicts: bool,
    keys: [Option<gst::ClockTime>; HELD],
    next: usize,
}

impl Keys {
    /// Listens to an element where it is a decoder of video. Pictures such as JPEG's all stand for themselves.
    pub(super) fn watch(&self, element: &gst::Element) {
        let is_decoder = element.factory().is_some_and(|f| {
            f.has_type(gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO)
        });
        let Some(pad) = element.static_pad("sink").filter(|_| is_decoder) else {
            return;
        };
        let keys = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer() {
                keys.note(pad, buffer);
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn note(&self, pad: &gst::Pad, buffer: &gst::BufferRef) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            // some containers mark pictures so that depend on nothing
            let is_image = |caps: gst::Caps| {
                caps.structure(0)
                    .is_some_and(|s| s.name().starts_with("image/"))
            };
            seen.predicts = seen.predicts || !pad.current_caps().is_some_and(is_image);
            return;
        }
        let next = seen.next;
        seen.keys[next] = buffer.pts();
        seen.next = (next + 1) % HELD;
    }

    /// A picture of this time stamp was coded as a difference to others.
    pub(super) fn is_predicted(&self, pts_ns: Option<u64>) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pts = pts_ns.map(gst::ClockTime::from_nseconds);
        seen.predicts && pts.is_some() && !seen.keys.contains(&pts)
    }
}
