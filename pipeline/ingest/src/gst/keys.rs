//! Whether a coded stream only says what has changed: then a picture that is the same as before is no evidence that
//! nobody took it.

use gstreamer::{self as gst, prelude::*};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// What went into a session's decoders.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Arc<AtomicBool>);

impl Keys {
    /// Listens to an element where it is a decoder of video. Pictures such as JPEG's all stand for themselves.
    pub(super) fn watch(&self, element: &gst::Element) {
        let is_decoder = element.factory().is_some_and(|f| {
            f.has_type(gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO)
        });
        let Some(pad) = element.static_pad("sink").filter(|_| is_decoder) else {
            return;
        };
        let predicts = Arc::clone(&self.0);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let differs = |b: &gst::Buffer| b.flags().contains(gst::BufferFlags::DELTA_UNIT);
            // some containers mark pictures so that depend on nothing
            let is_image = |caps: gst::Caps| {
                let structure = caps.structure(0);
                structure.is_some_and(|s| s.name().starts_with("image/"))
            };
            if info.buffer().is_some_and(differs) && !pad.current_caps().is_some_and(is_image) {
                predicts.store(true, Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Pictures came that were coded as a difference to others.
    pub(super) fn predict(&self) -> bool {
        self.0.load(Relaxed)
    }
}
