//! Page-locked memory from the CUDA driver, loaded at run time.
//!
//! Plain pinned memory, not write-combined: frames are read on the host too, and reads of write-combined memory are
//! about 70 times slower. Portable, so that every context of the process may use it, and mapped, so that an
//! integrated GPU reads it in place.
#![allow(unsafe_code)]

use cudarc::driver::{CudaContext, result, sys};
use std::{ptr::NonNull, sync::Arc};

/// Device 0, found and opened.
pub(super) struct Gpu(Arc<CudaContext>);

impl Gpu {
    /// Device 0 of the driver, or what was met instead.
    pub(super) fn find() -> Result<Self, String> {
        // SAFETY: loads and closes a shared library by the driver's own name. Its initialisers are NVIDIA's, which
        // running on this GPU means to trust.
        if !unsafe { sys::is_culib_present() } {
            return Err("no library libcuda.so.1 on the loader's path".to_owned());
        }
        CudaContext::new(0)
            .map(Self)
            .map_err(|error| format!("the library, but device 0 did not open: {error:?}"))
    }

    /// `bytes` (not 0) bytes of pinned memory, not yet written.
    pub(super) fn pin(self, bytes: usize) -> Result<Pinned, String> {
        let describe = |error: result::DriverError| format!("the driver said {error:?}");
        self.0.bind_to_thread().map_err(describe)?;
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: the driver is initialised and a context is current on this thread.
        let base = unsafe { result::malloc_host(bytes, flags) }.map_err(describe)?;
        let base = NonNull::new(base.cast()).ok_or("the driver gave no address")?;
        Ok(Pinned {
            base,
            context: self.0,
        })
    }
}

/// A block of pinned memory; freed on drop, while the context it came from still lives.
pub(crate) struct Pinned {
    base: NonNull<u8>,
    context: Arc<CudaContext>,
}

impl Pinned {
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Nothing can be done about a driver that is going down here; its memory goes with the process.
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: `base` came from `malloc_host`, is freed once, and its context is current. The slab that owns
            // `self` is kept alive by every slot and lease, so nobody reads it any more.
            let _ = unsafe { result::free_host(self.base.as_ptr().cast()) };
        }
    }
}
