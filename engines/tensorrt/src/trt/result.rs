//! Each call of the shim, checked; what TensorRT said last becomes the error's words.

use super::raw::{
    self, BuildOptions, EntryPoints, SlBlob, SlContext, SlEngine, SlLogger, SlRuntime,
};
use super::{Progress, TensorFacts, tensor_dims};
use crate::Fault;
use sightline_engine::EngineError;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Longest text kept of one failure.
const MAX_WORDS: usize = 4_096;

/// TensorRT's log: to our own, and the last errors kept for whoever asks why.
pub(super) struct Logger {
    raw: NonNull<SlLogger>,
    /// Boxed: the shim holds its address.
    errors: Box<Mutex<String>>,
}

/// Called by TensorRT, from any thread.
unsafe extern "C" fn log(user: *mut c_void, severity: i32, words: *const c_char) {
    // SAFETY: TensorRT gives a NUL-terminated string that lives through the call.
    let words = unsafe { CStr::from_ptr(words) }.to_string_lossy();
    match severity {
        0 | 1 => {
            tracing::error!(target: "tensorrt", "{words}");
            // SAFETY: `user` is the address of the box in `Logger`, which outlives the shim's logger.
            let errors = unsafe { &*user.cast::<Mutex<String>>() };
            let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
            if errors.len() < MAX_WORDS {
                if !errors.is_empty() {
                    errors.push_str("; ");
                }
                errors.push_str(&words);
            }
        }
        2 => tracing::warn!(target: "tensorrt", "{words}"),
        3 => tracing::debug!(target: "tensorrt", "{words}"),
        _ => tracing::trace!(target: "tensorrt", "{words}"),
    }
}

impl Logger {
    pub fn new() -> Result<Self, EngineError> {
        let errors = Box::new(Mutex::new(String::new()));
        let user = (&raw const *errors).cast_mut().cast();
        // SAFETY: `log` has the type the shim calls; `user` is the box's address, which does not move.
        let raw = NonNull::new(unsafe { raw::sl_logger_create(log, user) });
        let raw = raw.ok_or_else(|| Fault::new("sl_logger_create", "out of memory"))?;
        Ok(Self { raw, errors })
    }

    /// A failed call, with what was said since the last one.
    fn fault(&self, call: &'static str) -> Fault {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let words = std::mem::take(&mut *errors);
        Fault::new(
            call,
            if words.is_empty() {
                "TensorRT gave no reason".to_owned()
            } else {
                words
            },
        )
    }

    fn check(&self, call: &'static str, status: i32) -> Result<(), Fault> {
        if status == 0 {
            Ok(())
        } else {
            Err(self.fault(call))
        }
    }

    fn some<T>(&self, call: &'static str, pointer: *mut T) -> Result<NonNull<T>, Fault> {
        NonNull::new(pointer).ok_or_else(|| self.fault(call))
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        // SAFETY: made by the shim, destroyed once; whatever logs to it is owned by something that keeps the library.
        unsafe { raw::sl_logger_destroy(self.raw.as_ptr()) };
    }
}

/// The caller of a build, for [`progress`].
pub(super) struct Tell<'p>(pub Progress<'p>);

/// Called by TensorRT while it builds.
pub(super) unsafe extern "C" fn progress(
    user: *mut c_void,
    phase: *const c_char,
    step: i32,
    steps: i32,
) -> i32 {
    // SAFETY: `user` is the address of a `Tell` that outlives the build, which calls from one thread at a time.
    let tell = unsafe { &mut *user.cast::<Tell<'_>>() };
    // SAFETY: a NUL-terminated string that lives through the call.
    let phase = unsafe { CStr::from_ptr(phase) }.to_string_lossy();
    i32::from((tell.0)(
        &phase,
        step.max(0) as usize,
        steps.max(0) as usize,
    ))
}

/// Bytes that the library made.
pub(super) struct Blob(NonNull<SlBlob>);

impl Blob {
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the blob is alive, and its bytes with it; nobody writes them.
        unsafe {
            let data = raw::sl_blob_data(self.0.as_ptr()).cast::<u8>();
            let size = raw::sl_blob_size(self.0.as_ptr());
            if data.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(data, size)
        }
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        // SAFETY: made by the shim, destroyed once.
        unsafe { raw::sl_blob_destroy(self.0.as_ptr()) };
    }
}

/// # Safety
/// All that the options name is alive.
pub(super) unsafe fn build(
    entry: &EntryPoints,
    logger: &Logger,
    options: &BuildOptions,
    onnx: &[u8],
) -> Result<(Blob, Option<Blob>), Fault> {
    let mut timings = std::ptr::null_mut();
    // SAFETY: by the caller's word, and everything else is a local.
    let plan = unsafe {
        raw::sl_build(
            entry,
            logger.raw.as_ptr(),
            options,
            onnx.as_ptr().cast(),
            onnx.len(),
            &mut timings,
        )
    };
    let timings = NonNull::new(timings).map(Blob);
    Ok((Blob(logger.some("build", plan)?), timings))
}

pub(super) struct Runtime(NonNull<SlRuntime>);

