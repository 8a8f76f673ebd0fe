//! What a camera is made of: its memory, its source, its time limits, out of its settings.

use crate::{
    CameraContext, IngestError,
    images::{ImagesIndex, ImagesSource},
    session::Source,
    source::{require_format, require_pair_of_slots},
    state::Limits,
};
use sightline_configs::station::{self, Expects, Retry};
use sightline_domain::PixelFormat;
use sightline_frames::{FramePool, PoolConfig, slot_bytes_for_decoders};
use std::{sync::Arc, time::Duration};

/// Slot size without a configured picture size.
const DEFAULT_SLOT_BYTES: usize = 8 << 20;
/// From opening to the first frame.
const CONNECT: Duration = Duration::from_secs(10);
/// A network camera is back within five seconds of its server's return, so its waits are short.
const RTSP_LONGEST_WAIT_MS: u64 = 1_000;

/// The camera's slots, all allocated now.
pub(crate) fn pool(ctx: &CameraContext) -> Result<FramePool, IngestError> {
    let camera = &ctx.config;
    let handed_in = ctx.source.as_deref();
    let sized = camera
        .width
        .zip(camera.height)
        .or_else(|| handed_in?.size());
    let built_in = handed_in.is_some() || matches!(camera.source, station::Source::Images { .. });
    let worked_out = || match sized {
        Some((width, height)) if built_in => camera.format.default_layout(width, height).len,
        Some((width, height)) => slot_bytes_for_decoders(camera.format, width, height),
        None => DEFAULT_SLOT_BYTES,
    };
    FramePool::new(PoolConfig {
        name: format!("camera.{}", camera.name).into(),
        slots: camera.slots,
        slot_bytes: camera.slot_bytes.unwrap_or_else(worked_out),
        memory: ctx.memory,
    })
    .map_err(|source| IngestError::Frames {
        camera: camera.name.clone(),
        source,
    })
}

type Made = (Box<dyn Source>, Option<Arc<ImagesIndex>>);

pub(crate) fn source(ctx: &mut CameraContext) -> Result<Made, IngestError> {
    use station::Source as Kind;
    if let Some(source) = ctx.source.take() {
        return Ok((source, None));
    }
    let formats = [PixelFormat::Gray8, PixelFormat::Rgb, PixelFormat::Bgr];
    match &ctx.config.source {
        Kind::Simulated { .. } => Err(IngestError::NoLine {
            camera: ctx.config.name.clone(),
        }),
        Kind::Images {
            path,
            rate_hz,
            repeat,
            watch,
        } => {
            require_format(&ctx.config, "images", &formats, "GRAY8, RGB or BGR")?;
            let path = ctx.base_dir.join(path);
            let index = Arc::new(if *watch {
                ImagesIndex::default()
            } else {
                ImagesIndex::load(&path)?
            });
            let folder = watch.then_some(path);
            require_pair_of_slots(&ctx.config, ctx.wants_reference && index.has_templates())?;
            let source = ImagesSource::new(ctx, Arc::clone(&index), (*rate_hz, *repeat), folder);
            Ok((Box::new(source), (!watch).then_some(index)))
        }
        _ => Ok((crate::gst::source(ctx)?, None)),
    }
}

pub(crate) fn limits(ctx: &CameraContext) -> Limits {
    use station::Source as Kind;
    let config = &ctx.config;
    let handed_in = ctx.source.as_deref().map(Source::is_on_demand);
    let on_demand = match config.source {
        _ if handed_in == Some(true) => true,
        Kind::Images { .. } => true,
        // As fast as the line takes it: silence may be the line's.
        Kind::Video { paced, .. } => !paced,
        // Silence between triggers is the line's, too.
        _ => config.expects == Expects::Trigger,
    };
    let stall = Duration::from_millis(config.stall_ms);
    let mut retry = config.retry.clone();
    let mut connect = CONNECT.max(stall);
    if let Kind::Rtsp { timeout_ms, .. } = config.source {
        // several questions, each with its answer
        connect = connect.max(Duration::from_millis(timeout_ms.saturating_mul(2)));
    }
    if matches!(config.source, Kind::Rtsp { .. }) {
        retry = Retry {
            max_ms: retry.max_ms.min(RTSP_LONGEST_WAIT_MS),
            ..retry
        };
    }
    Limits {
        connect,
        stall: (!on_demand).then_some(stall),
        is_silent: config.expects == Expects::Trigger,
        retry,
        seed: u64::from(ctx.id.0) + 1,
    }
}
