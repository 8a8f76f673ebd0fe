//! What a camera source is written with: [`Source`] is opened again and again by its camera's supervisor, a [`Session`] is
//! what an open one is, and everything it captures goes through its [`Tap`].
//!
//! A source of one's own is handed in by [`CameraContext::source`](crate::CameraContext::source); most are one thread
//! ([`ThreadSession`]).

pub use crate::link::{Link, StopFlag};
pub use crate::session::{AtEnd, Session, Source, ThreadSession, Work};
pub use crate::shared_tap::{SharedTap, TapGuard};
pub use crate::tap::{Arrival, Shape, Stamp, Tap};

use crate::IngestError;
use sightline_configs::station;
use sightline_domain::PixelFormat;

/// Holds a camera's configured format against those that its source can give, which errors call `expected`.
///
/// # Errors
/// It is none of them.
pub fn require_format(
    config: &station::Camera,
    kind: &'static str,
    formats: &[PixelFormat],
    expected: &'static str,
) -> Result<(), IngestError> {
    if formats.contains(&config.format) {
        return Ok(());
    }
    Err(IngestError::Format {
        camera: config.name.clone(),
        kind,
        expected,
        found: config.format.name(),
    })
}

/// A source whose views come in `pairs`, picture and golden picture, needs two slots at once.
///
/// # Errors
/// The camera has one.
pub fn require_pair_of_slots(config: &station::Camera, pairs: bool) -> Result<(), IngestError> {
    if !pairs || config.slots >= 2 {
        return Ok(());
    }
    Err(IngestError::Slots {
        camera: config.name.clone(),
        needed: 2,
        why: "each view brings its golden picture",
        found: config.slots,
    })
}
