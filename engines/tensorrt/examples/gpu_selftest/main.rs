//! What only a GPU can show, as a table of passes and failures:
//! `scripts/tensorrt selftest [BUNDLE] [--max-batch N] [--runs N] [--no-fault]`, or, where TensorRT and CUDA are installed,
//! `cargo run --release -p sightline-tensorrt --features tensorrt --example gpu_selftest -- …` with the same arguments.
//!
//! With `--plain` the network runs in plain kernels of our own, for GPUs that TensorRT does not take; everything around it is
//! tried all the same. That needs NVRTC alone, and no feature.
//!
//! Ends with 0 if everything passed. The bounds are those of docs/jetson.md.

mod boxes;
mod fault;
mod makers;
mod paced;
mod pixels;
mod rest;
mod speed;

use makers::{Maker, Plain};
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Health, MonoTime, PixelFormat, Timing, UtcMicros,
};
use sightline_engine::{Bundle, EngineSettings, Precision};
use sightline_frames::{FramePool, Lease, MemoryWish, PoolConfig};
use sightline_tensorrt::device::cuda::Cuda;
use sightline_tensorrt::engine::GpuEngine;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// The table.
#[derive(Default)]
struct Report {
    failed: usize,
}

impl Report {
    fn row(&mut self, what: &str, passed: bool, words: &str) {
        self.failed += usize::from(!passed);
        println!(
            "{}  {what:<44} {words}",
            if passed { "pass" } else { "FAIL" }
        );
    }

    fn say(&self, what: &str, words: &str) {
        println!("      {what:<44} {words}");
    }

    /// A part that could not even run fails, and the rest goes on.
    fn part(&mut self, what: &str, part: impl FnOnce(&mut Self) -> Fallible<()>) {
        if let Err(error) = part(self) {
            self.row(what, false, &error.to_string());
        }
    }
}

/// What every part works with.
struct Rig<M> {
    maker: M,
    bundle: Bundle,
    max_batch: usize,
    /// Batches of a measurement.
    runs: usize,
    /// Provoke a real fault at the end.
    fault: bool,
}

impl<M: Maker> Rig<M> {
    fn new(maker: M, bundle: Bundle, max_batch: usize, runs: usize, fault: bool) -> Self {
        Self {
            maker,
            bundle,
            max_batch,
            runs,
            fault,
        }
    }

    fn settings(&self, precision: Precision) -> EngineSettings {
        EngineSettings {
            precision: Some(precision),
            max_batch: self.max_batch,
            provider: "tensorrt".to_owned(),
            ..EngineSettings::default()
        }
    }

    fn engine(&self, precision: Precision) -> Fallible<GpuEngine<Cuda<M::Network>>> {
        Ok(self.maker.engine(&self.bundle, &self.settings(precision))?)
    }
}

fn main() -> ExitCode {
    let mut report = Report::default();
    match run(&mut report) {
        Ok(()) if report.failed == 0 => ExitCode::SUCCESS,
        Ok(()) => {
            println!("{} failed", report.failed);
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("FAIL  {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(report: &mut Report) -> Fallible<()> {
    let mut bundle = PathBuf::from("models/pcb-detector");
    let (mut max_batch, mut runs, mut plain, mut fault) = (8, 300, false, true);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--max-batch" => max_batch = arguments.next().ok_or("--max-batch N")?.parse()?,
            "--runs" => runs = arguments.next().ok_or("--runs N")?.parse()?,
            "--plain" => plain = true,
            "--no-fault" => fault = false,
            path => bundle = path.into(),
        }
    }
    let bundle = Bundle::load(&bundle)?;
    if plain {
        let maker = Plain::new()?;
        return all(&Rig::new(maker, bundle, max_batch, runs, fault), report);
    }
    #[cfg(feature = "tensorrt")]
    {
        let maker = makers::tensorrt()?;
        all(&Rig::new(maker, bundle, max_batch, runs, fault), report)
    }
    #[cfg(not(feature = "tensorrt"))]
    Err("expected --plain, or a build with `--features tensorrt`".into())
}

fn all<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    report.say("network", &rig.maker.words());
    report.part("start", |report| starts(rig, report));
    report.part("preprocessing", |report| pixels::check(rig, report));
    for &precision in M::PRECISIONS {
        let what = format!("boxes, {}", precision.name());
        report.part(&what, |report| boxes::check(rig, precision, report));
    }
    report.part("speed", |report| speed::check(rig, report));
    report.part("paced", |report| paced::check(rig, report));
    report.part("rest", |report| rest::check(rig, report));
    if rig.fault {
        // last: nothing of this process works on the GPU after it
        report.part("fault", |report| fault::check(rig, report));
    }
    Ok(())
}

/// An engine is built once, then taken from the store.
fn starts<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    let start = Instant::now();
    let mut engine = rig.engine(M::USUAL)?;
    let first = start.elapsed();
    report.say("GPU", &format!("{:?}", engine.device().gpu().facts()));
    drop(engine);
    let start = Instant::now();
    drop(rig.engine(M::USUAL)?);
    let second = start.elapsed();
    let words = format!("first {first:.1?}, then {second:.1?}");
    report.row("the second start is no slower", second <= first, &words);
    Ok(())
}

fn pool(slots: usize, slot_bytes: usize) -> Fallible<FramePool> {
    Ok(FramePool::new(PoolConfig {
        name: "self-test".into(),
        slots,
        slot_bytes,
        memory: MemoryWish::CudaPinned,
    })?)
}

/// A picture of these bytes, in the format's default layout.
fn lease(
    pool: &FramePool,
    camera: u16,
    (width, height, format): (u32, u32, PixelFormat),
    bytes: &[u8],
) -> Fallible<Lease> {
    let mut slot = pool.open().ok_or("no free slot")?;
    slot.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    let meta = FrameMeta {
        camera: CameraId(camera),
        frame_id: FrameId(0),
        captured: MonoTime(0),
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
    };
    Ok(slot.seal(meta)?)
}