impl Runtime {
    pub fn new(entry: &EntryPoints, logger: &Logger, dla_core: Option<i32>) -> Result<Self, Fault> {
        // SAFETY: both are alive; the logger outlives the runtime, which is owned beside the library.
        let raw =
            unsafe { raw::sl_runtime_create(entry, logger.raw.as_ptr(), dla_core.unwrap_or(-1)) };
        logger.some("createInferRuntime", raw).map(Self)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: made by the shim, destroyed once, after its engine.
        unsafe { raw::sl_runtime_destroy(self.0.as_ptr()) };
    }
}

pub(super) struct Engine(NonNull<SlEngine>);

impl Engine {
    pub fn load(runtime: &Runtime, logger: &Logger, plan: &[u8]) -> Result<Self, Fault> {
        // SAFETY: the runtime is alive, and copies the plan.
        let raw =
            unsafe { raw::sl_engine_load(runtime.0.as_ptr(), plan.as_ptr().cast(), plan.len()) };
        logger.some("deserializeCudaEngine", raw).map(Self)
    }

    pub fn tensors(&self, logger: &Logger) -> Result<Vec<TensorFacts>, Fault> {
        // SAFETY: the engine is alive.
        let count = unsafe { raw::sl_engine_tensors(self.0.as_ptr()) };
        (0..count)
            .map(|index| {
                let mut tensor = raw::Tensor::EMPTY;
                // SAFETY: the engine is alive; a local is filled.
                let status = unsafe { raw::sl_engine_tensor(self.0.as_ptr(), index, &mut tensor) };
                logger.check("getIOTensorName", status)?;
                // SAFETY: NUL-terminated, and lives as long as the engine.
                let name = unsafe { CStr::from_ptr(tensor.name) };
                Ok(TensorFacts {
                    name: name.to_string_lossy().into_owned(),
                    is_input: tensor.is_input != 0,
                    dtype: tensor.dtype,
                    dims: tensor_dims(&tensor),
                })
            })
            .collect()
    }

    pub fn memory(&self, logger: &Logger) -> Result<usize, Fault> {
        // SAFETY: the engine is alive.
        let bytes = unsafe { raw::sl_engine_memory(self.0.as_ptr()) };
        usize::try_from(bytes).map_err(|_| logger.fault("getDeviceMemorySize"))
    }

    pub fn load_kernels(&mut self, logger: &Logger, kept: &[u8]) -> Result<(), Fault> {
        // SAFETY: the engine is alive, and copies the bytes.
        let status = unsafe {
            raw::sl_engine_load_kernels(self.0.as_ptr(), kept.as_ptr().cast(), kept.len())
        };
        logger.check("setRuntimeCache", status)
    }

    pub fn kernels(&self) -> Option<Blob> {
        // SAFETY: the engine is alive.
        NonNull::new(unsafe { raw::sl_engine_save_kernels(self.0.as_ptr()) }).map(Blob)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: made by the shim, destroyed once, after its contexts and before its runtime.
        unsafe { raw::sl_engine_destroy(self.0.as_ptr()) };
    }
}

pub(super) struct Context(NonNull<SlContext>);

impl Context {
    pub fn new(engine: &mut Engine, logger: &Logger) -> Result<Self, Fault> {
        // SAFETY: the engine is alive and outlives the context: both are owned by a network, in that order.
        let raw = unsafe { raw::sl_context_create(engine.0.as_ptr()) };
        logger.some("createExecutionContext", raw).map(Self)
    }

    /// # Safety
    /// So many bytes of device memory, alive as long as the context runs.
    pub unsafe fn memory(
        &mut self,
        logger: &Logger,
        memory: *mut c_void,
        bytes: usize,
    ) -> Result<(), Fault> {
        // SAFETY: by the caller's word.
        let status = unsafe { raw::sl_context_memory(self.0.as_ptr(), memory, bytes as i64) };
        logger.check("setDeviceMemory", status)
    }

    pub fn shape(&mut self, logger: &Logger, input: &str, dims: &[i64]) -> Result<(), Fault> {
        let name = c_name(input)?;
        // SAFETY: both are alive through the call.
        let status = unsafe {
            raw::sl_context_shape(
                self.0.as_ptr(),
                name.as_ptr(),
                dims.len() as i32,
                dims.as_ptr(),
            )
        };
        logger.check("setInputShape", status)
    }

    /// # Safety
    /// Device memory as large as the tensor's shape says, alive as long as the context runs.
    pub unsafe fn address(
        &mut self,
        logger: &Logger,
        tensor: &str,
        memory: *mut c_void,
    ) -> Result<(), Fault> {
        let name = c_name(tensor)?;
        // SAFETY: by the caller's word.
        let status = unsafe { raw::sl_context_address(self.0.as_ptr(), name.as_ptr(), memory) };
        logger.check("setTensorAddress", status)
    }

    /// # Safety
    /// A stream of the current context, alive; memory was given.
    pub unsafe fn enqueue(&mut self, logger: &Logger, stream: *mut c_void) -> Result<(), Fault> {
        // SAFETY: by the caller's word.
        let status = unsafe { raw::sl_context_enqueue(self.0.as_ptr(), stream) };
        logger.check("enqueueV3", status)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by the shim, destroyed once, before its engine.
        unsafe { raw::sl_context_destroy(self.0.as_ptr()) };
    }
}

fn c_name(name: &str) -> Result<CString, Fault> {
    CString::new(name).map_err(|_| Fault::new("name", "a tensor's name has a NUL in it"))
}
