//! Where the time of parts goes; queues, gate, belt.

use serde::{Deserialize, Serialize};
use sightline_domain::Disposition;

/// Where the time of parts went, microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageFacts {
    /// Which stage.
    pub stage: Stage,
    /// Half took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Stages on the way of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "they are what sightline_flow::StageTimes explains"
)]
pub enum Stage {
    Capture,
    BatchWait,
    Queue,
    Preprocess,
    Infer,
    Postprocess,
    Judge,
    #[default]
    Whole,
}

/// A queue between threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueFacts {
    /// Its name.
    pub name: String,
    /// Items in it.
    pub depth: u32,
    /// The most there ever were.
    pub high_water: u32,
    /// Its bound.
    pub capacity: u32,
}

/// The gate's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateFacts {
    /// Parts between trigger and gate.
    pub coming: u32,
    /// Rejects fired.
    pub rejects: u64,
    /// Rejects that the sensor saw.
    pub confirmed: u64,
    /// Rejects that the sensor did not see in time.
    pub unconfirmed: u64,
    /// Parts whose verdict came after the gate had acted.
    pub late: u64,
}

/// A part between trigger and gate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeltPart {
    /// Our number of it.
    pub track: u64,
    /// How much of the way is behind it, 0 to 1.
    pub way: f32,
    /// What becomes of it, once it is decided.
    pub disposition: Option<Disposition>,
}

/// Times of parts, queues, gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimingFacts {
    /// Each stage, in order.
    pub stages: Vec<StageFacts>,
    /// The queues.
    pub queues: Vec<QueueFacts>,
    /// The gate, where there is one.
    pub gate: Option<GateFacts>,
    /// The next parts at the gate, nearest first.
    pub belt: Vec<BeltPart>,
}
