//! TensorRT in three storeys: [`raw`], the shim's C face; [`result`], each call checked; and here, handles that own what
//! must outlive them.

mod raw;
mod result;

use crate::Fault;
use crate::device::{Address, cuda};
use crate::library::{Search, symbol};
use libloading::Library;
use raw::{BuildOptions, EntryPoints, Headers, Tensor};
use result::{Blob, Context, Engine, Logger, Runtime};
use sightline_engine::EngineError;
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a build says of itself: phase, step, steps. `false` gives it up.
pub type Progress<'p> = &'p mut dyn FnMut(&str, usize, usize) -> bool;

/// A version, as its makers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major.
    pub major: i32,
    /// Minor.
    pub minor: i32,
    /// Patch.
    pub patch: i32,
    /// TensorRT-RTX, which counts by itself.
    pub rtx: bool,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.rtx { "TensorRT-RTX" } else { "TensorRT" };
        write!(f, "{name} {}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a plan is to be built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build<'b> {
    /// The network input's name.
    pub input: &'b str,
    /// Profile 1..=`max_batch` where the file leaves the batch open.
    pub max_batch: usize,
    /// What kernels are chosen for.
    pub opt_batch: usize,
    /// Let layers run in FP16; only where [`TensorRt::flags_precision`].
    pub fp16: bool,
    /// Let quantised layers run in INT8; only where [`TensorRt::flags_precision`].
    pub int8: bool,
    /// A DLA core for what it can do.
    pub dla_core: Option<i32>,
    /// TensorRT-RTX: for this capability, without its GPU.
    pub capability: Option<u32>,
    /// Of an earlier build on this box.
    pub timing_cache: &'b [u8],
}

/// A plan, and what the build learned about this box.
pub struct Plan {
    /// The engine, as the library stores it.
    pub bytes: Vec<u8>,
    /// For the next build.
    pub timing_cache: Option<Vec<u8>>,
}

/// TensorRT or TensorRT-RTX, loaded. Cheap to clone.
#[derive(Clone)]
pub struct TensorRt {
    inner: Arc<Loaded>,
}

struct Loaded {
    // before the libraries whose code it calls
    logger: Logger,
    entry: EntryPoints,
    headers: Headers,
    version: Version,
    path: PathBuf,
    _libraries: Vec<Library>,
}

// SAFETY: function addresses and plain numbers; the logger is shared on purpose, TensorRT calls it from any thread.
unsafe impl Send for Loaded {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Loaded {}

const ADVICE: &str = "install TensorRT (JetPack: libnvinfer10 libnvonnxparsers10, or the 8 of JetPack 5), run `scripts/tensorrt`, or name its folder in engine.library or SIGHTLINE_TENSORRT";

impl TensorRt {
    /// Loads the library that the headers this was built with belong to.
    ///
    /// # Errors
    /// It is nowhere, does not load, or is of another major version.
    pub fn load(search: &Search) -> Result<Self, EngineError> {
        let headers = raw::headers();
        let major = headers.major;
        let (what, names, parser_names) = if headers.rtx != 0 {
            (
                "TensorRT-RTX library (libtensorrt_rtx.so)",
                ["libtensorrt_rtx.so.1", "libtensorrt_rtx.so"].map(str::to_owned),
                [
                    "libtensorrt_onnxparser_rtx.so.1",
                    "libtensorrt_onnxparser_rtx.so",
                ]
                .map(str::to_owned),
            )
        } else {
            (
                "TensorRT library (libnvinfer.so)",
                [format!("libnvinfer.so.{major}"), "libnvinfer.so".to_owned()],
                [
                    format!("libnvonnxparser.so.{major}"),
                    "libnvonnxparser.so".to_owned(),
                ],
            )
        };
        let (library, path) = search.load(what, &names.each_ref().map(String::as_str), ADVICE)?;
        let (parser, parser_path) = search.load(
            "TensorRT's ONNX parser",
            &parser_names.each_ref().map(String::as_str),
            ADVICE,
        )?;
        let version = version_of(&library, what, &path, headers.rtx != 0)?;
        if version.major != major {
            return Err(EngineError::LibraryUnusable {
                library: what,
                path,
                reason: format!(
                    "it is {version}, and Sightline was built with the headers of {major}.{}; build it again on this box",
                    headers.minor
                ),
            });
        }
        // SAFETY: the types are those that NvInfer.h and NvOnnxParser.h declare; the shim casts them back.
        let entry = unsafe {
            EntryPoints {
                create_builder: symbol(&library, what, &path, "createInferBuilder_INTERNAL")?,
                create_runtime: symbol(&library, what, &path, "createInferRuntime_INTERNAL")?,
                create_parser: symbol(&parser, what, &parser_path, "createNvOnnxParser_INTERNAL")?,
            }
        };
        Ok(Self {
            inner: Arc::new(Loaded {
                logger: Logger::new()?,
                entry,
                headers,
                version,
                path,
                _libraries: vec![parser, library],
            }),
        })
    }

