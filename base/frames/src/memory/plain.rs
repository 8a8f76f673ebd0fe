//! Page-aligned memory of the process.
#![allow(unsafe_code)]

use super::SLOT_ALIGN;
use std::{
    alloc::{Layout, alloc, dealloc},
    ptr::NonNull,
};

pub(crate) struct Plain {
    base: NonNull<u8>,
    layout: Layout,
    locked: bool,
}

impl Plain {
    /// `bytes` (not 0) bytes, not yet written; `None` when the system does not give them.
    pub(super) fn allocate(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, SLOT_ALIGN).ok()?;
        if layout.size() == 0 {
            return None;
        }
        // SAFETY: the layout's size is not 0.
        let base = NonNull::new(unsafe { alloc(layout) })?;
        // Best effort: a box without the right (RLIMIT_MEMLOCK) runs too, and the pool says so.
        // SAFETY: the range is ours for `layout.size()` bytes; locking changes no byte of it.
        let locked = unsafe { libc::mlock(base.as_ptr().cast(), layout.size()) } == 0;
        Some(Self {
            base,
            layout,
            locked,
        })
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn locked(&self) -> bool {
        self.locked
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        if self.locked {
            // SAFETY: the same range `allocate` locked, still ours.
            unsafe { libc::munlock(self.base.as_ptr().cast(), self.layout.size()) };
        }
        // SAFETY: `base` came from `alloc` with this layout and is freed once, here; the slab that owns `self` is
        // owned by the pool's core, which every slot and lease keeps alive, so nobody reads it any more.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
