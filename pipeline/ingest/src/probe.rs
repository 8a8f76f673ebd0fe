//! Opening a camera just to see whether it gives a frame.

use crate::{CameraContext, CameraState, IngestError, camera};
use sightline_domain::{FrameMeta, PixelFormat};
use sightline_frames::{TapSink, Tapped};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What a camera gave when it was probed.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeReport {
    /// Width of its first frame, pixels.
    pub width: u32,
    /// Height of its first frame, pixels.
    pub height: u32,
    /// Its format in our slots.
    pub format: PixelFormat,
    /// Bytes of the picture in its slot.
    pub bytes: usize,
    /// Times the host copied it on its way.
    pub host_copies: u8,
    /// From opening to the frame.
    pub after: Duration,
}

/// Keeps the first frame's record.
#[derive(Default)]
struct First(Mutex<Option<FrameMeta>>);

impl TapSink for First {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        if let Tapped::View(view) = item {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(*view.lease.meta());
        }
        Ok(())
    }
}

/// Opens a camera, waits for one frame and closes it. The context's sink is not used. A simulated camera without a line
/// is refused like at [`start`](crate::start).
///
/// # Errors
/// What [`start`](crate::start) refuses, and no frame within `within`.
pub fn probe(mut ctx: CameraContext, within: Duration) -> Result<ProbeReport, IngestError> {
    let first = Arc::new(First::default());
    ctx.sink = Arc::clone(&first) as Arc<dyn TapSink>;
    let name = ctx.config.name.clone();
    let begun = Instant::now();
    let handle = camera::start(ctx)?;
    loop {
        let seen = *first.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meta) = seen {
            let after = begun.elapsed();
            handle.stop()?;
            return Ok(ProbeReport {
                width: meta.width,
                height: meta.height,
                format: meta.format,
                bytes: meta.layout.len,
                host_copies: meta.host_copies,
                after,
            });
        }
        let status = handle.status();
        let over = matches!(status.state, CameraState::Ended | CameraState::Failed);
        if over || begun.elapsed() >= within {
            let found = format!(
                "none in {} ms; {}: {}",
                begun.elapsed().as_millis(),
                status.state.name(),
                status.reason
            );
            return Err(IngestError::Probe {
                camera: name,
                found,
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
