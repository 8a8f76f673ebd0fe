//! What is decided about a part.

use crate::{Generation, MonoTime, Timing, TrackId, UtcMicros, ViewId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Evaluation of a part (OPC 40001-101).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Evaluation {
    /// Every expected view was seen, healthy, and nothing counted against the part.
    OK,
    /// Every decision rule could be applied and at least one failed.
    NotOK,
    /// Something that was needed for a decision was missing.
    NotDecidable,
    /// No evaluation was asked for.
    Undefined,
}

/// What the gate does with the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Let through.
    Pass,
    /// Taken off the line.
    Reject,
}

/// Why the disposition is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DispositionReason {
    /// The verdict said so.
    Verdict,
    /// No verdict could be reached by the deadline.
    NoVerdict,
    /// The verdict came after the part had reached the gate.
    Late,
    /// An expected view was not acquired.
    MissedAcq,
    /// Something was full.
    Overflow,
    /// A machine fault: engine, gate, unhealthy camera.
    Fault,
    /// A person said so.
    Manual,
    /// The part was a challenge part, or a challenge that is due was not passed.
    Challenge,
}

/// Whether processing itself worked (not whether the part is good).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultState {
    /// Every step ran.
    Complete,
    /// Some step did not run; the evaluation says `NotDecidable`, or `NotOK` by what was seen.
    Incomplete,
    /// Processing failed.
    Failed,
}

/// A part arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Our number for the part.
    pub track_id: TrackId,
    /// The id the outside world gave, if any.
    pub part_id: Option<Arc<str>>,
    /// When the part was at the trigger's sensor, monotonic.
    pub at: MonoTime,
    /// The same, UTC.
    pub at_utc: UtcMicros,
    /// How that time is known.
    pub timing: Timing,
    /// Encoder counts at the trigger, where the line has an encoder.
    pub encoder: Option<i64>,
}

/// Which part's which view a picture is, carried with it through batcher, engine and judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewTag {
    /// The part.
    pub track_id: TrackId,
    /// The view of the recipe.
    pub view: ViewId,
    /// The recipe-and-models set that inspects the part.
    pub generation: Generation,
    /// The part's deadline.
    pub deadline: MonoTime,
    /// When the view was given to the batcher.
    pub enqueued: MonoTime,
}
