//! The simulated line in real time: a belt that carries parts past cameras to a gate, with its clock, threads and files.
//!
//! What lives here: [`SimulatedLine`], which a station is handed in place of a photo-eye, an encoder and a gate, and the
//! cameras over it ([`SimulatedLine::source`]), which are handed to `sightline-ingest` like any source of one's own. The
//! logic (belt, parts, gate, faults, truth) is `sightline-simulation`'s. Where to start: `line.rs`, then `belt.rs`.

mod belt;
mod belt_pictures;
mod camera;
mod degrade;
mod error;
mod line;
mod settings;

pub use error::LineError;
pub use line::{LineSummary, SimulatedLine};
pub use settings::{LineSetup, SimulatedCamera};
