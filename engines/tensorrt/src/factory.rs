//! Puts it together: library, file, plan, kernels, device, engine.

use crate::derive::derive;
use crate::device::cuda::{Cuda, Facts, Gpu};
use crate::device::nvrtc::Nvrtc;
use crate::engine::{GpuEngine, Network};
use crate::kernels::{SOURCES, unread};
use crate::library::Search;
use crate::plan::{PlanKey, Recipe, check_batch, recipe};
use crate::store::{Absent, Store};
use crate::trt::{Build, Plan, TensorFacts, TensorRt, TrtNetwork};
use sightline_engine::Precision;
use sightline_engine::bundle::draft::{ModelInfo, contradiction};
use sightline_engine::bundle::{ModelFile, ROLE_MODEL};
use sightline_engine::decode::Decoder;
use sightline_engine::onnx::OnnxFile;
use sightline_engine::{Bundle, Engine, EngineError, EngineFactory, EngineInfo, EngineSettings};

/// The engine on a real GPU.
pub type TensorRtEngine = GpuEngine<Cuda<TrtNetwork>>;

/// Niceness of a build: another generation inspects meanwhile.
const BUILD_NICENESS: i32 = 10;

/// Makes [`TensorRtEngine`]s.
#[derive(Clone)]
pub struct TensorRtFactory {
    trt: TensorRt,
    search: Search,
    store: Option<Store>,
    dla_core: Option<i32>,
}

impl TensorRtFactory {
    /// Loads TensorRT. Plans and kernels are kept in `store`.
    ///
    /// # Errors
    /// [`EngineError::LibraryMissing`], [`EngineError::LibraryUnusable`].
    pub fn new(search: Search, store: Option<Store>) -> Result<Self, EngineError> {
        Ok(Self {
            trt: TensorRt::load(&search)?,
            search,
            store,
            dla_core: None,
        })
    }

    /// The same on a DLA core, what that cannot do on the GPU.
    #[must_use]
    pub fn on_dla(self, core: i32) -> Self {
        Self {
            dla_core: Some(core),
            ..self
        }
    }

    /// The library.
    pub fn library(&self) -> &TensorRt {
        &self.trt
    }

