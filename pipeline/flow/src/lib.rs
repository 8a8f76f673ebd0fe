//! Views to verdicts on named threads: association, batcher, inference, cascade, dossier, rules, gate.
//!
//! What lives here: the threads that drive engines and verdict, the queues between them, and the state machines that
//! the threads turn. Frames and triggers come in through [`FlowTap`] and [`FlowTrigger`], results go out through a
//! [`ResultSink`]. No files, no sockets, no async. Where to start: [`Flow::start`]; [`associate`] for which frame
//! belongs to which part; `batcher`, `worker`, `judging`, `gate`, `results` are one thread each, written so that
//! [`Lockstep`] can turn the same code on one thread with a mock clock.

mod active_generation;
pub mod associate;
mod batcher;
mod counters;
mod error;
mod event_forwarder;
mod gate;
mod handle;
mod input;
mod job;
mod judging;
mod lane;
mod lockstep;
mod pace;
mod parts;
mod presence;
mod recording;
mod results;
mod settings;
mod sinks;
mod sizes;
mod stages;
mod start;
mod threads;
mod worker;

pub use active_generation::{GenerationBuild, ModelEngines, Rebuild, WorkerEngines};
pub use counters::{CameraCounts, LineCounts};
pub use error::FlowError;
pub use gate::GateSetup;
pub use handle::{FlowCounters, FlowHandle};
pub use lockstep::Lockstep;
pub use presence::{Presence, PresenceError};
pub use recording::{
    CameraShape, Recorded, RecordedFrame, Recorder, Recording, RecordingError, RecordingTap,
};
pub use settings::{FlowEvents, FlowSettings, ResultSink};
pub use sinks::{FlowTap, FlowTrigger};
pub use stages::{StageSummary, StageTimes};
pub use start::Flow;
