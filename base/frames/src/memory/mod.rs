//! The one block of host memory a pool's slots are cut from.

mod pinned;
mod plain;
mod slab;

pub(crate) use slab::Slab;

/// What kind of host memory a pool got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// Page-aligned memory of the process.
    Plain,
    /// Page-locked memory the CUDA driver can copy from at full speed, readable by the host at full speed too.
    CudaPinned,
}

/// What kind of host memory a pool should get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryWish {
    /// Plain memory, GPU or not.
    Plain,
    /// Pinned memory; without a GPU an error at start.
    CudaPinned,
    /// Pinned memory if a GPU is there, else plain.
    #[default]
    Auto,
}

/// Alignment of every slot, in bytes: a page, which is also more than any SIMD or DMA engine asks for.
pub(crate) const SLOT_ALIGN: usize = 4096;