    /// What an engine says of itself, without building it.
    ///
    /// # Errors
    /// The bundle has no file for the precision.
    pub fn info(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<EngineInfo, EngineError> {
        let recipe = self.recipe(bundle, settings);
        let settings = EngineSettings {
            precision: Some(recipe.file),
            ..settings.clone()
        };
        let mut info = bundle.engine_info("tensorrt", &settings)?;
        info.name = format!("tensorrt/{}", recipe.precision.name());
        Ok(info)
    }

    /// Builds an engine, or takes its plan from the store.
    ///
    /// # Errors
    /// As [`EngineFactory::build`].
    pub fn engine(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<TensorRtEngine, EngineError> {
        check_batch(settings.max_batch)?;
        if let Some(reason) = unread(bundle.manifest()) {
            return Err(EngineError::NotOnThisEngine {
                engine: "tensorrt",
                reason,
            });
        }
        let gpu = Gpu::open().map_err(no_gpu)?;
        let recipe = self.recipe(bundle, settings);
        let file = bundle.model_file(Some(recipe.file))?;
        let key = self.key(bundle, &file, &recipe, settings, gpu.facts());
        let (network, fresh) = self.network(bundle, &file, &recipe, &key)?;
        let facts = agree(bundle, &file, &network, settings)?;
        let nvrtc = Nvrtc::load(&self.search)?;
        let cubin = nvrtc.kernels(&SOURCES, gpu.facts().capability, self.store.as_ref())?;
        let info = self.info(bundle, settings)?;
        let cuda = Cuda::new(gpu, network, &cubin)?;
        let mut engine = GpuEngine::new(cuda, facts, bundle.manifest(), info)?;
        if fresh {
            self.keep_kernels(&mut engine, &key);
        }
        Ok(engine)
    }

    fn recipe(&self, bundle: &Bundle, settings: &EngineSettings) -> Recipe {
        let files = bundle.manifest().files.iter();
        let has_fp16 = files
            .filter(|f| f.role == ROLE_MODEL)
            .any(|f| f.precision == Some(Precision::Fp16));
        recipe(settings.precision, self.trt.flags_precision(), has_fp16)
    }

    fn key(
        &self,
        bundle: &Bundle,
        file: &ModelFile<'_>,
        recipe: &Recipe,
        settings: &EngineSettings,
        gpu: &Facts,
    ) -> PlanKey {
        let input = &bundle.manifest().input;
        PlanKey {
            model_sha256: file.entry.sha256.to_ascii_lowercase(),
            derivation: PlanKey::derivation(recipe),
            library: self.trt.version().to_string(),
            gpu: gpu.name.clone(),
            capability: gpu.capability,
            driver: gpu.driver,
            precision: recipe.precision.name(),
            input: [input.planes(), input.height as usize, input.width as usize],
            max_batch: settings.max_batch,
            // what a line under load runs
            opt_batch: settings.max_batch,
            dla_core: self.dla_core,
        }
    }

    /// A kept plan, or a new one; whether it is new.
    fn network(
        &self,
        bundle: &Bundle,
        file: &ModelFile<'_>,
        recipe: &Recipe,
        key: &PlanKey,
    ) -> Result<(TrtNetwork, bool), EngineError> {
        if let Some(kept) = self.store.as_ref().map(|s| s.get("plan", key)) {
            match kept {
                Ok(plan) => match self.load(&plan, key) {
                    Ok(network) => return Ok((network, false)),
                    Err(fault) => {
                        tracing::warn!(%fault, "a kept plan does not load and is built again")
                    }
                },
                Err(Absent::NotBuilt) => {}
                Err(Absent::Unusable(why)) => {
                    tracing::warn!(why, "a kept plan cannot be used and is built again");
                }
            }
        }
        let onnx = bundle.read_model(file)?;
        check(bundle, file, &onnx)?;
        let onnx = match recipe.derivation {
            None => onnx,
            Some(into) => derive(&onnx, into).map_err(|e| EngineError::ModelUnreadable {
                path: file.path.clone(),
                reason: e.to_string(),
            })?,
        };
        let plan = self.build(bundle, file, recipe, key, &onnx)?;
        if let Some(store) = &self.store {
            self.keep(store, key, &plan);
        }
        Ok((self.load(&plan.bytes, key)?, true))
    }

    fn load(&self, plan: &[u8], key: &PlanKey) -> Result<TrtNetwork, crate::Fault> {
        let mut network = self.trt.network(plan, self.dla_core)?;
        let kept = self.store.as_ref().and_then(|s| s.get("jit", key).ok());
        network.load_kernels(&kept.unwrap_or_default())?;
        Ok(network)
    }

    fn build(
        &self,
        bundle: &Bundle,
        file: &ModelFile<'_>,
        recipe: &Recipe,
        key: &PlanKey,
        onnx: &[u8],
    ) -> Result<Plan, EngineError> {
        let name = &bundle.manifest().name;
        tracing::info!(
            bundle = name,
            precision = key.precision,
            library = key.library,
            gpu = key.gpu,
            "building an engine on this box, once; this can take minutes"
        );
        let timings = self.timings_key(key);
        let timing_cache = self
            .store
            .as_ref()
            .and_then(|s| s.get("timings", &timings).ok());
        let wanted = Build {
            input: &bundle.manifest().input.name,
            max_batch: key.max_batch,
            opt_batch: key.opt_batch,
            fp16: recipe.fp16,
            int8: recipe.int8,
            dla_core: self.dla_core,
            capability: None,
            timing_cache: timing_cache.as_deref().unwrap_or_default(),
        };
        let mut progress = |phase: &str, step: usize, steps: usize| {
            tracing::info!(bundle = name, phase, step, steps, "building the engine");
            true
        };
        // a thread of its own, so that only the build is nice
        let built = std::thread::scope(|scope| {
            let build = scope.spawn(|| {
                be_nice();
                let gpu = Gpu::open()?;
                let plan = self.trt.build(onnx, &wanted, &mut progress);
                drop(gpu);
                plan
            });
            build.join()
        });
        let built =
            built.unwrap_or_else(|_| Err(crate::Fault::new("build", "its thread panicked")));
        built.map_err(|fault| EngineError::ModelUnreadable {
            path: file.path.clone(),
            reason: fault.to_string(),
        })
    }

    fn timings_key(&self, key: &PlanKey) -> [String; 2] {
        [
            key.library.clone(),
            format!("{} {}", key.gpu, key.capability),
        ]
    }

    fn keep(&self, store: &Store, key: &PlanKey, plan: &Plan) {
        let mut kept = store.put("plan", key, &plan.bytes).map(|_| ());
        if let (Ok(()), Some(timings)) = (&kept, &plan.timing_cache) {
            kept = store
                .put("timings", &self.timings_key(key), timings)
                .map(|_| ());
        }
        if let Err(error) = kept {
            tracing::warn!(%error, "the engine just built is not kept: the next start builds it again");
        }
    }

    /// TensorRT-RTX compiles kernels when contexts are made; the next start takes them from here.
    fn keep_kernels(&self, engine: &mut TensorRtEngine, key: &PlanKey) {
        let (Some(store), Some(kernels)) = (&self.store, engine.device().network().kernels())
        else {
            return;
        };
        if let Err(error) = store.put("jit", key, &kernels) {
            tracing::warn!(%error, "TensorRT-RTX's compiled kernels are not kept");
        }
    }
}

impl EngineFactory for TensorRtFactory {
    fn build(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(self.engine(bundle, settings)?))
    }
}

/// What is asked for is not there: an error at start, never another engine.
fn no_gpu(fault: crate::Fault) -> EngineError {
    EngineError::LibraryUnusable {
        library: "NVIDIA GPU",
        path: "libcuda.so.1".into(),
        reason: fault.to_string(),
    }
}

/// The plan's input and output against the manifest.
fn agree(
    bundle: &Bundle,
    file: &ModelFile<'_>,
    network: &TrtNetwork,
    settings: &EngineSettings,
) -> Result<Network, EngineError> {
    const FLOAT: i32 = 0;
    const HALF: i32 = 1;
    let manifest = bundle.manifest();
    let spec = &manifest.input;
    let list: Vec<String> = network
        .tensors()
        .iter()
        .map(|t| format!("{} {:?} of type {}", t.name, t.dims, t.dtype))
        .collect();
    let mismatch = |what, expected: String| EngineError::ModelMismatch {
        path: file.path.clone(),
        what,
        manifest: expected,
        file: list.join("; "),
    };
    let wanted = [spec.planes(), spec.height as usize, spec.width as usize].map(|n| n as i64);
    let is_input = |t: &&TensorFacts| t.is_input;
    let inputs: Vec<&TensorFacts> = network.tensors().iter().filter(is_input).collect();
    let outputs: Vec<&TensorFacts> = network.tensors().iter().filter(|t| !t.is_input).collect();
    let (batch, half) = match inputs[..] {
        [
            TensorFacts {
                name, dtype, dims, ..
            },
        ] if *name == spec.name
            && (*dtype == FLOAT || *dtype == HALF)
            && dims.len() == 4
            && dims[1..] == wanted =>
        {
            (dims[0], *dtype == HALF)
        }
        _ => {
            return Err(mismatch(
                "inputs",
                format!("{} [N, {wanted:?}] of 0 or 1", spec.name),
            ));
        }
    };
    let decoder = Decoder::new(manifest);
    let output = match outputs[..] {
        [output] if output.dtype == FLOAT && decoder.fits(&output.dims).is_ok() => output,
        _ => {
            return Err(mismatch(
                "outputs",
                format!("one of type 0 for {}", decoder.expected()),
            ));
        }
    };
    let sizes: Result<Vec<usize>, _> = output.dims[1..]
        .iter()
        .map(|d| usize::try_from(*d))
        .collect();
    let sizes = sizes.map_err(|_| mismatch("outputs", "only the batch open".to_owned()))?;
    let (max_batch, fixed) = match usize::try_from(batch) {
        Ok(fixed) => (fixed, true),
        Err(_) => (settings.max_batch, false),
    };
    let scratch = network.scratch_bytes()?;
    Ok(Network::new(
        spec.clone(),
        half,
        sizes,
        (max_batch, fixed),
        scratch,
    ))
}

/// The file itself: an ONNX model in one piece that does not contradict the manifest.
fn check(bundle: &Bundle, file: &ModelFile<'_>, onnx: &[u8]) -> Result<(), EngineError> {
    let path = || file.path.clone();
    let unreadable = |reason: String| EngineError::ModelUnreadable {
        path: path(),
        reason,
    };
    let parsed = OnnxFile::read(onnx.to_vec().into()).map_err(|e| unreadable(e.to_string()))?;
    let weights = parsed
        .weights_files()
        .map_err(|e| unreadable(e.to_string()))?;
    if !weights.is_empty() {
        return Err(EngineError::NotOnThisEngine {
            engine: "tensorrt",
            reason: "weights in files of their own are read by the engine \"onnx\" only; save the model in one file".to_owned(),
        });
    }
    match contradiction(&ModelInfo::default().with(&parsed), bundle.manifest()) {
        Some(reason) => Err(EngineError::ModelContradicts {
            path: path(),
            reason,
        }),
        None => Ok(()),
    }
}

/// Best effort: a box that does not allow it builds at the usual priority.
fn be_nice() {
    // SAFETY: sets a number of the calling thread; touches no memory.
    unsafe {
        let thread = libc::syscall(libc::SYS_gettid) as libc::id_t;
        libc::setpriority(libc::PRIO_PROCESS, thread, BUILD_NICENESS);
    }
}
