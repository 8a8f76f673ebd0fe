//! `shim/shim.h`, field by field.

use std::ffi::{c_char, c_void};

pub(super) const MAX_DIMS: usize = 8;

pub(super) type LogFn = unsafe extern "C" fn(*mut c_void, i32, *const c_char);
pub(super) type ProgressFn = unsafe extern "C" fn(*mut c_void, *const c_char, i32, i32) -> i32;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct EntryPoints {
    pub create_builder: *mut c_void,
    pub create_runtime: *mut c_void,
    pub create_parser: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Headers {
    pub major: i32,
    pub minor: i32,
    pub patch: i32,
    pub rtx: i32,
    pub strongly_typed: i32,
}

#[repr(C)]
pub(super) struct BuildOptions {
    pub input: *const c_char,
    pub max_batch: i32,
    pub opt_batch: i32,
    pub fp16: i32,
    pub int8: i32,
    pub dla_core: i32,
    pub compute_capability: i32,
    pub workspace_bytes: u64,
    pub timing_cache: *const c_void,
    pub timing_cache_bytes: usize,
    pub progress: Option<ProgressFn>,
    pub progress_user: *mut c_void,
}

/// An input or output, or its shape.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Tensor {
    pub(super) name: *const c_char,
    pub(super) is_input: i32,
    pub(super) dtype: i32,
    pub(super) rank: i32,
    pub(super) dims: [i64; MAX_DIMS],
}

impl Tensor {
    pub(super) const EMPTY: Self = Self {
        name: std::ptr::null(),
        is_input: 0,
        dtype: 0,
        rank: 0,
        dims: [0; MAX_DIMS],
    };
}

macro_rules! opaque {
    ($($name:ident),*) => {$(
        #[repr(C)]
        pub(super) struct $name { _private: [u8; 0] }
    )*};
}
opaque!(SlLogger, SlBlob, SlRuntime, SlEngine, SlContext);

unsafe extern "C" {
    fn sl_headers_get(out: *mut Headers);

    pub(super) fn sl_logger_create(log: LogFn, user: *mut c_void) -> *mut SlLogger;
    pub(super) fn sl_logger_destroy(logger: *mut SlLogger);

    pub(super) fn sl_blob_data(blob: *const SlBlob) -> *const c_void;
    pub(super) fn sl_blob_size(blob: *const SlBlob) -> usize;
    pub(super) fn sl_blob_destroy(blob: *mut SlBlob);

    pub(super) fn sl_build(
        entry: *const EntryPoints,
        logger: *mut SlLogger,
        options: *const BuildOptions,
        onnx: *const c_void,
        onnx_bytes: usize,
        timing_cache_out: *mut *mut SlBlob,
    ) -> *mut SlBlob;

    pub(super) fn sl_runtime_create(
        entry: *const EntryPoints,
        logger: *mut SlLogger,
        dla_core: i32,
    ) -> *mut SlRuntime;
    pub(super) fn sl_runtime_destroy(runtime: *mut SlRuntime);

    pub(super) fn sl_engine_load(
        runtime: *mut SlRuntime,
        plan: *const c_void,
        bytes: usize,
    ) -> *mut SlEngine;
    pub(super) fn sl_engine_destroy(engine: *mut SlEngine);
    pub(super) fn sl_engine_tensors(engine: *const SlEngine) -> i32;
    pub(super) fn sl_engine_tensor(engine: *const SlEngine, index: i32, out: *mut Tensor) -> i32;
    pub(super) fn sl_engine_memory(engine: *const SlEngine) -> i64;
    pub(super) fn sl_engine_load_kernels(
        engine: *mut SlEngine,
        cache: *const c_void,
        bytes: usize,
    ) -> i32;
    pub(super) fn sl_engine_save_kernels(engine: *const SlEngine) -> *mut SlBlob;

    pub(super) fn sl_context_create(engine: *mut SlEngine) -> *mut SlContext;
    pub(super) fn sl_context_destroy(context: *mut SlContext);
    pub(super) fn sl_context_memory(
        context: *mut SlContext,
        memory: *mut c_void,
        bytes: i64,
    ) -> i32;
    pub(super) fn sl_context_shape(
        context: *mut SlContext,
        input: *const c_char,
        rank: i32,
        dims: *const i64,
    ) -> i32;
    pub(super) fn sl_context_address(
        context: *mut SlContext,
        tensor: *const c_char,
        memory: *mut c_void,
    ) -> i32;
    pub(super) fn sl_context_enqueue(context: *mut SlContext, stream: *mut c_void) -> i32;
}

/// The headers that the shim was compiled with.
pub(super) fn headers() -> Headers {
    let mut headers = Headers::default();
    // SAFETY: fills a local structure of the same layout.
    unsafe { sl_headers_get(&mut headers) };
    headers
}
