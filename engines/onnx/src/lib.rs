//! The Engine trait on ONNX Runtime, loaded at run time.
//!
//! What lives here: finding and loading the library ([`library`]), the checks of a file against its manifest
//! ([`contract`]), a session whose inputs and outputs lie in memory made once ([`network`]), the engine
//! ([`OnnxEngine`]) and the short measurement that finds how many instances of how many threads suit a box
//! ([`tune`]). It imports `sightline-domain` and `sightline-engine`.
//! Where to start: [`OnnxFactory::new`].

pub mod contract;
mod engine;
mod explain;
mod inspect;
pub mod library;
mod network;
mod pool;
mod provider;
mod session;
mod tensors;
mod tune;

pub use engine::{OnnxEngine, OnnxFactory};
pub use inspect::inspect;
pub use library::{LibrarySearch, Runtime};
pub use tune::{Arrangement, Measured, Tuning, measure, tune};
