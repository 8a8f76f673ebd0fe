//! A slot being written.
#![allow(unsafe_code)]

use crate::{Lease, SealError, pool::SlotHold};
use sightline_domain::FrameMeta;
use std::fmt;

/// A slot with one writer and no reader. Dropped unsealed it goes home.
pub struct OpenSlot {
    hold: SlotHold,
}

impl OpenSlot {
    pub(crate) fn new(hold: SlotHold) -> Self {
        Self { hold }
    }

    /// The slot's bytes, all of them, on a page border. What the last picture left is still there.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let slab = &self.hold.core.slab;
        // SAFETY: the pointer is valid for `slot_bytes` initialised bytes while the slab lives, which `hold` sees to.
        // The hold is the only one for this slot (the free list gave its number out once), it is not sealed, so no
        // lease reads it, and `&mut self` keeps this the only reference made from this hold.
        unsafe {
            std::slice::from_raw_parts_mut(
                slab.slot_ptr(self.hold.slot).as_ptr(),
                slab.slot_bytes(),
            )
        }
    }

    /// The slot's number in its pool, from 0.
    pub fn slot(&self) -> u32 {
        self.hold.slot
    }

    /// Ends the writing: from now on the picture is only read. Its layout counts from the slot's first byte.
    ///
    /// # Errors
    /// `meta.layout.len` is more than the slot has; the slot comes back, still open.
    pub fn seal(self, meta: FrameMeta) -> Result<Lease, SealError> {
        let slot_bytes = self.hold.core.slab.slot_bytes();
        if meta.layout.len > slot_bytes {
            return Err(SealError {
                slot: self,
                layout_len: meta.layout.len,
                slot_bytes,
            });
        }
        Ok(Lease::of_slot(self.hold, meta))
    }
}

impl fmt::Debug for OpenSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSlot")
            .field("pool", &self.hold.core.name)
            .field("slot", &self.hold.slot)
            .finish()
    }
}
