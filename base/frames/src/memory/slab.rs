//! The block itself and the only ways into it.
#![allow(unsafe_code)]

use super::{MemoryKind, MemoryWish, SLOT_ALIGN, pinned, pinned::Pinned, plain::Plain};
use crate::{FramesError, PoolConfig};
use std::ptr::NonNull;

/// `slots` pieces of `slot_bytes` usable bytes, each on a page border, every byte written (and so present) at start.
pub(crate) struct Slab {
    base: NonNull<u8>,
    slots: usize,
    slot_bytes: usize,
    /// Bytes from one slot to the next: `slot_bytes` rounded up to a page.
    stride: usize,
    owner: Owner,
}

enum Owner {
    Plain(Plain),
    Pinned(#[allow(dead_code, reason = "held for its drop")] Pinned),
}

// SAFETY: the slab is plain bytes that no thread has an affinity to. Who may read or write which slot is decided by
// the holders of slot numbers (see `slot_ptr`), not by the slab; all its own methods only read its immutable fields.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    pub(crate) fn allocate(config: &PoolConfig) -> Result<Self, FramesError> {
        let stride = config.slot_bytes.checked_next_multiple_of(SLOT_ALIGN);
        let bytes = stride
            .and_then(|stride| stride.checked_mul(config.slots))
            .filter(|&bytes| {
                bytes as u64 <= installed_bytes() && u32::try_from(config.slots).is_ok()
            });
        let (Some(stride), Some(bytes)) = (stride, bytes) else {
            return Err(out_of_memory(config));
        };
        let gpu = match config.memory {
            MemoryWish::Plain => None,
            MemoryWish::Auto => pinned::Gpu::find().ok(),
            MemoryWish::CudaPinned => {
                Some(pinned::Gpu::find().map_err(|found| FramesError::NoGpu {
                    pool: config.name.clone(),
                    found,
                })?)
            }
        };
        let (base, owner) = match gpu {
            Some(gpu) => {
                let pinned = gpu.pin(bytes).map_err(|found| FramesError::Pin {
                    pool: config.name.clone(),
                    bytes,
                    found,
                })?;
                (pinned.base(), Owner::Pinned(pinned))
            }
            None => {
                let plain = Plain::allocate(bytes).ok_or_else(|| out_of_memory(config))?;
                (plain.base(), Owner::Plain(plain))
            }
        };
        // SAFETY: `base` is valid for `bytes` bytes that nobody else knows of yet. Writing them brings every page in
        // now, and makes every byte initialised for the `&[u8]` that slots hand out later.
        unsafe { base.write_bytes(0, bytes) };
        Ok(Self {
            base,
            slots: config.slots,
            slot_bytes: config.slot_bytes,
            stride,
            owner,
        })
    }

    /// The first byte of a slot, on a page border, valid for `slot_bytes` initialised bytes as long as the slab lives.
    ///
    /// Forming a reference from it is the caller's to argue: a slot has one writer, the holder of its number, until
    /// it is sealed, and only readers after that.
    pub(crate) fn slot_ptr(&self, slot: u32) -> NonNull<u8> {
        let slot = slot as usize;
        assert!(slot < self.slots, "slot {slot} of {}", self.slots);
        // SAFETY: slot < slots and the slab has slots * stride bytes, so the result lies inside the allocation.
        unsafe { self.base.add(slot * self.stride) }
    }

    /// The slot these bytes lie in, if they lie in one of ours altogether.
    #[cfg(feature = "gstreamer")]
    pub(crate) fn slot_at(&self, bytes: &[u8]) -> Option<u32> {
        let from_base = (bytes.as_ptr().addr()).checked_sub(self.base.addr().get())?;
        let (slot, offset) = (from_base / self.stride, from_base % self.stride);
        let inside = slot < self.slots && bytes.len() <= self.slot_bytes.checked_sub(offset)?;
        inside.then_some(slot as u32)
    }

    pub(crate) fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    pub(crate) fn kind(&self) -> MemoryKind {
        match self.owner {
            Owner::Plain(_) => MemoryKind::Plain,
            Owner::Pinned(_) => MemoryKind::CudaPinned,
        }
    }

    /// Whether the memory can never be paged out.
    pub(crate) fn locked(&self) -> bool {
        match &self.owner {
            Owner::Plain(plain) => plain.locked(),
            Owner::Pinned(_) => true,
        }
    }
}

fn out_of_memory(config: &PoolConfig) -> FramesError {
    FramesError::OutOfMemory {
        pool: config.name.clone(),
        slots: config.slots,
        slot_bytes: config.slot_bytes,
        available_bytes: installed_bytes(),
    }
}

/// Memory the machine has, in bytes. Asking for more is refused before the pages are touched: Linux would grant the
/// addresses and end the process later.
fn installed_bytes() -> u64 {
    // SAFETY: sysconf reads two constants of the system and touches no memory of ours.
    let (pages, page) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    u64::try_from(pages)
        .unwrap_or(0)
        .saturating_mul(u64::try_from(page).unwrap_or(0))
}
