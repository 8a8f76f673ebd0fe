//! A GStreamer allocator whose memories are our slots.
#![allow(unsafe_code)]

use crate::{FramePool, OpenSlot, memory::SLOT_ALIGN};
use gstreamer::{
    self as gst, glib, glib::translate::from_glib_none, prelude::*, subclass::prelude::*,
};
use sightline_domain::PixelFormat;
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

glib::wrapper! {
    /// Gives GStreamer elements slots of a [`FramePool`] to write into.
    ///
    /// When no slot is free, or more is asked than a slot has, it gives system memory instead and counts it: the
    /// stream goes on, and the picture is copied once when it arrives. A decoder that keeps many reference pictures
    /// is slower then, not stuck.
    pub struct SlotAllocator(ObjectSubclass<imp::SlotAllocator>) @extends gst::Allocator, gst::Object;
}

/// What an element that wants to write a picture does while every slot is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenNoSlot {
    /// It waits: nothing is lost and nothing copied, but the stream stands. For files.
    #[default]
    Wait,
    /// It gets system memory; the picture is copied if a slot is free by then, and else missed. For live cameras,
    /// where waiting would make all later pictures old.
    SystemMemory,
}

impl SlotAllocator {
    /// An allocator of this pool's slots; GStreamer must be initialised. One slot of four or more stays out of
    /// GStreamer's hands, for pictures that have to be copied (see [`SlotAllocator::set_reserve`]).
    pub fn new(pool: FramePool) -> Self {
        let this: Self = glib::Object::new();
        this.set_reserve(usize::from(pool.gauge().slots >= 4));
        let set = this.imp().pool.set(pool);
        assert!(set.is_ok(), "a fresh allocator has no pool");
        this
    }

    /// The pool its slots come from.
    pub fn pool(&self) -> &FramePool {
        self.imp().pool.get().expect("set by `new`")
    }

    /// Only pictures of this format lie in slots; what comes as another is converted on its way into one. Once.
    pub fn set_format(&self, format: PixelFormat) {
        let _ = self.imp().format.set(format);
    }

    /// Pictures of these caps lie in slots.
    pub(super) fn takes(&self, caps: &gst::Caps) -> bool {
        let format = self.imp().format.get();
        format.is_none_or(|format| super::allocation::has_format(caps, *format))
    }

    /// Keeps `slots` slots out of GStreamer's hands.
    pub fn set_reserve(&self, slots: usize) {
        self.imp().reserve.store(slots, Ordering::Relaxed);
    }

    /// Sets what elements do while every slot is in use; counts from the next answer on.
    pub fn set_when_no_slot(&self, when: WhenNoSlot) {
        let system = when == WhenNoSlot::SystemMemory;
        self.imp().system_memory.store(system, Ordering::Relaxed);
    }

    /// What elements do while every slot is in use.
    pub fn when_no_slot(&self) -> WhenNoSlot {
        if self.imp().system_memory.load(Ordering::Relaxed) {
            WhenNoSlot::SystemMemory
        } else {
            WhenNoSlot::Wait
        }
    }

    /// Slots GStreamer may hold at once, at least 1.
    pub fn offered_slots(&self) -> usize {
        let reserve = self.imp().reserve.load(Ordering::Relaxed);
        self.pool().gauge().slots.saturating_sub(reserve).max(1)
    }

    /// Times an element got system memory because no slot was free or large enough.
    pub fn foreign_allocations(&self) -> u64 {
        self.imp().foreign.load(Ordering::Relaxed)
    }

    /// A buffer of one of *our* buffer pools that lies in system memory (no slot was free when it was made) is not
    /// recycled, so that the next one can be a slot again.
    pub(super) fn let_go_of_foreign_memory(&self, buffer: &mut gst::Buffer) {
        if self.foreign_allocations() == 0 {
            return;
        }
        // SAFETY: a buffer out of a GstBufferPool holds a reference to it in `pool`, any other has null there;
        // `buffer` is borrowed for the whole block, and `from_glib_none` takes a reference of its own.
        let from: Option<gst::BufferPool> = unsafe { from_glib_none((*buffer.as_ptr()).pool) };
        let ours = from
            .and_then(|from| from.config().allocator()?.0)
            .is_some_and(|allocator| allocator == *self.upcast_ref::<gst::Allocator>());
        let in_slot = buffer.n_memory() == 1
            && (buffer.peek_memory(0).map_readable())
                .is_ok_and(|map| self.pool().core.slab.slot_at(map.as_slice()).is_some());
        // not while the element still looks at it: then the next time
        if ours
            && !in_slot
            && let Some(buffer) = buffer.get_mut()
        {
            buffer.set_flags(gst::BufferFlags::TAG_MEMORY);
        }
    }

    /// A slot as GStreamer memory of `size` bytes after a prefix; `None` when none is free or large enough.
    fn slot_memory(&self, size: usize, params: &gst::AllocationParams) -> Option<gst::Memory> {
        let (prefix, padding) = (params.prefix(), params.padding());
        let len = prefix.checked_add(size)?.checked_add(padding)?;
        // GStreamer says alignments as masks
        if len > self.pool().slot_bytes() || params.align() >= SLOT_ALIGN {
            return None;
        }
        let mut slot = self
            .pool()
            .open_keeping(self.imp().reserve.load(Ordering::Relaxed))?;
        if params.flags().contains(gst::MemoryFlags::ZERO_PREFIXED) {
            slot.bytes_mut()[..prefix].fill(0);
        }
        if params.flags().contains(gst::MemoryFlags::ZERO_PADDED) {
            slot.bytes_mut()[prefix + size..len].fill(0);
        }
        let mut memory = gst::Memory::from_mut_slice(SlotBytes { slot, len });
        memory.get_mut()?.resize(prefix..prefix + size);
        Some(memory)
    }
}

/// The part of a slot that is GStreamer's memory. Goes home when GStreamer frees that memory.
struct SlotBytes {
    slot: OpenSlot,
    len: usize,
}

impl AsMut<[u8]> for SlotBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.slot.bytes_mut()[..self.len]
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct SlotAllocator {
        pub(super) pool: OnceLock<FramePool>,
        pub(super) format: OnceLock<PixelFormat>,
        pub(super) reserve: AtomicUsize,
        pub(super) system_memory: AtomicBool,
        pub(super) foreign: AtomicU64,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SlotAllocator {
        const NAME: &'static str = "SightlineSlotAllocator";
        type Type = super::SlotAllocator;
        type ParentType = gst::Allocator;
    }

    impl ObjectImpl for SlotAllocator {}
    impl GstObjectImpl for SlotAllocator {}

    // SAFETY: `alloc` returns memories that carry their own allocator (the bindings' one for wrapped values, or the
    // system's), so `free` of this class is never called and its default never meets a memory it does not know.
    unsafe impl AllocatorImpl for SlotAllocator {
        unsafe fn alloc(
            &self,
            size: usize,
            params: &gst::AllocationParams,
        ) -> *mut gst::ffi::GstMemory {
            if let Some(memory) = self.obj().slot_memory(size, params) {
                return glib::translate::IntoGlibPtr::into_glib_ptr(memory);
            }
            self.foreign.fetch_add(1, Ordering::Relaxed);
            // SAFETY: no allocator means the system's; `params` is valid for the call, which does not change it. The
            // result is a memory we own or null, which is what our caller expects of us.
            unsafe {
                gst::ffi::gst_allocator_alloc(
                    std::ptr::null_mut(),
                    size,
                    params.as_ptr().cast_mut(),
                )
            }
        }
    }
}
