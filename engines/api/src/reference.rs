//! The golden picture that a change-detecting model sees beside the part.

use sightline_domain::{PictureRef, PixelFormat, PlaneLayout};
use sightline_frames::Lease;
use std::sync::Arc;

/// A picture in plain memory of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferencePicture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pixel format.
    pub format: PixelFormat,
    /// Where the planes lie in `bytes`.
    pub layout: PlaneLayout,
    /// The pixels.
    pub bytes: Vec<u8>,
}

impl ReferencePicture {
    /// A black picture (all bytes 0) in the format's default layout.
    pub fn blank(width: u32, height: u32, format: PixelFormat) -> Self {
        let layout = format.default_layout(width, height);
        Self {
            width,
            height,
            format,
            layout,
            bytes: vec![0; layout.len],
        }
    }

    /// The picture, borrowed.
    pub fn picture(&self) -> PictureRef<'_> {
        PictureRef {
            width: self.width,
            height: self.height,
            format: self.format,
            levels: sightline_domain::Levels::guessed(self.format, self.height),
            layout: self.layout,
            bytes: &self.bytes,
        }
    }
}

/// Where a view's golden picture comes from.
// A box would allocate for every view that brings its own.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Reference {
    /// It came with the view (a recorded pair).
    Own(Lease),
    /// The recipe's, used as it is.
    Shared(Arc<ReferencePicture>),
    /// The recipe's, moved onto this part by registration; the buffer goes round with its view.
    Registered(Box<ReferencePicture>),
}

impl Reference {
    /// The picture, borrowed.
    pub fn picture(&self) -> PictureRef<'_> {
        match self {
            Self::Own(lease) => lease.picture(),
            Self::Shared(picture) => picture.picture(),
            Self::Registered(picture) => picture.picture(),
        }
    }
}
