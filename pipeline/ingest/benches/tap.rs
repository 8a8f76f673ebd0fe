//! What a view costs at the tap: measuring, and the whole health check with and without a look at every byte.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sightline_configs::station::HealthLimits;
use sightline_domain::{FrameId, PictureRef, PixelFormat};
use sightline_ingest::{HealthMonitor, Origin, full_content, measure};
use std::hint::black_box;

const SIDE: u32 = 640;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

fn picture(bytes: &[u8], format: PixelFormat) -> PictureRef<'_> {
    let layout = format.default_layout(SIDE, SIDE);
    PictureRef {
        width: SIDE,
        height: SIDE,
        format,
        levels: sightline_domain::Levels::guessed(format, SIDE),
        layout,
        bytes,
    }
}

fn bench(c: &mut Criterion) {
    let bytes = noise(1, PixelFormat::Rgb.default_layout(SIDE, SIDE).len);
    for format in [
        PixelFormat::Gray8,
        PixelFormat::Nv12,
        PixelFormat::Yuy2,
        PixelFormat::Rgb,
    ] {
        c.bench_function(&format!("measure 640x640 {}", format.name()), |b| {
            b.iter(|| black_box(measure(black_box(&picture(&bytes, format)))));
        });
    }
    c.bench_function("every byte of 640x640 GRAY8", |b| {
        b.iter(|| {
            black_box(full_content(black_box(&picture(
                &bytes,
                PixelFormat::Gray8,
            ))))
        });
    });
    for frozen_after in [3, 2] {
        let limits = HealthLimits {
            frozen_after,
            ..HealthLimits::default()
        };
        let pictures = [noise(5, 640 * 640), noise(9, 640 * 640)];
        let mut id = 0;
        c.bench_function(
            &format!("health of 640x640 GRAY8, frozen_after = {frozen_after}"),
            |b| {
                let mut monitor = HealthMonitor::new(limits.clone());
                b.iter_batched(
                    || {
                        id += 1;
                        id
                    },
                    |id| {
                        monitor.judge(
                            FrameId(id),
                            &picture(&pictures[id as usize % 2], PixelFormat::Gray8),
                            Origin::default(),
                        )
                    },
                    BatchSize::SmallInput,
                );
            },
        );
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
