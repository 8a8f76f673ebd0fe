//! The simulated line in real time: `line` is the line, `belt` its thread, `camera` is a source that draws what is before it.
//!
//! The logic (belt, parts, gate, faults, truth) is `sightline-simulation`'s; here are its clock, its threads and its files.

mod belt;
mod belt_pictures;
mod camera;
mod degrade;
mod line;
mod settings;

pub(crate) use camera::SimulatedSource;
pub use line::{LineSummary, SimulatedLine};
pub use settings::{LineSetup, SimulatedCamera};
