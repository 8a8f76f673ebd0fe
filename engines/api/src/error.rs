//! What can go wrong with an engine.

use crate::{Batch, BundleError};
use std::path::PathBuf;

/// An engine's fault. Messages say what was expected, what was found, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The bundle itself is wrong.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The inference library was nowhere.
    #[error(
        "no {library} found; looked for: {}; {advice}",
        .looked.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    LibraryMissing {
        /// Its name.
        library: &'static str,
        /// Every path that was tried, in order.
        looked: Vec<PathBuf>,
        /// What to do.
        advice: String,
    },
    /// The inference library is there but does not load, or is of a wrong version.
    #[error("{library} at {} cannot be used: {reason}", .path.display())]
    LibraryUnusable {
        /// Its name.
        library: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The library does not take the model file.
    #[error("{}: not a model this engine can load: {reason}", .path.display())]
    ModelUnreadable {
        /// The file.
        path: PathBuf,
        /// The library's words.
        reason: String,
    },
    /// The bundle is sound, but this engine does not do all of it.
    #[error("engine {engine}: {reason}")]
    NotOnThisEngine {
        /// Its name.
        engine: &'static str,
        /// What, and what to do.
        reason: String,
    },
    /// The file says something else of itself than the manifest.
    #[error("{}: the file and the manifest contradict one another: {reason}", .path.display())]
    ModelContradicts {
        /// The model file.
        path: PathBuf,
        /// Both sides, and what to do.
        reason: String,
    },
    /// File and manifest disagree.
    #[error(
        "{}: {what} do not fit the manifest: the manifest says {manifest}, the file has {file}; correct manifest.toml or export the model again",
        .path.display()
    )]
    ModelMismatch {
        /// The model file.
        path: PathBuf,
        /// Inputs, outputs, …
        what: &'static str,
        /// One side.
        manifest: String,
        /// The other.
        file: String,
    },
    /// The file declares one thing and does another.
    #[error(
        "{}: output `{output}` is declared as {declared} but a run gave {found}; export the model again",
        .path.display()
    )]
    ShapeNotHonoured {
        /// The model file.
        path: PathBuf,
        /// The output's name.
        output: String,
        /// The declared shape.
        declared: String,
        /// What came.
        found: String,
    },
    /// A provider was asked for that is not there.
    #[error(
        "provider `{asked}` is not there: {reason}; this library has {}; choose one of them or install a library that has it",
        .available.join(", ")
    )]
    ProviderMissing {
        /// What was asked for.
        asked: String,
        /// Why it is not there.
        reason: String,
        /// What there is.
        available: Vec<String>,
    },
    /// A setting is out of range.
    #[error("engine setting {field}: expected {expected}, found {found}")]
    Setting {
        /// Which.
        field: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A region names a view that the batch does not have.
    #[error("region {region} names view {view}, but the batch has {views} views")]
    NoSuchView {
        /// Index of the region.
        region: usize,
        /// The view it names.
        view: usize,
        /// How many there are.
        views: usize,
    },
    /// The model compares with a golden picture and the view brought none.
    #[error(
        "view {view} brought no reference picture, which the model needs; teach the recipe one"
    )]
    NoReference {
        /// Index of the view.
        view: usize,
    },
    /// A picture cannot be made a tensor.
    #[error("view {view} cannot be preprocessed: {reason}")]
    Picture {
        /// Index of the view.
        view: usize,
        /// Why not.
        reason: String,
    },
    /// As many batches as the engine holds are in flight.
    #[error("{depth} batches are already in flight; collect one first")]
    Full {
        /// How many it holds.
        depth: usize,
    },
    /// The network failed on this batch.
    #[error("the network failed: {reason}")]
    Run {
        /// The library's words.
        reason: String,
    },
}

/// A batch that could not be run, handed back with the reason; its views are whole.
#[derive(Debug, thiserror::Error)]
#[error("batch of {} views rejected: {error}", .batch.views.len())]
pub struct Rejected {
    /// The batch, its outputs empty.
    pub batch: Batch,
    /// Why; boxed, as the batch is large enough to be returned.
    #[source]
    pub error: Box<EngineError>,
}
