//! What the decoders of libav (`avdec_*`) need to be told.
//!
//! Seen on GStreamer 1.22 with H.264: with `direct-rendering` (their default) a picture that later ones refer to is
//! still mapped for writing when it leaves the decoder, so GStreamer copies it into system memory behind everybody's
//! back, and we copy it again: 299 of 300 frames at 640x480. Without it libav writes each picture once into the
//! buffer it sends on, which is our slot, and holds none.

use gstreamer::{self as gst, prelude::*};

/// Longer than any camera's pipeline, and deeper than any bin in one.
const STEPS: usize = 64;

/// Turns `direct-rendering` off in every decoder of libav in `bin`, those that are added later included. Call it
/// before the pipeline starts; [`offer_slots`](super::offer_slots) does.
pub fn tune_libav(bin: &gst::Bin) {
    for element in bin.iterate_recurse().into_iter().flatten() {
        tune(&element);
    }
    bin.connect_deep_element_added(|_, _, element| tune(element));
}

fn tune(element: &gst::Element) {
    if is_libav(element) && element.has_property_with_type("direct-rendering", bool::static_type())
    {
        element.set_property("direct-rendering", false);
    }
}

fn is_libav(element: &gst::Element) -> bool {
    element
        .factory()
        .is_some_and(|factory| factory.name().starts_with("avdec_"))
}

/// Whether a decoder of libav stands in the chain before the pad, bins looked into.
pub(super) fn feeds(pad: &gst::Pad) -> bool {
    let mut pad = pad.clone();
    for _ in 0..STEPS {
        let Some(element) = pad.peer().and_then(real_parent) else {
            return false;
        };
        if is_libav(&element) {
            return true;
        }
        match element.sink_pads().as_slice() {
            [only] => pad = only.clone(),
            _ => return false,
        }
    }
    false
}

/// The element behind a pad that may be a bin's.
fn real_parent(mut pad: gst::Pad) -> Option<gst::Element> {
    while let Some(inside) = pad
        .downcast_ref::<gst::GhostPad>()
        .and_then(|ghost| ghost.target())
    {
        pad = inside;
    }
    pad.parent_element()
}

/// The outermost bin around a pad's element.
pub(super) fn pipeline_of(pad: &gst::Pad) -> Option<gst::Bin> {
    let mut outermost = pad.parent_element()?.parent()?;
    for _ in 0..STEPS {
        match outermost.parent() {
            Some(parent) => outermost = parent,
            None => break,
        }
    }
    outermost.downcast().ok()
}
