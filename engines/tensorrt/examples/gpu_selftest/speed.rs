//! The ceiling by batch size, the engine in a loop beside it, overlap from events, and that nothing is allocated.

use crate::boxes::tag;
use crate::{Fallible, Maker, Report, Rig, lease, pool};
use sightline_domain::PixelFormat;
use sightline_engine::{Batch, BatchView, Engine, Reference, ReferencePicture};
use sightline_frames::FramePool;
use sightline_tensorrt::device::cuda::Cuda;
use sightline_tensorrt::engine::{GpuEngine, Timeline};
use std::sync::Arc;
use std::time::Instant;

pub const CAMERAS: usize = 16;

/// Pictures of the size the network wants, and their golden picture where it wants one.
pub struct Pictures {
    picture: ReferencePicture,
    reference: Option<Arc<ReferencePicture>>,
    pool: FramePool,
}

impl Pictures {
    pub fn new<M>(rig: &Rig<M>, slots: usize) -> Fallible<Self> {
        let spec = &rig.bundle.manifest().input;
        let picture = ReferencePicture::blank(spec.width, spec.height, PixelFormat::Gray8);
        Ok(Self {
            reference: spec.wants_reference().then(|| Arc::new(picture.clone())),
            pool: pool(slots, picture.bytes.len())?,
            picture,
        })
    }

    /// One of each camera from the first on, `size` in all.
    pub fn batch(&self, first: usize, size: usize) -> Fallible<Batch> {
        let ReferencePicture {
            width,
            height,
            format,
            ref bytes,
            ..
        } = self.picture;
        let mut batch = Batch::with_capacity(size, size);
        for place in 0..size {
            let camera = ((first + place) % CAMERAS) as u16;
            batch.push_whole(BatchView {
                lease: lease(&self.pool, camera, (width, height, format), bytes)?,
                reference: self.reference.clone().map(Reference::Shared),
                tag: tag(),
            });
        }
        Ok(batch)
    }
}

pub fn check<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    let runs = rig.runs;
    let mut engine = rig.engine(M::USUAL)?;
    let largest = engine.info().max_batch;
    let mut us = Vec::new();
    for batch in [1, 2, 4, largest] {
        engine.replay_us(batch, runs.min(50))?;
        let each = engine.replay_us(batch, runs)? / runs as f64;
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
    let ceiling = largest as f64 * 1e6 / us[3];
    line(rig, report, &mut engine, largest, ceiling)
}

/// Two batches in flight, from 16 cameras, as fast as it goes.
fn line<M: Maker>(
    rig: &Rig<M>,
    report: &mut Report,
    engine: &mut GpuEngine<Cuda<M::Network>>,
    size: usize,
    ceiling: f64,
) -> Fallible<()> {
    let runs = rig.runs;
    let pictures = Pictures::new(rig, 2 * size + 2)?;
    let batch = |number: usize| pictures.batch(number * size, size);
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
    while number < runs {
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
    let rate = (runs * size) as f64 / start.elapsed().as_secs_f64();
    let ratio = rate / ceiling;
    let words = format!("{rate:.0} of {ceiling:.0} regions/s: {ratio:.3}");
    report.row(
        "engine loop, 16 cameras: >= 0.95 of the replay",
        ratio >= 0.95,
        &words,
    );
    let words = format!(
        "{overlapped} of {} uploads began before the network of the batch before ended",
        runs - 3
    );
    report.row(
        "uploads overlap the network",
        overlapped * 10 >= (runs - 3) * 9,
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
        &format!("{made} in {runs} batches"),
    );
    Ok(())
}
