//! A file's bytes to a session: its weights from where the caller says, and nowhere else.

use crate::explain::explain;
use crate::pool::Pool;
use crate::{Runtime, provider};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use sightline_engine::bundle::Weights;
use sightline_engine::onnx::OnnxFile;
use sightline_engine::{EngineError, EngineSettings, Spinning};
use std::path::Path;
use std::sync::Arc;

/// A model file, read.
pub(crate) struct Source<'s> {
    pub path: &'s Path,
    pub bytes: &'s [u8],
    pub file: &'s OnnxFile,
    /// Every file of weights that it names.
    pub weights: Vec<Weights>,
}

impl Source<'_> {
    pub(crate) fn unreadable(&self, e: impl std::fmt::Display) -> EngineError {
        EngineError::ModelUnreadable {
            path: self.path.to_owned(),
            reason: explain(&e.to_string(), Some(self.file)),
        }
    }

    fn commit(&mut self, mut builder: SessionBuilder) -> ort::Result<Session> {
        for weights in self.weights.drain(..) {
            let bytes: Arc<[u8]> = weights.bytes.into();
            builder = builder.with_external_initializer_file_in_memory(weights.location, bytes)?;
        }
        builder.commit_from_memory(self.bytes)
    }
}

/// A session that looks only, without optimising.
pub(crate) fn open_to_inspect(
    runtime: &Runtime,
    source: &mut Source<'_>,
) -> Result<Session, EngineError> {
    let built = Session::builder(&runtime.environment)
        .and_then(|b| Ok(b.with_optimization_level(GraphOptimizationLevel::Disable)?))
        .and_then(|b| Ok(b.with_intra_threads(1)?))
        .and_then(|b| source.commit(b));
    built.map_err(|e| source.unreadable(e))
}

/// A session as the settings want it, with the threads of `pool`.
pub(crate) fn open(
    runtime: &Runtime,
    source: &mut Source<'_>,
    settings: &EngineSettings,
    pool: &Pool,
) -> Result<Session, EngineError> {
    let builder = Session::builder(&runtime.environment)
        .and_then(|b| Ok(b.with_thread_manager(pool.clone())?))
        .and_then(|b| Ok(b.with_intra_threads(settings.threads)?))
        .and_then(|b| Ok(b.with_inter_threads(1)?))
        .and_then(|b| Ok(b.with_parallel_execution(false)?))
        .and_then(|b| Ok(b.with_memory_pattern(true)?))
        .and_then(|b| Ok(b.with_optimization_level(GraphOptimizationLevel::All)?))
        .and_then(|b| Ok(b.with_intra_op_spinning(settings.spinning == Spinning::On)?))
        .map_err(|e| source.unreadable(e))?;
    let builder = provider::register(builder, &settings.provider)?;
    source.commit(builder).map_err(|e| {
        if settings.provider == provider::CPU {
            source.unreadable(e)
        } else {
            EngineError::ProviderMissing {
                asked: settings.provider.clone(),
                reason: format!("{} cannot run on it: {e}", source.path.display()),
                available: provider::available(),
            }
        }
    })
}
