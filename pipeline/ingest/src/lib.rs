//! Cameras to views: one supervised source a camera, GStreamer or built in, tap, health.
//!
//! What lives here: everything between a camera and the first queue. A camera is a supervisor thread that owns a
//! source (GStreamer pipeline, picture list, or one that is handed in) and a tap that stamps, judges and delivers what the
//! source captures. Cameras share nothing but the sink. It imports frames, configs, queue and domain.
//! Where to start: [`start`] and [`CameraHandle`]; `supervisor` is the state machine, `tap` the way of a frame.

mod assemble;
mod camera;
mod capture_time;
mod driver;
mod error;
mod fitness;
mod gst;
mod health;
pub mod images;
mod jpeg;
mod link;
mod measure;
mod probe;
mod proof;
mod session;
mod shared_tap;
pub mod source;
mod state;
mod status;
mod supervisor;
mod tap;

/// Whether a JPEG is whole, as the ways into decoders ask it; for the bench.
#[doc(hidden)]
pub fn jpeg_check() -> impl FnMut(&[u8]) -> bool {
    let mut checker = jpeg::Checker::default();
    move |data| checker.check(data).is_ok()
}

pub use camera::{CameraContext, CameraHandle, start};
pub use error::IngestError;
pub use fitness::Unfit;
pub use health::{HealthMonitor, Origin};
pub use images::{CocoFile, ImageEntry, ImagesIndex};
pub use measure::{Measured, full_content, measure};
pub use probe::{ProbeReport, probe};
pub use proof::Proof;
pub use state::{CameraState, Reason};
pub use status::{CameraCounts, CameraStatus, KnownFrom, LevelsKnown, UnhealthyCounts};
