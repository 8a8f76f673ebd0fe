//! What a slot's round trip costs, alone and with a queue between.

use criterion::{Criterion, criterion_group, criterion_main};
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Health, MonoTime, PixelFormat, Timing, UtcMicros,
};
use sightline_frames::{FramePool, Lease, MemoryWish, PoolConfig};
use sightline_queue::bounded_weighed;
use std::hint::black_box;

const SIDE: u32 = 640;

fn meta() -> FrameMeta {
    FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(0),
        captured: MonoTime(0),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: true,
        width: SIDE,
        height: SIDE,
        format: PixelFormat::Gray8,
        levels: sightline_domain::Levels::default(),
        layout: PixelFormat::Gray8.default_layout(SIDE, SIDE),
        health: Health::Ok,
        host_copies: 0,
    }
}

fn turn(pool: &FramePool) -> Lease {
    let mut slot = pool.open().expect("a free slot");
    black_box(slot.bytes_mut());
    slot.seal(meta()).expect("it fits")
}

fn open_seal_drop(c: &mut Criterion) {
    let pool = FramePool::new(PoolConfig {
        name: "bench".into(),
        slots: 8,
        slot_bytes: (SIDE * SIDE) as usize,
        memory: MemoryWish::Auto,
    })
    .expect("a pool");
    c.bench_function("open_seal_drop", |b| b.iter(|| black_box(turn(&pool))));
    let (tx, rx) = bounded_weighed("bench", 4, 1 << 24, |lease: &Lease| lease.meta().layout.len);
    c.bench_function("open_seal_send_recv_drop", |b| {
        b.iter(|| {
            tx.try_send(turn(&pool)).expect("room");
            black_box(rx.recv().expect("just sent"))
        });
    });
}

criterion_group!(benches, open_seal_drop);
criterion_main!(benches);
