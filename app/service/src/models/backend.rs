//! The engines a station can name: `onnx`, `onnx:PROVIDER`, `tensorrt`, `tensorrt:dlaN`. What is asked for and not there is
//! an error, never another engine.

use crate::models::tuning::{self, Chosen};
use anyhow::bail;
use sightline_configs::station::Arrangement;
use sightline_engine::{Bundle, Engine, EngineError, EngineFactory, EngineInfo, EngineSettings};
use sightline_onnx::{LibrarySearch, Measured, OnnxFactory, Tuning, measure, tune};
#[cfg(feature = "tensorrt")]
use sightline_tensorrt::{TensorRtFactory, library::Search, store::Store};
use std::path::PathBuf;
use std::time::Duration;

/// Regions at once on a GPU, unless the configuration says otherwise.
#[cfg(feature = "tensorrt")]
const GPU_BATCH: usize = 4;
/// How long each arrangement is tried before the ceiling is measured.
const EACH: Duration = Duration::from_millis(500);

/// A loaded engine library. Cheap to clone.
#[derive(Clone)]
pub enum Backend {
    Onnx {
        factory: OnnxFactory,
        provider: String,
    },
    #[cfg(feature = "tensorrt")]
    TensorRt(TensorRtFactory),
}

impl Backend {
    /// Loads the library of the engine called `name`.
    pub fn open(name: &str, library: Option<PathBuf>) -> anyhow::Result<Self> {
        let (engine, detail) = name.split_once(':').unzip();
        match (engine.unwrap_or(name), detail) {
            ("onnx", provider) => Ok(Self::Onnx {
                factory: OnnxFactory::new(&LibrarySearch::usual(library))?,
                provider: provider.unwrap_or("cpu").to_owned(),
            }),
            ("tensorrt", detail) => tensorrt(detail, library),
            _ => bail!(
                "engine.name: expected `onnx` (CPU), `onnx:PROVIDER`, `tensorrt` or `tensorrt:dla0`, found `{name}`"
            ),
        }
    }

    /// What [`EngineSettings::provider`] is to be.
    pub fn provider(&self) -> &str {
        match self {
            Self::Onnx { provider, .. } => provider,
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(_) => "tensorrt",
        }
    }

    /// Largest batch where the configuration names none.
    pub fn usual_batch(&self) -> usize {
        match self {
            Self::Onnx { .. } => 1,
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(_) => GPU_BATCH,
        }
    }

    /// What an engine of the bundle says of itself.
    pub fn info(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<EngineInfo, EngineError> {
        match self {
            Self::Onnx { provider, .. } => {
                Ok(bundle.engine_info(&format!("onnx-{provider}"), settings)?)
            }
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(factory) => factory.info(bundle, settings),
        }
    }

    /// Builds an engine.
    pub fn build(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<Box<dyn Engine>, EngineError> {
        match self {
            Self::Onnx { factory, .. } => factory.build(bundle, settings),
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(factory) => factory.build(bundle, settings),
        }
    }

    /// Engines and threads of each.
    pub fn arrange(
        &self,
        wish: Arrangement,
        bundle: &Bundle,
        settings: &EngineSettings,
        cores: usize,
    ) -> anyhow::Result<Chosen> {
        match self {
            Self::Onnx { factory, .. } => tuning::arrange(wish, factory, bundle, settings, cores),
            // one thread enqueues to a GPU, two batches keep it busy
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(_) => match wish {
                Arrangement::Fixed { instances, threads } => Ok(Chosen { instances, threads }),
                Arrangement::Automatic(_) => Ok(Chosen {
                    instances: 1,
                    threads: 1,
                }),
            },
        }
    }

    /// What automatic arrangements would give; a GPU has none.
    pub fn tune(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
        cores: usize,
    ) -> Result<Option<Tuning>, EngineError> {
        match self {
            Self::Onnx { factory, .. } => tune(factory, bundle, settings, cores, EACH).map(Some),
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(_) => Ok(None),
        }
    }

    /// The network alone in a bare loop, at its best: regions a second.
    pub fn ceiling(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
        cores: usize,
        time: Duration,
    ) -> Result<f64, EngineError> {
        match self {
            Self::Onnx { factory, .. } => {
                let tuning = tune(factory, bundle, settings, cores, EACH)?;
                let best = tuning.throughput.arrangement;
                let measured: Measured = measure(factory, bundle, settings, best, time)?;
                Ok(measured.regions_per_s)
            }
            #[cfg(feature = "tensorrt")]
            Self::TensorRt(factory) => {
                let mut engine = factory.engine(bundle, settings)?;
                let batch = engine.info().max_batch;
                engine.replay_us(batch, 20)?;
                let each_us = engine.replay_us(batch, 20)? / 20.0;
                let runs = (time.as_secs_f64() * 1e6 / each_us).clamp(20.0, 1e5) as usize;
                let all_us = engine.replay_us(batch, runs)?;
                Ok((runs * batch) as f64 / (all_us / 1e6))
            }
        }
    }
}

#[cfg(feature = "tensorrt")]
fn tensorrt(detail: Option<&str>, library: Option<PathBuf>) -> anyhow::Result<Backend> {
    let factory = TensorRtFactory::new(Search::usual(library), Store::usual())?;
    let core = detail.map(|d| d.strip_prefix("dla").and_then(|n| n.parse().ok()));
    match core {
        None => Ok(Backend::TensorRt(factory)),
        Some(Some(core)) => Ok(Backend::TensorRt(factory.on_dla(core))),
        Some(None) => bail!(
            "engine.name: expected `tensorrt`, `tensorrt:dla0` or `tensorrt:dla1`, found `tensorrt:{}`",
            detail.unwrap_or_default()
        ),
    }
}

#[cfg(not(feature = "tensorrt"))]
fn tensorrt(_: Option<&str>, _: Option<PathBuf>) -> anyhow::Result<Backend> {
    bail!(
        "engine.name: `tensorrt` is asked for, and this build has no TensorRT; build it on the box with \
         `cargo build --release -p sightline --features tensorrt` (docs/jetson.md), or write `onnx`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_not_there_is_an_error_that_says_what_to_do() {
        let words = |name: &str| match Backend::open(name, Some("/nowhere/lib.so".into())) {
            Ok(_) => panic!("{name} was opened"),
            Err(error) => format!("{error:#}"),
        };
        assert!(words("cuda").contains("found `cuda`"));
        assert!(words("onnx").contains("/nowhere/lib.so"));
        let tensorrt = words("tensorrt");
        if cfg!(feature = "tensorrt") {
            assert!(tensorrt.contains("looked for: /nowhere/"), "{tensorrt}");
        } else {
            assert!(tensorrt.contains("--features tensorrt"), "{tensorrt}");
        }
    }
}
