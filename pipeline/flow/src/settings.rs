//! What the service hands the flow: settings, and where results and alarms go.

use sightline_domain::{Alarm, CameraId, Clock, Generation, InspectionResult};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// How the flow runs.
#[derive(Clone)]
pub struct FlowSettings {
    /// The clock that cameras and triggers stamp with, too.
    pub clock: Arc<dyn Clock>,
    /// Frames each camera can have in memory at once; says how many cameras there are and bounds the queues.
    pub camera_slots: Vec<usize>,
    /// Cameras that give one frame a trigger and are silent between.
    pub triggered: Vec<CameraId>,
    /// Longest time a view waits for others to fill its batch.
    pub batch_wait: Duration,
    /// An engine that has been idle for so long is kept warm; `None`: never.
    pub keep_warm: Option<Duration>,
    /// Cores the engine threads are pinned to, in turn; empty: not pinned.
    pub engine_cores: Vec<usize>,
    /// Core for batcher, judge, gate and results; `None`: not pinned.
    pub stage_core: Option<usize>,
    /// Threads run before other programs' ([`sightline_threads::may_raise`]).
    pub raised: bool,
    /// Parts that can be open at once; more are rejected as overflow.
    pub max_open_parts: usize,
    /// Every frame of this camera is a part.
    pub every_frame: Option<CameraId>,
    /// How long [`crate::FlowHandle::stop`] waits for engines, and then for parts on their way to the gate.
    pub stop_patience: Duration,
    /// An engine that holds a batch for longer raises an alarm.
    pub hang_after: Duration,
    /// Counted here: parts opened and not yet told as a result. Shared with whoever must not disturb them.
    pub open_parts: Arc<AtomicUsize>,
}

impl FlowSettings {
    /// Parts open at once at most, one at least.
    pub(crate) fn most_open(&self) -> usize {
        self.max_open_parts.max(1)
    }

    /// Settings for cameras with so many slots each; the rest as usual.
    pub fn new(clock: Arc<dyn Clock>, camera_slots: Vec<usize>) -> Self {
        Self {
            clock,
            camera_slots,
            triggered: Vec::new(),
            batch_wait: Duration::from_millis(2),
            keep_warm: None,
            engine_cores: Vec::new(),
            stage_core: None,
            raised: false,
            max_open_parts: 256,
            every_frame: None,
            stop_patience: Duration::from_secs(5),
            hang_after: Duration::from_secs(10),
            open_parts: Arc::default(),
        }
    }
}

/// Takes results. Called on the `sl-result` thread, in the order of their numbers, after the gate was told. Must not
/// block: results that wait here make parts late.
pub trait ResultSink: Send {
    /// One part's result, and the same as JSON bytes.
    fn submit(&mut self, result: InspectionResult, bytes: Box<[u8]>);
}

/// Hears what people must know. Called on the flow's threads: must not block.
pub trait FlowEvents: Send + Sync {
    /// An alarm was raised or cleared.
    fn alarm(&self, alarm: Alarm);

    /// A generation inspects from the next trigger on.
    fn generation_active(&self, _generation: Generation) {}

    /// The last part of a generation has its verdict; its engines go.
    fn generation_retired(&self, _generation: Generation) {}
}
