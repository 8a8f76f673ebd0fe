//! Damage that a decoder conceals.
//!
//! The libav decoders patch what they cannot decode and hand it on unmarked; only their log tells. A decoder logs, and
//! its frames reach the last pad, in one streaming thread (decoders are held to one thread), so a mark of that thread
//! says whether the frames since the last key frame can be trusted.

use gstreamer::{self as gst, prelude::*};
use std::{cell::Cell, sync::Once};

/// The category under which libav's own messages are logged.
const CATEGORY: &str = "libav";

thread_local! {
    static DAMAGED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the decoder of this streaming thread erred since its last key frame.
pub(super) fn is_noted() -> bool {
    DAMAGED.get()
}

/// A streaming thread begins: GStreamer takes it from a pool, where another pipeline may have marked it.
pub(super) fn forget() {
    DAMAGED.set(false);
}

/// Hears libav's errors, once a process.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a wish for GStreamer's log nobody needs these errors on the terminal.
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::remove_default_log_function();
        }
        gst::log::set_threshold_for_name(CATEGORY, gst::DebugLevel::Error);
        gst::log::add_log_function(|category, level, _, _, _, _, _| {
            if level == gst::DebugLevel::Error && category.name() == CATEGORY {
                DAMAGED.set(true);
            }
        });
    });
}

/// Forgets damage at each key frame that enters the decoder.
pub(super) fn watch(decoder: &gst::Element) {
    let Some(pad) = decoder.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if info
            .buffer()
            .is_some_and(|b| !b.flags().contains(gst::BufferFlags::DELTA_UNIT))
        {
            forget();
        }
        gst::PadProbeReturn::Ok
    });
}
