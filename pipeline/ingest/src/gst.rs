//! GStreamer sources: `video`, `rtsp`, `v4l2`, `pipeline`.

use crate::{CameraContext, IngestError, session::Source};

pub(crate) fn source(_ctx: &CameraContext) -> Result<Box<dyn Source>, IngestError> {
    Err(IngestError::GStreamer {
        found: "a build without GStreamer sources".into(),
    })
}
