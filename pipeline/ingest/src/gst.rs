//! GStreamer sources: `video`, `rtsp`, `v4l2`, `pipeline`.
//!
//! `plan` says which elements, `source` opens them for the supervisor, `bus` hears them, `outlet` is where
//! frames leave it, `capture` takes them, `damage` knows which may be damaged (`packets` lost, `bitstream` headers,
//! `libav_log`, all in one `ledger`),
//! `shape`, `levels` and `convert` make them pictures of the camera's format, `keys` knows which were coded by themselves,
//! `timing` and `rtp_time` know when they were captured. Streaming threads only stamp, lease and deliver: they never change a state, and what they hold refers to
//! no element, so that a closed pipeline is gone.

mod bitstream;
mod bus;
mod capture;
mod convert;
mod damage;
mod keys;
mod ledger;
mod levels;
mod libav_log;
mod numbering;
mod outlet;
mod pace;
mod packets;
mod plan;
mod rtp_time;
mod rtsp;
mod shape;
mod source;
mod timing;

use crate::{CameraContext, IngestError, session::Source};
use gstreamer as gst;
use plan::Plan;
use source::GstSource;

/// GStreamer, once a process.
fn init() -> Result<(), IngestError> {
    let failed = |found: String| IngestError::GStreamer { found };
    gst::init().map_err(|e| failed(e.to_string()))?;
    let (major, minor, ..) = gst::version();
    if (major, minor) < (1, 20) {
        return Err(failed(gst::version_string().to_string()));
    }
    damage::listen();
    Ok(())
}

/// The camera's source. Its elements are made once for trial: what is missing now will not come by waiting.
pub(crate) fn source(ctx: &CameraContext) -> Result<Box<dyn Source>, IngestError> {
    init()?;
    let plan = Plan::of(&ctx.config, &ctx.base_dir);
    plan.build().map_err(|found| IngestError::Elements {
        camera: ctx.config.name.clone(),
        found: found.to_string(),
    })?;
    Ok(Box::new(GstSource::new(ctx, plan)))
}
