//! A view as the pipeline hands it to an engine: 8 x 8 pixels, white but for one.

use sightline_domain::{CameraId, FrameId, FrameMeta, Generation, Health, Levels, MonoTime};
use sightline_domain::{PixelFormat, Timing, TrackId, UtcMicros, ViewId, ViewTag};
use sightline_engine::BatchView;
use sightline_frames::{FramePool, MemoryWish, PoolConfig};

pub fn dark_at(x: usize, y: usize) -> BatchView {
    let pool = FramePool::new(PoolConfig {
        name: "example".into(),
        slots: 1,
        slot_bytes: 64,
        memory: MemoryWish::Plain,
    })
    .expect("64 bytes");
    let mut slot = pool.open().expect("a free slot");
    slot.bytes_mut().fill(255);
    slot.bytes_mut()[y * 8 + x] = 10;
    let lease = slot.seal(FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(1),
        captured: MonoTime(0),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: true,
        width: 8,
        height: 8,
        format: PixelFormat::Gray8,
        levels: Levels::default(),
        layout: PixelFormat::Gray8.default_layout(8, 8),
        health: Health::Ok,
        host_copies: 0,
    });
    BatchView {
        lease: lease.expect("it fits"),
        reference: None,
        tag: ViewTag {
            track_id: TrackId(1),
            view: ViewId(0),
            generation: Generation(1),
            deadline: MonoTime(0),
            enqueued: MonoTime(0),
        },
    }
}
