//! The pool: slots out, slots home, and what it shows of itself.

use crate::{
    FramesError, MemoryKind, MemoryWish, OpenSlot,
    free_list::FreeList,
    memory::Slab,
    sync::{self, AtomicUsize, Ordering},
};
use std::{fmt, sync::Arc};

/// What a pool should be.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Name shown by gauges and errors, e.g. the camera's.
    pub name: Arc<str>,
    /// Pictures that can be in flight at once.
    pub slots: usize,
    /// Bytes a picture may need, all planes and row padding counted.
    pub slot_bytes: usize,
    /// Kind of memory.
    pub memory: MemoryWish,
}

/// A fixed number of frame slots. Clones are the same pool; the memory lives until the last clone, slot and lease go.
#[derive(Clone)]
pub struct FramePool {
    pub(crate) core: sync::Arc<Core>,
}

/// A pool's counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// The pool's name.
    pub name: Arc<str>,
    /// Slots in all.
    pub slots: usize,
    /// Slots at home now. A GStreamer pool that was offered our slots keeps some while they are empty.
    pub free: usize,
    /// The fewest slots that were ever at home.
    pub low_water: usize,
    /// Times a slot was asked for and none was at home.
    pub refused: u64,
    /// Leases alive now.
    pub leased: usize,
    /// The most leases that were ever alive at once.
    pub leased_high_water: usize,
    /// Usable bytes of a slot.
    pub slot_bytes: usize,
    /// Kind of memory the pool got.
    pub memory: MemoryKind,
    /// Whether the memory is locked and can never be paged out (plain memory: where the process may do so).
    pub locked: bool,
}

/// What clones, slots and leases share.
pub(crate) struct Core {
    pub(crate) name: Arc<str>,
    pub(crate) slots: usize,
    pub(crate) slab: Slab,
    pub(crate) free: FreeList,
    leased: AtomicUsize,
    leased_high_water: AtomicUsize,
}

impl FramePool {
    /// Allocates all the memory and writes every byte of it once, so that no frame waits for a page later.
    ///
    /// # Errors
    /// No slots or bytes asked for, more than the machine has, or pinned memory asked for without a GPU.
    pub fn new(config: PoolConfig) -> Result<Self, FramesError> {
        if config.slots == 0 || config.slot_bytes == 0 {
            return Err(FramesError::Empty {
                pool: config.name,
                slots: config.slots,
                slot_bytes: config.slot_bytes,
            });
        }
        let slab = Slab::allocate(&config)?;
        let slots = u32::try_from(config.slots).expect("the slab checked it");
        Ok(Self {
            core: sync::Arc::new(Core {
                name: config.name,
                slots: config.slots,
                slab,
                free: FreeList::full(slots),
                leased: AtomicUsize::new(0),
                leased_high_water: AtomicUsize::new(0),
            }),
        })
    }

    /// A free slot to write a picture into; `None`, counted as refused, when none is at home.
    pub fn open(&self) -> Option<OpenSlot> {
        self.core.free.take(0, true).map(|slot| self.hold(slot))
    }

    /// A free slot as long as more than `keep` are at home; a refusal is not counted, the caller has another way.
    #[cfg(feature = "gstreamer")]
    pub(crate) fn open_keeping(&self, keep: usize) -> Option<OpenSlot> {
        self.core.free.take(keep, false).map(|slot| self.hold(slot))
    }

    fn hold(&self, slot: u32) -> OpenSlot {
        OpenSlot::new(SlotHold {
            core: sync::Arc::clone(&self.core),
            slot,
        })
    }

    /// Whether the other is the same pool.
    pub fn is(&self, other: &Self) -> bool {
        sync::Arc::ptr_eq(&self.core, &other.core)
    }

    /// Usable bytes of a slot.
    pub fn slot_bytes(&self) -> usize {
        self.core.slab.slot_bytes()
    }

    /// The pool's name.
    pub fn name(&self) -> &Arc<str> {
        &self.core.name
    }

    /// The counters now.
    pub fn gauge(&self) -> PoolSnapshot {
        let counts = self.core.free.counts();
        PoolSnapshot {
            name: Arc::clone(&self.core.name),
            slots: self.core.slots,
            free: counts.free,
            low_water: counts.low_water,
            refused: counts.refused,
            leased: self.core.leased.load(Ordering::Relaxed),
            leased_high_water: self.core.leased_high_water.load(Ordering::Relaxed),
            slot_bytes: self.core.slab.slot_bytes(),
            memory: self.core.slab.kind(),
            locked: self.core.slab.locked(),
        }
    }
}

impl fmt::Debug for FramePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FramePool").field(&self.gauge()).finish()
    }
}

impl Core {
    pub(crate) fn lease_made(&self) {
        let leased = self.leased.fetch_add(1, Ordering::Relaxed) + 1;
        self.leased_high_water.fetch_max(leased, Ordering::Relaxed);
    }

    pub(crate) fn lease_gone(&self) {
        self.leased.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to one slot: whoever holds it is the only one with this slot's number. Dropping it brings the slot home.
pub(crate) struct SlotHold {
    pub(crate) core: sync::Arc<Core>,
    pub(crate) slot: u32,
}

impl Drop for SlotHold {
    fn drop(&mut self) {
        self.core.free.put_back(self.slot);
    }
}
