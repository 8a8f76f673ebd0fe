//! What a camera's tap hands on: a view in one of our slots, or the word that it is missing.

use crate::Lease;
use sightline_domain::{CameraId, FrameId, MissReason, MonoTime, Trigger};

/// A captured picture on its way to the batcher.
#[derive(Debug)]
pub struct View {
    /// The picture.
    pub lease: Lease,
    /// Its own golden picture, where the source brings one (simulated line, COCO pairs).
    pub reference: Option<Lease>,
}

/// A frame that was due or seen but is not there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Missed {
    /// Which camera.
    pub camera: CameraId,
    /// The source's frame number, where known.
    pub frame_id: Option<FrameId>,
    /// When it was or should have been captured.
    pub at: MonoTime,
    /// Why it is missing.
    pub reason: MissReason,
}

/// Either.
#[allow(
    clippy::large_enum_variant,
    reason = "a box would be an allocation per frame"
)]
#[derive(Debug)]
pub enum Tapped {
    /// A picture.
    View(View),
    /// None.
    Missed(Missed),
}

/// Takes what cameras deliver. Must not block: when full, the item comes back and the caller counts a miss.
pub trait TapSink: Send + Sync {
    /// Hands one item on, or gives it back when there is no room.
    #[allow(clippy::result_large_err)]
    fn deliver(&self, item: Tapped) -> Result<(), Tapped>;
}

/// Takes triggers. Must not lose one: an error means the station is going down.
pub trait TriggerSink: Send + Sync {
    /// Opens a part.
    fn trigger(&self, trigger: Trigger) -> Result<(), Trigger>;
}
