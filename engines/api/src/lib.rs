//! The Engine trait, model bundles, preprocessing, decoders, suppression, and a scripted engine for tests.
//!
//! What lives here: everything about a model that no particular inference library knows. It imports
//! `sightline-domain` and `sightline-frames` only, opens no thread and no socket; files are read when a bundle
//! is loaded, never on the frame path.
//! Where to start: [`engine`] (what flow drives), [`batch`] (what moves through it), [`scripted`] (an engine
//! for tests).

pub mod batch;
pub mod bundle;
pub mod decode;
pub mod engine;
pub mod error;
pub mod onnx;
pub mod preprocess;
pub mod reference;
pub mod scripted;
pub mod tiles;

pub use batch::{Batch, BatchView, EngineTimes, Outputs, Region, RegionOutput, Stray, StrayPlace};
pub use bundle::{Bundle, BundleError, Manifest, Precision, Task};
pub use engine::{ClassInfo, Engine, EngineFactory, EngineInfo, EngineSettings, Spinning};
pub use error::{EngineError, Rejected};
pub use reference::{Reference, ReferencePicture};
