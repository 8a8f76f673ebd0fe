//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses its part")]

use sightline_domain::{
    CameraId, FrameId, FrameMeta, Health, MonoTime, PixelFormat, Timing, UtcMicros,
};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};

pub fn plain_pool(slots: usize, slot_bytes: usize) -> FramePool {
    FramePool::new(PoolConfig {
        name: "test".into(),
        slots,
        slot_bytes,
        memory: MemoryWish::Plain,
    })
    .unwrap()
}

pub fn meta(frame: u64, format: PixelFormat, width: u32, height: u32) -> FrameMeta {
    FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(frame),
        captured: MonoTime(frame),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: true,
        width,
        height,
        format,
        levels: sightline_domain::Levels::guessed(format, height),
        layout: format.default_layout(width, height),
        health: Health::Ok,
        host_copies: 0,
    }
}