    /// Of the loaded library.
    pub fn version(&self) -> Version {
        self.inner.version
    }

    /// The loaded library's file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Whether the precision is asked for when building; else it lives in the ONNX file alone.
    pub fn flags_precision(&self) -> bool {
        self.inner.headers.strongly_typed == 0
    }

    /// Builds a plan of an ONNX file. Takes seconds to minutes.
    ///
    /// # Errors
    /// TensorRT's words.
    pub fn build(
        &self,
        onnx: &[u8],
        wanted: &Build<'_>,
        progress: Progress<'_>,
    ) -> Result<Plan, Fault> {
        let input = CString::new(wanted.input)
            .map_err(|_| Fault::new("build", "the input's name has a NUL in it"))?;
        let mut tell = result::Tell(progress);
        let options = BuildOptions {
            input: input.as_ptr(),
            max_batch: wanted.max_batch as i32,
            opt_batch: wanted.opt_batch as i32,
            fp16: i32::from(wanted.fp16),
            int8: i32::from(wanted.int8),
            dla_core: wanted.dla_core.unwrap_or(-1),
            compute_capability: wanted.capability.unwrap_or(0) as i32,
            workspace_bytes: 0,
            timing_cache: wanted.timing_cache.as_ptr().cast(),
            timing_cache_bytes: wanted.timing_cache.len(),
            progress: Some(result::progress),
            progress_user: (&raw mut tell).cast(),
        };
        // SAFETY: everything the options name is a local that outlives the call.
        let (plan, timings) =
            unsafe { result::build(&self.inner.entry, &self.inner.logger, &options, onnx) }?;
        Ok(Plan {
            bytes: plan.bytes().to_vec(),
            timing_cache: timings.map(|t: Blob| t.bytes().to_vec()),
        })
    }

    /// Makes a plan runnable; a GPU must be current on this thread.
    ///
    /// # Errors
    /// TensorRT's words.
    pub fn network(&self, plan: &[u8], dla_core: Option<i32>) -> Result<TrtNetwork, Fault> {
        let logger = &self.inner.logger;
        let runtime = Runtime::new(&self.inner.entry, logger, dla_core)?;
        let engine = Engine::load(&runtime, logger, plan)?;
        Ok(TrtNetwork {
            contexts: Vec::new(),
            tensors: engine.tensors(logger)?,
            engine,
            _runtime: runtime,
            library: self.clone(),
        })
    }
}

fn version_of(
    library: &Library,
    what: &'static str,
    path: &Path,
    rtx: bool,
) -> Result<Version, EngineError> {
    let number = |name: &str| {
        // SAFETY: NvInferRuntime.h: `int32_t getInferLib…Version() noexcept`, since TensorRT 10 and in RTX.
        let get: Result<unsafe extern "C" fn() -> i32, _> =
            unsafe { symbol(library, what, path, name) };
        // SAFETY: as above; no arguments.
        get.map(|get| unsafe { get() })
    };
    match (
        number("getInferLibMajorVersion"),
        number("getInferLibMinorVersion"),
        number("getInferLibPatchVersion"),
    ) {
        (Ok(major), Ok(minor), Ok(patch)) => Ok(Version {
            major,
            minor,
            patch,
            rtx,
        }),
        // TensorRT 8 and 9 have one number: major * 1000 + minor * 100 + patch
        _ => {
            let all = number("getInferLibVersion")?;
            Ok(Version {
                major: all / 1_000,
                minor: all / 100 % 10,
                patch: all % 100,
                rtx,
            })
        }
    }
}

/// An input or output of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorFacts {
    /// Its name.
    pub name: String,
    /// Input, else output.
    pub is_input: bool,
    /// TensorRT's number of the element type: 0 is float, 1 half.
    pub dtype: i32,
    /// Sizes, -1 where open.
    pub dims: Vec<i64>,
}

