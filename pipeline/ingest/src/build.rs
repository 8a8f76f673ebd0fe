//! What a camera is made of: its memory, its source, its time limits, out of its settings.

use crate::{
    CameraContext, IngestError,
    images::{ImagesIndex, ImagesSource},
    session::Source,
    simulated::SimulatedSource,
    state::Limits,
};
use sightline_configs::station::{self, Expects, Retry};
use sightline_frames::{FramePool, PoolConfig, slot_bytes_for_decoders};
use sightline_model::PixelFormat;
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
    let drawn = ctx
        .line
        .as_ref()
        .filter(|_| matches!(camera.source, station::Source::Simulated { .. }));
    let sized = camera
        .width
        .zip(camera.height)
        .or_else(|| drawn.and_then(|line| line.drawn_size()));
    let built_in = matches!(
        camera.source,
        station::Source::Simulated { .. } | station::Source::Images { .. }
    );
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

pub(crate) fn source(ctx: &CameraContext) -> Result<Made, IngestError> {
    use station::Source as Kind;
    let formats = [PixelFormat::Gray8, PixelFormat::Rgb, PixelFormat::Bgr];
    match &ctx.config.source {
        Kind::Simulated { face } => {
            let camera = || ctx.config.name.clone();
            let line = ctx
                .line
                .clone()
                .ok_or_else(|| IngestError::NoLine { camera: camera() })?;
            if line.is_drawn() {
                require_format(ctx, "simulated", &[PixelFormat::Gray8], "GRAY8")?;
            } else {
                require_format(ctx, "simulated", &formats, "GRAY8, RGB or BGR")?;
            }
            require_pair_of_slots(ctx, ctx.wants_reference)?;
            Ok((Box::new(SimulatedSource::new(ctx, &line, *face)), None))
        }
        Kind::Images {
            path,
            rate_hz,
            repeat,
            watch,
        } => {
            require_format(ctx, "images", &formats, "GRAY8, RGB or BGR")?;
            let path = ctx.base_dir.join(path);
            let index = Arc::new(if *watch {
                ImagesIndex::default()
            } else {
                ImagesIndex::load(&path)?
            });
            let folder = watch.then_some(path);
            require_pair_of_slots(ctx, ctx.wants_reference && index.has_templates())?;
            let source = ImagesSource::new(ctx, Arc::clone(&index), (*rate_hz, *repeat), folder);
            Ok((Box::new(source), (!watch).then_some(index)))
        }
        _ => Ok((crate::gst::source(ctx)?, None)),
    }
}

fn require_format(
    ctx: &CameraContext,
    kind: &'static str,
    formats: &[PixelFormat],
    expected: &'static str,
) -> Result<(), IngestError> {
    if formats.contains(&ctx.config.format) {
        return Ok(());
    }
    Err(IngestError::Format {
        camera: ctx.config.name.clone(),
        kind,
        expected,
        found: ctx.config.format.name(),
    })
}

fn require_pair_of_slots(ctx: &CameraContext, pairs: bool) -> Result<(), IngestError> {
    if !pairs || ctx.config.slots >= 2 {
        return Ok(());
    }
    Err(IngestError::Slots {
        camera: ctx.config.name.clone(),
        needed: 2,
        why: "each view brings its golden picture",
        found: ctx.config.slots,
    })
}

pub(crate) fn limits(ctx: &CameraContext) -> Limits {
    use station::Source as Kind;
    let config = &ctx.config;
    let on_demand = match config.source {
        Kind::Simulated { .. } | Kind::Images { .. } => true,
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
