//! What can go wrong between GStreamer and our slots.

use sightline_domain::PixelFormat;
use std::sync::Arc;

/// Why no slots were offered to an element. It then brings its own memory.
#[derive(Debug, thiserror::Error)]
pub enum AllocationError {
    /// Not raw pictures.
    #[error(
        "expected caps of raw pictures (video/x-raw in one format and size, or video/x-bayer), found {found}; put a \
         decoder and a capsfilter before the appsink"
    )]
    NotRaw {
        /// The caps of the query.
        found: String,
    },
    /// A picture is larger than a slot.
    #[error(
        "frame pool `{pool}`: expected pictures of at most {slot_bytes} bytes, found {needed_bytes} bytes for {caps}; \
         make the pool's slots large enough for the camera's picture"
    )]
    SlotTooSmall {
        /// The pool's name.
        pool: Arc<str>,
        /// Bytes of a slot.
        slot_bytes: usize,
        /// Bytes of a picture.
        needed_bytes: usize,
        /// The caps of the query.
        caps: String,
    },
    /// GStreamer did not take the configuration.
    #[error(
        "expected GStreamer to accept a pool of {slots} slots for {caps}, but it did not: {source}"
    )]
    Refused {
        /// Slots offered.
        slots: usize,
        /// The caps of the query.
        caps: String,
        /// What it said.
        source: gstreamer::glib::BoolError,
    },
}

/// Why a buffer did not become a lease. The caller counts a miss.
///
/// Only [`LeaseError::NoFreeSlot`] hands the buffer back; what the others refuse would be refused again.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The picture lies in foreign memory and no slot is free to copy it into; counted as refused. The buffer comes
    /// back, for a caller who would rather wait.
    #[error(
        "frame pool `{pool}`: expected a free slot, found none; add slots or find what holds the leases"
    )]
    NoFreeSlot {
        /// The pool's name.
        pool: Arc<str>,
        /// The buffer.
        buffer: gstreamer::Buffer,
    },
    /// The picture is larger than a slot.
    #[error(
        "frame pool `{pool}`: expected a picture of at most {slot_bytes} bytes, found {needed_bytes}; make the pool's \
         slots large enough for the camera's picture"
    )]
    SlotTooSmall {
        /// The pool's name.
        pool: Arc<str>,
        /// Bytes of a slot.
        slot_bytes: usize,
        /// Bytes of the picture.
        needed_bytes: usize,
    },
    /// The buffer is another picture than its caps say.
    #[error(
        "expected a {expected_width}x{expected_height} {expected_format:?} picture as the caps say, found a buffer of \
         {found_width}x{found_height} {found_format}; the element that made it is at fault"
    )]
    OtherPicture {
        /// Width by the caps, in pixels.
        expected_width: u32,
        /// Height by the caps, in pixels.
        expected_height: u32,
        /// Format by the caps.
        expected_format: PixelFormat,
        /// Width by the buffer, in pixels.
        found_width: u32,
        /// Height by the buffer, in pixels.
        found_height: u32,
        /// Format by the buffer, as GStreamer names it.
        found_format: String,
    },
    /// The planes do not lie inside the buffer.
    #[error(
        "expected a buffer of at least {needed_bytes} bytes for its planes, found {found_bytes}; the picture is cut \
         short or its strides are wrong"
    )]
    ShortBuffer {
        /// Bytes the planes need.
        needed_bytes: usize,
        /// Bytes the buffer has.
        found_bytes: usize,
    },
    /// GStreamer did not let us read the buffer.
    #[error(
        "expected a buffer of memory the host can read, found one it cannot map; add a download element"
    )]
    NotReadable,
}