/// A plan, loaded, with its contexts.
pub struct TrtNetwork {
    contexts: Vec<Context>,
    tensors: Vec<TensorFacts>,
    engine: Engine,
    _runtime: Runtime,
    library: TensorRt,
}

// SAFETY: TensorRT's objects may move between threads as long as one uses them at a time, which `&mut self` holds.
unsafe impl Send for TrtNetwork {}

impl TrtNetwork {
    /// Inputs and outputs.
    pub fn tensors(&self) -> &[TensorFacts] {
        &self.tensors
    }

    /// Bytes of device memory that the activations of any of its contexts need.
    ///
    /// # Errors
    /// TensorRT's words.
    pub fn scratch_bytes(&self) -> Result<usize, Fault> {
        self.engine.memory(self.logger())
    }

    /// Kernels kept from an earlier run, to be given before the first context; empty: none. TensorRT-RTX only.
    ///
    /// # Errors
    /// TensorRT's words.
    pub fn load_kernels(&mut self, kept: &[u8]) -> Result<(), Fault> {
        self.engine.load_kernels(&self.library.inner.logger, kept)
    }

    /// Kernels compiled so far, to be kept; `None` where the library compiles none.
    pub fn kernels(&self) -> Option<Vec<u8>> {
        self.engine.kernels().map(|blob| blob.bytes().to_vec())
    }

    fn logger(&self) -> &Logger {
        &self.library.inner.logger
    }
}

impl cuda::Network for TrtNetwork {
    fn context(
        &mut self,
        batch: usize,
        input: Address,
        output: Address,
        scratch: Address,
    ) -> Result<usize, Fault> {
        let logger = &self.library.inner.logger;
        let bytes = self.engine.memory(logger)?;
        let mut context = Context::new(&mut self.engine, logger)?;
        // SAFETY: the engine made the memory as large as `scratch_bytes` said, and keeps it.
        unsafe { context.memory(logger, scratch.0 as *mut c_void, bytes) }?;
        for tensor in &self.tensors {
            let address = if tensor.is_input { input } else { output };
            if tensor.is_input && tensor.dims.first() == Some(&-1) {
                let mut dims = tensor.dims.clone();
                dims[0] = batch as i64;
                context.shape(logger, &tensor.name, &dims)?;
            }
            // SAFETY: the engine made input and output for `max_batch` regions, of which `batch` is none more.
            unsafe { context.address(logger, &tensor.name, address.0 as *mut c_void) }?;
        }
        self.contexts.push(context);
        Ok(self.contexts.len() - 1)
    }

    unsafe fn enqueue(&mut self, context: usize, stream: *mut c_void) -> Result<(), Fault> {
        // SAFETY: the stream is alive by the caller's word; memory was given above.
        unsafe { self.contexts[context].enqueue(&self.library.inner.logger, stream) }
    }
}

/// The shape of one region's output, once the batch is known.
pub fn tensor_dims(tensor: &Tensor) -> Vec<i64> {
    let rank = usize::try_from(tensor.rank).unwrap_or(0).min(raw::MAX_DIMS);
    tensor.dims[..rank].to_vec()
}
