//! The pad at which frames leave GStreamer.
//!
//! It stands alone, linked behind the pipeline's last element, instead of an appsink: a sink keeps a reference to the
//! last buffer until the next one comes, and with it a slot; a pad's chain function owns its buffer alone, so that its
//! memory goes home the moment the lease does.

use super::capture::Capture;
use crate::link::Link;
use gstreamer::{self as gst, FlowSuccess};
use std::sync::{Arc, Mutex, PoisonError};

/// The pad; it holds the capture, and with that the camera's tap, until it is dropped.
pub(super) fn make(capture: Capture, link: Link) -> gst::Pad {
    // Without a template the caps it once had would be the only ones it accepts.
    let any = gst::Caps::new_any();
    let template = gst::PadTemplate::new(
        "sightline",
        gst::PadDirection::Sink,
        gst::PadPresence::Always,
        &any,
    )
    .expect("caps and a name make a template");
    // Only the one streaming thread ever takes this lock.
    let capture = Arc::new(Mutex::new(capture));
    let of_events = Arc::clone(&capture);
    gst::Pad::builder_from_template(&template)
        .chain_function(move |_, _, buffer| {
            capture
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(buffer);
            Ok(FlowSuccess::Ok)
        })
        .event_function(move |_, _, event| {
            match event.view() {
                gst::EventView::Caps(caps) => {
                    of_events
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .caps(caps.caps());
                }
                gst::EventView::Eos(_) => link.ended(),
                _ => {}
            }
            true
        })
        .build()
}
