//! Which engine runs the models, on which cores, and how urgent the threads are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which engine runs the models, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// `onnx` (CPU), `onnx:PROVIDER`, `tensorrt` or `tensorrt:dla0`.
    pub name: String,
    /// `fp32`, `fp16`, `int8`, or absent for what the engine and the bundle are fastest with.
    pub precision: Option<Precision>,
    /// How the cores are used.
    pub arrangement: Arrangement,
    /// Cores the engine threads are pinned to, in turn; empty: not pinned.
    pub cores: Vec<usize>,
    /// Largest batch; absent: what the engine prefers.
    pub max_batch: Option<usize>,
    /// Longest time a view waits for others to fill its batch, ms.
    pub batch_wait_ms: f64,
    /// An engine that has been idle for so long runs once on nothing, so that a GPU does not slow down between parts, ms;
    /// 0: never.
    pub keep_warm_ms: f64,
    /// The engine that takes over when this one failed and cannot be made anew, e.g. `onnx`; absent: parts are rejected
    /// until somebody acts.
    pub fallback: Option<String>,
    /// Path of the ONNX Runtime library, or the folder of TensorRT's; absent: searched for.
    pub library: Option<PathBuf>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            name: "onnx".into(),
            precision: None,
            arrangement: Arrangement::Throughput,
            cores: Vec::new(),
            max_batch: None,
            batch_wait_ms: 2.0,
            keep_warm_ms: 0.0,
            fallback: None,
            library: None,
        }
    }
}

/// Number format of the weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit float.
    Fp32,
    /// 16-bit float; TensorRT makes it of FP32.
    Fp16,
    /// 8-bit integer, QDQ.
    Int8,
}

/// How the cores are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    rename_all = "kebab-case",
    untagged,
    expecting = "expected `throughput`, `latency`, or { instances = N, threads = N }"
)]
pub enum Arrangement {
    /// `throughput` or `latency`: measured on the box and remembered.
    Automatic(Automatic),
    /// Said by hand.
    Fixed {
        /// Engine threads.
        instances: usize,
        /// Threads inside each.
        threads: usize,
    },
}

#[allow(non_upper_case_globals)]
impl Arrangement {
    /// The arrangement with the most views per second.
    pub const Throughput: Arrangement = Arrangement::Automatic(Automatic::Throughput);
    /// The arrangement with the shortest time for one view.
    pub const Latency: Arrangement = Arrangement::Automatic(Automatic::Latency);
}

/// What an automatic arrangement is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Automatic {
    /// Most views per second.
    Throughput,
    /// Shortest time for one view.
    Latency,
}

/// How the operating system runs our threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Threads {
    /// How urgent they are beside everything else on the box.
    pub priority: Priority,
    /// Core that batcher, judge, gate and results are pinned to; absent: not pinned.
    pub stage_core: Option<usize>,
}

/// How urgent our threads are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// `realtime` where the system permits it, else `normal`, and the log says which.
    #[default]
    Auto,
    /// Like every other process's.
    Normal,
    /// Batcher, judge and gate before everything else on the box, engines before other programs. Not permitted: an
    /// error at start.
    Realtime,
}
