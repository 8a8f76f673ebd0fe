//! What can go wrong with a pool, and what to do about it.

use crate::OpenSlot;
use std::sync::Arc;

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    /// A pool of nothing was asked for.
    #[error(
        "frame pool `{pool}`: expected at least 1 slot of at least 1 byte, found {slots} slots of {slot_bytes} bytes; \
         set both from the camera's picture size and the number of views in flight"
    )]
    Empty {
        /// The pool's name.
        pool: Arc<str>,
        /// Slots asked for.
        slots: usize,
        /// Bytes a slot asked for.
        slot_bytes: usize,
    },
    /// The machine does not have the memory.
    #[error(
        "frame pool `{pool}`: expected {slots} slots of {slot_bytes} bytes to fit in memory, found {available_bytes} \
         bytes on this machine; lower the number of slots or the picture size"
    )]
    OutOfMemory {
        /// The pool's name.
        pool: Arc<str>,
        /// Slots asked for.
        slots: usize,
        /// Bytes a slot asked for.
        slot_bytes: usize,
        /// Bytes of memory the machine has.
        available_bytes: u64,
    },
    /// CUDA-pinned memory was asked for and there is no usable GPU.
    #[error(
        "frame pool `{pool}`: expected a CUDA GPU for pinned memory (looked for libcuda.so.1 and device 0), found: \
         {found}; install the NVIDIA driver, or ask for `plain` or `auto` memory"
    )]
    NoGpu {
        /// The pool's name.
        pool: Arc<str>,
        /// What the look-up met instead.
        found: String,
    },
    /// The GPU is there, but its driver did not pin the memory.
    #[error(
        "frame pool `{pool}`: expected the CUDA driver to pin {bytes} bytes of host memory, found: {found}; lower the \
         number of slots or ask for `plain` memory"
    )]
    Pin {
        /// The pool's name.
        pool: Arc<str>,
        /// Bytes asked for.
        bytes: usize,
        /// What the driver said.
        found: String,
    },
}

/// The picture said to lie in the slot is longer than the slot. The slot is handed back.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a picture of at most {slot_bytes} bytes, found a layout of {layout_len} bytes; make the pool's slots \
     large enough for the camera's picture"
)]
pub struct SealError {
    /// The slot, still open.
    pub slot: OpenSlot,
    /// Bytes the layout needs.
    pub layout_len: usize,
    /// Bytes the slot has.
    pub slot_bytes: usize,
}
