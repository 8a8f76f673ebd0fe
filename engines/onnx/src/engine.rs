//! The engine: pixels to tensor, network, outputs to findings, in chunks, in memory made once.

use crate::network::Network;
use crate::session::Source;
use crate::{LibrarySearch, Runtime, provider};
use bytes::Bytes;
use sightline_engine::bundle::draft::{ModelInfo, contradiction};
use sightline_engine::decode::Decoder;
use sightline_engine::onnx::OnnxFile;
use sightline_engine::preprocess::{Placement, Preprocessor};
use sightline_engine::{Batch, Bundle, Engine, EngineError, EngineFactory, EngineInfo};
use sightline_engine::{EngineSettings, EngineTimes, Rejected};
use sightline_threads::Team;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Most threads one engine may have; more is a slip of the pen.
const MAX_THREADS: usize = 256;
/// Most regions at once.
const MAX_BATCH: usize = 1_024;

/// Makes [`OnnxEngine`]s.
#[derive(Clone, Debug)]
pub struct OnnxFactory {
    runtime: Runtime,
}

impl OnnxFactory {
    /// Loads ONNX Runtime.
    ///
    /// # Errors
    /// [`EngineError::LibraryMissing`], [`EngineError::LibraryUnusable`].
    pub fn new(search: &LibrarySearch) -> Result<Self, EngineError> {
        Ok(Self {
            runtime: Runtime::load(search)?,
        })
    }

    /// The library.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Builds an engine; see [`EngineFactory::build`].
    ///
    /// # Errors
    /// As there.
    pub fn engine(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<OnnxEngine, EngineError> {
        check(settings)?;
        let file = bundle.model_file(settings.precision)?;
        let bytes = Bytes::from(bundle.read_model(&file)?);
        let unreadable = |reason: String| EngineError::ModelUnreadable {
            path: file.path.clone(),
            reason,
        };
        let onnx = OnnxFile::read(bytes.clone()).map_err(|e| unreadable(e.to_string()))?;
        let manifest = bundle.manifest();
        let says = ModelInfo::default().with(&onnx);
        if let Some(reason) = contradiction(&says, manifest) {
            return Err(EngineError::ModelContradicts {
                path: file.path,
                reason,
            });
        }
        let decoder = Decoder::new(manifest);
        let source = Source {
            path: &file.path,
            bytes: &bytes,
            file: &onnx,
            weights: bundle.read_weights(&file, &onnx)?,
        };
        let network = Network::load(&self.runtime, source, manifest, settings, &decoder)?;
        let mut info = bundle.engine_info(&format!("onnx-{}", settings.provider), settings)?;
        info.max_batch = network.max_batch();
        // a CPU gains nothing from larger batches, but a fixed one costs the same full or not
        info.preferred_batch = match network.fixed_batch() {
            Some(fixed) => fixed,
            None if settings.provider == provider::CPU => 1,
            None => info.max_batch,
        };
        Ok(OnnxEngine {
            preprocessor: Preprocessor::new(&manifest.input),
            placements: Vec::with_capacity(info.max_batch),
            decoder,
            network,
            info,
            waiting: None,
        })
    }
}

impl EngineFactory for OnnxFactory {
    fn build(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(self.engine(bundle, settings)?))
    }
}

fn check(settings: &EngineSettings) -> Result<(), EngineError> {
    for (field, value, most) in [
        ("threads", settings.threads, MAX_THREADS),
        ("max_batch", settings.max_batch, MAX_BATCH),
    ] {
        if !(1..=most).contains(&value) {
            return Err(EngineError::Setting {
                field,
                expected: format!("1 to {most}"),
                found: value.to_string(),
            });
        }
    }
    Ok(())
}

/// A bundle on ONNX Runtime. Synchronous: the work is done in [`Engine::collect`].
pub struct OnnxEngine {
    info: EngineInfo,
    preprocessor: Preprocessor,
    decoder: Decoder,
    pub(crate) network: Network,
    placements: Vec<Placement>,
    waiting: Option<Batch>,
}

impl Engine for OnnxEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn submit(&mut self, batch: Batch) -> Result<(), Rejected> {
        if self.waiting.is_some() {
            return Err(batch.rejected(EngineError::Full { depth: 1 }));
        }
        if let Err(error) = batch.check(self.info.wants_reference) {
            return Err(batch.rejected(error));
        }
        self.waiting = Some(batch);
        Ok(())
    }

    fn collect(&mut self) -> Option<Result<Batch, Rejected>> {
        let mut batch = self.waiting.take()?;
        batch.outputs.reset(batch.regions.len());
        batch.times = EngineTimes::default();
        // a bug in here must not take the batch's leases, nor the thread, with it
        let ran = catch_unwind(AssertUnwindSafe(|| self.chunks(&mut batch)));
        let ran = ran.unwrap_or_else(|panic| {
            Err(EngineError::Run {
                reason: format!("the engine panicked: {}", words(&*panic)),
            })
        });
        Some(match ran {
            Ok(()) => Ok(batch),
            Err(error) => Err(batch.rejected(error)),
        })
    }

    fn threads(&self) -> Team {
        self.network.threads()
    }
}

impl OnnxEngine {
    fn chunks(&mut self, batch: &mut Batch) -> Result<(), EngineError> {
        let mut first = 0;
        while first < batch.regions.len() {
            let count = self.info.max_batch.min(batch.regions.len() - first);
            self.chunk(batch, first, count)?;
            first += count;
        }
        Ok(())
    }

    fn chunk(&mut self, batch: &mut Batch, first: usize, count: usize) -> Result<(), EngineError> {
        let start = Instant::now();
        self.preprocess(batch, first, count)?;
        let preprocessed = Instant::now();
        self.network.run(count)?;
        let inferred = Instant::now();
        self.postprocess(batch, first, count)?;
        let times = &mut batch.times;
        times.preprocess_us += (preprocessed - start).as_micros() as u64;
        times.infer_us += (inferred - preprocessed).as_micros() as u64;
        times.postprocess_us += inferred.elapsed().as_micros() as u64;
        Ok(())
    }

    fn preprocess(&mut self, batch: &Batch, first: usize, count: usize) -> Result<(), EngineError> {
        let len = self.network.input_len();
        let input = self.network.input_mut(count)?;
        self.placements.clear();
        for (region, tensor) in batch.regions[first..first + count]
            .iter()
            .zip(input.chunks_exact_mut(len))
        {
            let view = &batch.views[region.view];
            let reference = view.reference.as_ref().map(|r| r.picture());
            let placed = self
                .preprocessor
                .run(view.lease.picture(), reference, region.crop, tensor)
                .map_err(|e| EngineError::Picture {
                    view: region.view,
                    reason: e.to_string(),
                })?;
            self.placements.push(placed);
        }
        Ok(())
    }

    fn postprocess(
        &mut self,
        batch: &mut Batch,
        first: usize,
        count: usize,
    ) -> Result<(), EngineError> {
        let outputs = batch.outputs[first..first + count].iter_mut();
        for (region, (placed, output)) in self.placements.iter().zip(outputs).enumerate() {
            let (views, used) = self.network.output(count, region);
            self.decoder
                .decode_all(&views[..used], placed, output)
                .map_err(|e| EngineError::Run {
                    reason: e.to_string(),
                })?;
        }
        Ok(())
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
