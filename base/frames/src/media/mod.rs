//! GStreamer elements write straight into our slots.
//!
//! The element in front of an appsink asks downstream for memory with an ALLOCATION query. A probe on the appsink's
//! pad answers it ([`offer_slots`]) with a buffer pool whose allocator takes its memory from a [`FramePool`]
//! ([`SlotAllocator`]). What then arrives already lies in a slot, and [`lease_from_buffer`] only wraps it: the lease
//! keeps the buffer, and its drop gives the buffer back to the element's pool. Foreign memory is copied once.
//! Works from GStreamer 1.20 on; appsink's own `propose_allocation` would need 1.24.
//!
//! [`FramePool`]: crate::FramePool

mod allocation;
mod allocator;
mod error;
mod lease;
mod libav;
mod planes;

pub use allocation::{answer_allocation, offer_slots};
pub use allocator::{SlotAllocator, WhenNoSlot};
pub use error::{AllocationError, LeaseError};
pub use lease::lease_from_buffer;
pub use libav::tune_libav;
pub use planes::slot_bytes_for_decoders;
