//! A picture with one owner.
#![allow(unsafe_code)]

use crate::{
    MemoryKind,
    pool::{Core, SlotHold},
};
use sightline_domain::{FrameMeta, Health, PictureRef};
use std::{fmt, ptr::NonNull};

/// A sealed picture and its identity. Not `Clone`: it moves from stage to stage, and its drop brings the slot home.
pub struct Lease {
    meta: FrameMeta,
    /// First byte of the picture.
    bytes: NonNull<u8>,
    keeper: Keeper,
}

/// What keeps the picture's memory alive and unwritten, inline: taking a lease allocates nothing.
enum Keeper {
    /// The slot itself, home when this drops.
    Slot(SlotHold),
    /// A GStreamer buffer that lies in the slot, mapped for reading, back to GStreamer's pool when this drops.
    #[cfg(feature = "gstreamer")]
    Buffer {
        core: crate::sync::Arc<Core>,
        slot: u32,
        /// Held for its drop, which unmaps and gives the buffer back.
        _map: gstreamer::MappedBuffer<gstreamer::buffer::Readable>,
    },
}

impl Keeper {
    fn core(&self) -> &Core {
        match self {
            Self::Slot(hold) => &hold.core,
            #[cfg(feature = "gstreamer")]
            Self::Buffer { core, .. } => core,
        }
    }

    fn slot(&self) -> u32 {
        match self {
            Self::Slot(hold) => hold.slot,
            #[cfg(feature = "gstreamer")]
            Self::Buffer { slot, .. } => *slot,
        }
    }
}

// SAFETY: `bytes` points into the pool's slab, which the keeper keeps alive and which no thread has an affinity to;
// behind a sealed lease it is only read. The keeper may drop on any thread: it takes the pool's lock, or GStreamer's.
unsafe impl Send for Lease {}
// SAFETY: `&Lease` gives shared reads of bytes nobody writes, and of a plain record.
unsafe impl Sync for Lease {}

impl Lease {
    pub(crate) fn of_slot(hold: SlotHold, meta: FrameMeta) -> Self {
        hold.core.lease_made();
        Self {
            meta,
            bytes: hold.core.slab.slot_ptr(hold.slot),
            keeper: Keeper::Slot(hold),
        }
    }

    /// `map` must lie in `slot` of `pool`, and hold `meta.layout.len` bytes.
    #[cfg(feature = "gstreamer")]
    pub(crate) fn of_buffer(
        pool: &crate::FramePool,
        slot: u32,
        map: gstreamer::MappedBuffer<gstreamer::buffer::Readable>,
        meta: FrameMeta,
    ) -> Self {
        // `bytes()` relies on it
        assert!(meta.layout.len <= map.size(), "the layout was checked");
        pool.core.lease_made();
        Self {
            meta,
            bytes: NonNull::from(map.as_slice()).cast(),
            keeper: Keeper::Buffer {
                core: crate::sync::Arc::clone(&pool.core),
                slot,
                _map: map,
            },
        }
    }

    /// Identity, time and shape, as stamped in the capture callback.
    pub fn meta(&self) -> &FrameMeta {
        &self.meta
    }

    /// What a check found out about the picture. Nothing else of the record can change after sealing.
    pub fn set_health(&mut self, health: Health) {
        self.meta.health = health;
    }

    /// The picture, `meta().layout.len` bytes; plane offsets count from its start.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `bytes` is valid for `layout.len` initialised bytes (checked when the lease was made; the layout
        // cannot change since) as long as the keeper lives, and nobody writes them until the keeper drops: a slot's
        // number is ours alone, and a GStreamer buffer is referenced and mapped for reading, so that its memory can
        // neither be mapped for writing nor recycled.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.meta.layout.len) }
    }

    /// The picture with its shape.
    pub fn picture(&self) -> PictureRef<'_> {
        PictureRef {
            width: self.meta.width,
            height: self.meta.height,
            format: self.meta.format,
            levels: self.meta.levels,
            layout: self.meta.layout,
            bytes: self.bytes(),
        }
    }

    /// Kind of memory the picture lies in.
    pub fn memory(&self) -> MemoryKind {
        self.keeper.core().slab.kind()
    }

    /// The slot's number in its pool, from 0.
    pub fn slot(&self) -> u32 {
        self.keeper.slot()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.core().lease_gone();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("pool", &self.keeper.core().name)
            .field("slot", &self.slot())
            .field("meta", &self.meta)
            .finish()
    }
}
