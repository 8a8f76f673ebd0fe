//! Pictures for people: small, latest wins.

use crate::snapshot::Finding;
use serde::{Deserialize, Serialize};
use sightline_domain::{Evaluation, Health, UtcMicros};

/// A camera that a console wants to see, in a picture that fits into `width` x `height` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewRequest {
    /// The camera's number.
    pub camera: u16,
    /// Most pixels wide.
    pub width: u16,
    /// Most pixels high.
    pub height: u16,
}

/// How a preview's pixels lie: rows without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pixels {
    /// One byte a pixel.
    Gray,
    /// Three bytes a pixel.
    Rgb,
}

impl Pixels {
    /// Bytes a pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// What was decided about the very frame that is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The part's number.
    pub track: u64,
    /// The part's evaluation.
    pub evaluation: Evaluation,
    /// Findings on this view, in pixels of the view as captured.
    pub findings: Vec<Finding>,
}

/// Everything of a preview but its pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreviewHead {
    /// The camera's number.
    pub camera: u16,
    /// The source's frame number.
    pub frame_id: u64,
    /// When it was captured.
    pub captured: UtcMicros,
    /// Width of the preview, pixels.
    pub width: u16,
    /// Height of the preview, pixels.
    pub height: u16,
    /// Width of the view as captured, pixels.
    pub view_width: u32,
    /// Height of the view as captured, pixels.
    pub view_height: u32,
    /// Layout of the pixels.
    pub pixels: Pixels,
    /// Fit to be judged, or why not.
    pub health: Health,
    /// What was decided, when the frame was a part's view.
    pub judged: Option<Judged>,
}

impl PreviewHead {
    /// Bytes of pixels it must come with.
    pub fn bytes(&self) -> usize {
        usize::from(self.width) * usize::from(self.height) * self.pixels.bytes()
    }
}

/// A preview as a console holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// What it shows.
    pub head: PreviewHead,
    /// `head.bytes()` bytes.
    pub bytes: Vec<u8>,
}
