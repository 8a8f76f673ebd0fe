//! Fixed frame slots, all allocated at start: an open slot is written once, sealed into a lease, and comes home when
//! the lease drops.
//!
//! What lives here: the pool, its memory (plain, or CUDA-pinned when a GPU is there) and, with the feature
//! `gstreamer`, what lets GStreamer elements write straight into our slots. It imports `sightline-domain` only, and
//! holds most of the station's unsafe code, argued above each block.
//! Where to start: [`FramePool::open`] -> [`OpenSlot::seal`] -> [`Lease`]. A [`Lease`] cannot be cloned: a picture
//! has one owner at a time, and who owns it is the only one who can end it. Opening, sealing and dropping allocate
//! nothing and take one lock, the pool's, for a push or a pop. A pool's memory lives until its last lease has gone.

mod error;
mod free_list;
mod lease;
#[cfg(feature = "gstreamer")]
pub mod media;
mod memory;
mod open_slot;
mod pool;
mod sync;
pub mod tapped;

#[cfg(test)]
mod permutations;

pub use error::{FramesError, SealError};
pub use lease::Lease;
#[cfg(feature = "gstreamer")]
pub use media::{
    AllocationError, LeaseError, SlotAllocator, WhenNoSlot, answer_allocation, lease_from_buffer,
    offer_slots, slot_bytes_for_decoders, tune_libav,
};
pub use memory::{MemoryKind, MemoryWish};
pub use open_slot::OpenSlot;
pub use pool::{FramePool, PoolConfig, PoolSnapshot};
pub use tapped::{Missed, TapSink, Tapped, TriggerSink, View};
