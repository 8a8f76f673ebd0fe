//! What flow drives: one engine, one thread, batches in, the same batches out in the same order.

use crate::{Batch, Bundle, EngineError, Precision, Rejected, Task};
use sightline_domain::Severity;
use sightline_threads::Team;
use std::sync::Arc;

/// A model made ready to run on this box. It belongs to one thread (`&mut self`).
pub trait Engine: Send {
    /// What it is and how it wants to be fed.
    fn info(&self) -> &EngineInfo;

    /// Takes a batch. Any number of regions: more than `max_batch` are run in chunks. A synchronous engine
    /// only keeps it here and works in [`Engine::collect`].
    ///
    /// # Errors
    /// [`Rejected`] hands the batch back: `depth` batches are already in flight ([`EngineError::Full`]), or
    /// it cannot be run (a region names no view, a reference is missing).
    fn submit(&mut self, batch: Batch) -> Result<(), Rejected>;

    /// The oldest batch in flight, done or rejected; waits for it. `None` when nothing is in flight.
    /// After a rejection the engine can go on with the next batch.
    fn collect(&mut self) -> Option<Result<Batch, Rejected>>;

    /// Called now and then while nothing is in flight: a device that slows down when it rests may run something, so that
    /// the next batch does not pay for its waking up. Must not wait.
    fn keep_warm(&mut self) {}

    /// The threads that work for it beside the caller's, as far as its library tells of them; the same team as long as it
    /// lives. They are demoted with the caller's when it hangs and is left behind.
    fn threads(&self) -> Team {
        Team::default()
    }
}

/// Makes engines of bundles.
pub trait EngineFactory: Send + Sync {
    /// Builds, checks the file against the manifest, and runs once on zeros.
    ///
    /// # Errors
    /// Whatever is wrong with the library, the file or the settings, both sides shown.
    fn build(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<Box<dyn Engine>, EngineError>;
}

/// What an engine is.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineInfo {
    /// Library, provider and precision, e.g. `onnx-cpu/int8`.
    pub name: String,
    /// The bundle's name.
    pub bundle: String,
    /// The bundle's version.
    pub version: String,
    /// SHA-256 of the model file, hex.
    pub digest: String,
    /// Finds or names.
    pub task: Task,
    /// The classes in the order of the model's outputs; [`sightline_domain::ClassId`] indexes them.
    pub classes: Arc<[ClassInfo]>,
    /// Width and height of the network's input, tensor pixels.
    pub input_size: (u32, u32),
    /// Every view must bring a [`crate::Reference`].
    pub wants_reference: bool,
    /// Regions it runs best on at once (1 on a CPU).
    pub preferred_batch: usize,
    /// Regions it runs at once at most; more are run in chunks.
    pub max_batch: usize,
    /// Batches it holds in flight: 1 synchronous, 2 double-buffered.
    pub depth: usize,
}

/// One class of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassInfo {
    /// Stable code, e.g. `open`.
    pub code: String,
    /// English name.
    pub name_en: String,
    /// Chinese name; the English one where the bundle has none.
    pub name_zh: String,
    /// How bad it is.
    pub severity: Severity,
    /// Score at or above which a finding counts, unless the recipe says otherwise.
    pub default_limit: f32,
    /// The class of good parts: it does not count against a part unless the recipe says so.
    pub good: bool,
}

/// How an engine is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSettings {
    /// Which of the bundle's model files; `None`: INT8 where the bundle has it, else FP32.
    pub precision: Option<Precision>,
    /// Threads of one engine, at least 1. The first is the caller's; the others may run where the thread that builds
    /// the engine may, so that one should be pinned to a core after building, not before.
    pub threads: usize,
    /// Regions run at once at most, at least 1. A file with a fixed batch keeps its own.
    pub max_batch: usize,
    /// Where it runs, by the library's name: `cpu`, `cuda`, `tensorrt`, `openvino`, … One that is not really
    /// there is an error, never a quiet fall-back.
    pub provider: String,
    /// Whether waiting threads burn their cores.
    pub spinning: Spinning,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            precision: None,
            threads: 1,
            max_batch: 1,
            provider: "cpu".to_owned(),
            spinning: Spinning::Off,
        }
    }
}

/// Whether an engine's idle threads wait by spinning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Spinning {
    /// Sleep: other threads get the core.
    #[default]
    Off,
    /// Spin: a little faster with cores of its own, ruinous without.
    On,
}
