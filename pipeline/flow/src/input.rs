//! What the batcher takes in.

use crate::active_generation::ActiveGeneration;
use sightline_domain::{CameraId, Trigger};
use sightline_frames::Tapped;
use sightline_queue::Sender;
use std::sync::Arc;

/// One item of the batcher's queue.
// A box would allocate for every view.
#[allow(clippy::large_enum_variant)]
pub(crate) enum FlowInput {
    /// A part arrived.
    Trigger(Trigger),
    /// A camera brought a view, or the word that there is none.
    Tapped(Tapped),
    /// A camera is not live.
    CameraDown(CameraId),
    /// From the next trigger on, this generation inspects. Answered when it is in force.
    Switch(Arc<ActiveGeneration>, Sender<()>),
    /// A worker has room again.
    Freed,
    /// No more input comes; finish what is there.
    Stop,
}
