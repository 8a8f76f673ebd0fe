//! What the line and its cameras do.

use serde::{Deserialize, Serialize};

/// What the line does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineState {
    /// Parts are inspected.
    #[default]
    Running,
    /// The gate's alarms hold it until a person has looked.
    Held,
    /// A person stopped it.
    Stopped,
}

/// Counts and rates of the line since the station started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineFacts {
    /// What it does.
    pub state: LineState,
    /// Triggers taken.
    pub triggers: u64,
    /// Results made.
    pub results: u64,
    /// Verdicts OK.
    pub ok: u64,
    /// Verdicts NotOK.
    pub not_ok: u64,
    /// Verdicts NotDecidable.
    pub not_decidable: u64,
    /// Parts passed.
    pub passed: u64,
    /// Parts rejected.
    pub rejected: u64,
    /// Parts a minute, over the last minute.
    pub per_minute: f32,
    /// Parts rejected one after the other, up to the last.
    pub reject_streak: u32,
    /// Parts without a verdict yet.
    pub open_parts: u32,
    /// Engine workers at work and those there should be.
    pub engines: (u32, u32),
}

/// What a camera is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CameraState {
    /// Its source is being opened.
    #[default]
    Connecting,
    /// Frames arrive.
    Live,
    /// No frame for too long.
    Stalled,
    /// Waiting to be opened again.
    Retrying,
    /// Given up.
    Failed,
    /// A finite source is at its end.
    Ended,
    /// Frames arrive, and none can be judged.
    Unusable,
}

/// One camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CameraFacts {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: CameraState,
    /// Why, in the station's words.
    pub reason: String,
    /// Frames a second.
    pub fps: f32,
    /// Frames handed on.
    pub frames: u64,
    /// Frames the source numbered and never gave.
    pub lost: u64,
    /// Frames without a free slot, without room in the queue, or undecodable.
    pub dropped: u64,
    /// Views that parts went without.
    pub missed_views: u64,
    /// Frames unfit to be judged: frozen, dark, bright, out of focus, corrupt, flat.
    pub unhealthy: [u64; 6],
    /// How its levels are read, in the station's words.
    pub levels: String,
    /// Frames that had to be copied on the way in.
    pub copied: u64,
}
