//! What it costs to walk a JPEG of 640 x 480 to its end, beside the walk as it was, symbol by symbol.

use criterion::{Criterion, criterion_group, criterion_main};
use gstreamer as gst;
use gstreamer::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[path = "jpeg_before/mod.rs"]
mod before;

/// Noise of `grain` pixels in a picture of 640 x 480, with a quarter of the colours, as cameras send it.
fn picture(grain: u32, quality: u32) -> Option<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().ok()?;
    let (width, height) = (640 / grain, 480 / grain);
    let pipeline = format!(
        "videotestsrc num-buffers=1 pattern=snow ! video/x-raw,format=I420,width={width},height={height} ! videoscale \
         ! video/x-raw,width=640,height=480 ! jpegenc quality={quality} ! filesink location={}",
        file.path().display()
    );
    let pipeline = gst::parse::launch(&pipeline).ok()?;
    pipeline.set_state(gst::State::Playing).ok()?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    pipeline
        .bus()?
        .timed_pop_filtered(gst::ClockTime::from_seconds(10), &ends)?;
    pipeline.set_state(gst::State::Null).ok()?;
    std::fs::read(file.path())
        .ok()
        .filter(|data| !data.is_empty())
}

/// The shortest of many, in microseconds: what else runs on the machine does not count.
fn shortest(mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..400 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e6
}

fn bench(c: &mut Criterion) {
    gst::init().expect("GStreamer");
    for (grain, quality) in [(2, 18), (1, 30)] {
        let Some(data) = picture(grain, quality) else {
            eprintln!("SKIPPED: GStreamer has no jpegenc here");
            return;
        };
        let mut now = sightline_ingest::jpeg_check();
        let mut before = before::Checker::default();
        assert!(now(&data) && before.check(&data).is_ok(), "a whole picture");
        let bytes = data.len();
        let new = shortest(|| assert!(now(black_box(&data))));
        let old = shortest(|| assert!(before.check(black_box(&data)).is_ok()));
        println!(
            "JPEG of {bytes} bytes: {old:.0} us before, {new:.0} us now: {:.1} times as fast",
            old / new
        );
        c.bench_function(&format!("JPEG of {bytes} bytes"), |b| {
            b.iter(|| now(black_box(&data)))
        });
        c.bench_function(&format!("JPEG of {bytes} bytes, before"), |b| {
            b.iter(|| before.check(black_box(&data)).is_ok());
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
