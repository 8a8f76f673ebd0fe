//! A picture with one owner.
#![allow(unsafe_code)]

use crate::{MemoryKind, pool::SlotHold};
use sightline_model::{FrameMeta, Health, PictureRef};
use std::{fmt, ptr::NonNull};

/// A sealed picture and its identity. Not `Clone`: it moves from stage to stage, and its drop brings the slot home.
pub struct Lease {
    meta: FrameMeta,
    /// First byte of the picture.
    bytes: NonNull<u8>,
    keeper: SlotHold,
}

// SAFETY: `bytes` points into the pool's slab, which the keeper keeps alive and which no thread has an affinity to;
// behind a sealed lease it is only read. The keeper may drop on any thread: it takes the pool's lock.
unsafe impl Send for Lease {}
// SAFETY: `&Lease` gives shared reads of bytes nobody writes, and of a plain record.
unsafe impl Sync for Lease {}

impl Lease {
    pub(crate) fn of_slot(hold: SlotHold, meta: FrameMeta) -> Self {
        hold.core.lease_made();
        Self {
            meta,
            bytes: hold.core.slab.slot_ptr(hold.slot),
            keeper: hold,
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
        // SAFETY: `bytes` is valid for `layout.len` initialised bytes (checked when sealed; the layout cannot change
        // since) as long as the keeper lives, and nobody writes them until the keeper drops.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.meta.layout.len) }
    }

    /// The picture with its shape.
    pub fn picture(&self) -> PictureRef<'_> {
        PictureRef {
            width: self.meta.width,
            height: self.meta.height,
            format: self.meta.format,
            layout: self.meta.layout,
            bytes: self.bytes(),
        }
    }

    /// Kind of memory the picture lies in.
    pub fn memory(&self) -> MemoryKind {
        self.keeper.core.slab.kind()
    }

    /// The slot's number in its pool, from 0.
    pub fn slot(&self) -> u32 {
        self.keeper.slot
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.core.lease_gone();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("pool", &self.keeper.core.name)
            .field("slot", &self.slot())
            .field("meta", &self.meta)
            .finish()
    }
}
