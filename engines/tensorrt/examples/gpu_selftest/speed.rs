//! The ceiling by batch size, the engine in a loop beside it, overlap from events, and that nothing is allocated.

use crate::boxes::tag;
use crate::{Fallible, Report, Rig, lease, pool};
use sightline_engine::{Batch, BatchView, Engine, Precision, Reference, ReferencePicture};
use sightline_model::PixelFormat;
use sightline_tensorrt::TensorRtEngine;
use sightline_tensorrt::engine::Timeline;
use std::sync::Arc;
use std::time::Instant;

const CAMERAS: usize = 16;
const RUNS: usize = 300;

pub fn check(rig: &Rig, report: &mut Report) -> Fallible<()> {
    let mut engine = rig
        .factory
        .engine(&rig.bundle, &rig.settings(Precision::Fp16))?;
    let largest = engine.info().max_batch;
    let mut us = Vec::new();
    for batch in [1, 2, 4, largest] {
        engine.replay_us(batch, 50)?;
        let each = engine.replay_us(batch, RUNS)? / RUNS as f64;
        let words = format!("{each:.0} us, {:.0} regions/s", batch as f64 * 1e6 / each);
        report.say(&format!("graph replay alone, batch {batch}"), &words);
        us.push(each);
    }
    if largest >= 4 {
        let (latency, rate) = (us[2] / us[0], 4.0 * us[0] / us[2]);
        let words = format!("{rate:.2} x the throughput at {latency:.2} x the latency");
        report.row(
            "batch 4: >= 2.5 x at <= 1.2 x of batch 1",
            rate >= 2.5 && latency <= 1.2,
            &words,
        );
    }
    line(
        rig,
        report,
        &mut engine,
        largest,
        largest as f64 * 1e6 / us[3],
    )
}

/// Two batches in flight, from 16 cameras, as fast as it goes.
fn line(
    rig: &Rig,
    report: &mut Report,
    engine: &mut TensorRtEngine,
    size: usize,
    ceiling: f64,
) -> Fallible<()> {
    let spec = &rig.bundle.manifest().input;
    let format = PixelFormat::Gray8;
    let shape = (spec.width, spec.height, format);
    let picture = ReferencePicture::blank(spec.width, spec.height, format);
    let reference = spec.wants_reference().then(|| Arc::new(picture.clone()));
    let pool = pool(2 * size + 2, picture.bytes.len())?;
    let batch = |number: usize| -> Fallible<Batch> {
        let mut batch = Batch::with_capacity(size, size);
        for place in 0..size {
            let camera = (number * size + place) % CAMERAS;
            batch.push_whole(BatchView {
                lease: lease(&pool, camera as u16, shape, &picture.bytes)?,
                reference: reference.clone().map(Reference::Shared),
                tag: tag(),
            });
        }
        Ok(batch)
    };
    // both slots meet every picture size first
    let (mut waiting, mut number) = (Vec::new(), 2);
    for n in 0..2 {
        engine.submit(batch(n)?)?;
    }
    for _ in 0..2 {
        waiting.push(engine.collect().ok_or("nothing in flight")??);
    }
    let allocations = engine.device().allocations;
    let (mut before, mut overlapped, mut waits) = (None::<Timeline>, 0, Vec::new());
    let start = Instant::now();
    while let Some(next) = waiting.pop() {
        engine.submit(next)?;
    }
    while number < RUNS {
        let done = engine.collect().ok_or("nothing in flight")??;
        let now = engine.timeline()?;
        if let Some(before) = before {
            overlapped += usize::from(now.begin_us < before.inferred_us);
        }
        waits.push(now.done_us - now.begin_us);
        before = Some(now);
        engine.submit(done)?;
        number += 1;
    }
    while let Some(done) = engine.collect() {
        drop(done?);
    }
    let rate = (RUNS * size) as f64 / start.elapsed().as_secs_f64();
    let ratio = rate / ceiling;
    let words = format!("{rate:.0} of {ceiling:.0} regions/s: {ratio:.3}");
    report.row(
        "engine loop, 16 cameras: >= 0.95 of the replay",
        ratio >= 0.95,
        &words,
    );
    let words = format!(
        "{overlapped} of {} uploads began before the network of the batch before ended",
        RUNS - 3
    );
    report.row(
        "uploads overlap the network",
        overlapped * 10 >= (RUNS - 3) * 9,
        &words,
    );
    waits.sort_by(f64::total_cmp);
    let words = format!(
        "p50 {:.0} us, p99 {:.0} us on the device, saturated",
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100]
    );
    report.say("first upload to results in memory", &words);
    let made = engine.device().allocations - allocations;
    report.row(
        "no allocation in steady state",
        made == 0,
        &format!("{made} in {RUNS} batches"),
    );
    Ok(())
}
