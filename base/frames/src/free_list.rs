//! Which slots are at home.

use crate::sync::Mutex;
use std::sync::PoisonError;

/// The numbers of the free slots, last home first out: that memory is still in the cache.
pub(crate) struct FreeList {
    slots: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Never longer than `slots`, so it never grows.
    free: Vec<u32>,
    low_water: usize,
    refused: u64,
}

/// What the list counted, at one moment.
#[derive(Clone, Copy)]
pub(crate) struct FreeCounts {
    pub(crate) free: usize,
    pub(crate) low_water: usize,
    pub(crate) refused: u64,
}

impl FreeList {
    pub(crate) fn full(slots: u32) -> Self {
        Self {
            slots: slots as usize,
            inner: Mutex::new(Inner {
                free: (0..slots).rev().collect(),
                low_water: slots as usize,
                refused: 0,
            }),
        }
    }

    /// A free slot if more than `keep` are free; otherwise counted as refused when `count` says so.
    pub(crate) fn take(&self, keep: usize, count: bool) -> Option<u32> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.free.len() <= keep {
            inner.refused += u64::from(count);
            return None;
        }
        let slot = inner.free.pop();
        inner.low_water = inner.low_water.min(inner.free.len());
        slot
    }

    pub(crate) fn put_back(&self, slot: u32) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(inner.free.len() < self.slots, "a slot came home twice");
        inner.free.push(slot);
    }

    pub(crate) fn counts(&self) -> FreeCounts {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        FreeCounts {
            free: inner.free.len(),
            low_water: inner.low_water,
            refused: inner.refused,
        }
    }
}
