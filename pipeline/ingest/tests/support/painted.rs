//! Pictures with numbers painted in, what becomes of them, and whether that is damaged.

use super::{camera, context, wait};
use gstreamer::{self as gst, prelude::*};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sightline_configs::station::{Camera, Source};
use sightline_domain::Health;
use sightline_frames::{TapSink, Tapped};
use sightline_ingest::{CameraContext, CameraHandle, start};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 240;
/// Encoders that more than one test uses, without the sink's location.
pub const H264: &str = "x264enc threads=1 key-int-max=20 bframes=0 ! video/x-h264,stream-format=byte-stream ! filesink";
pub const H264_SLICES: &str = "x264enc threads=1 key-int-max=20 bframes=0 option-string=slices=4 ! \
                           video/x-h264,stream-format=byte-stream ! filesink";
/// Side of a block.
const BLOCK: usize = 16;
const BITS: usize = 16;
/// A block whose mean difference is larger is another one.
const CLEARLY: u32 = 12;
const LONG: Duration = Duration::from_secs(60);

pub fn dice(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// How often more than in the short run, `SIGHTLINE_TORTURE`.
pub fn times() -> usize {
    let asked = std::env::var("SIGHTLINE_TORTURE").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// A textured scene that moves, with its number in the first row of blocks.
pub fn paint(number: usize) -> Vec<u8> {
    let mut noise = dice(number as u64);
    let mut pixels = vec![0; WIDTH * HEIGHT];
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = (at % WIDTH, at / WIDTH);
        let waves = ((x + 3 * number) as f64 / 9.0).sin() * ((y + number) as f64 / 7.0).cos();
        let board = if (x + 2 * number) / 40 % 2 == (y + number) / 30 % 2 {
            40.0
        } else {
            0.0
        };
        *pixel = (100.0 + 45.0 * waves + board) as u8 + noise.random_range(0..6);
    }
    for bit in 0..BITS {
        let level = if number >> bit & 1 == 1 { 210 } else { 40 };
        for y in 0..BLOCK {
            pixels[y * WIDTH + bit * BLOCK..][..BLOCK].fill(level);
        }
    }
    pixels
}

fn number(pixels: &[u8]) -> usize {
    (0..BITS).fold(0, |n, bit| {
        let (x, y) = (bit * BLOCK + BLOCK / 2, BLOCK / 2);
        n | usize::from(pixels[y * WIDTH + x] > 125) << bit
    })
}

/// Share of blocks that are clearly other ones.
fn differing(a: &[u8], b: &[u8]) -> f64 {
    let (across, down) = (WIDTH / BLOCK, HEIGHT / BLOCK);
    let other = |block: usize| {
        let (x, y) = (block % across * BLOCK, block / across * BLOCK);
        let sum: u32 = (0..BLOCK * BLOCK)
            .map(|p| (y + p / BLOCK) * WIDTH + x + p % BLOCK)
            .map(|at| u32::from(a[at].abs_diff(b[at])))
            .sum();
        sum > CLEARLY * (BLOCK * BLOCK) as u32
    };
    (0..across * down).filter(|b| other(*b)).count() as f64 / (across * down) as f64
}

/// Runs a pipeline of the test's own to its end.
pub fn gst_run(description: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(description).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted)
        .unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Encodes painted pictures; `encoder` ends in a sink without its location.
pub fn encode(folder: &Path, count: usize, fps: u32, encoder: &str, to: &str) {
    let raw = folder.join("raw.gray");
    let pixels: Vec<u8> = (0..count).flat_map(paint).collect();
    std::fs::write(&raw, pixels).unwrap();
    gst_run(&format!(
        "filesrc location={} blocksize={} ! rawvideoparse width={WIDTH} height={HEIGHT} format=gray8 framerate={fps}/1 ! \
         videoconvert ! video/x-raw,format=I420 ! {encoder} location={}",
        raw.display(),
        WIDTH * HEIGHT,
        folder.join(to).display()
    ));
}

/// Keeps what a camera gives: its pixels and its health.
#[derive(Default)]
pub struct Album(Mutex<Vec<(Vec<u8>, Health)>>);

impl TapSink for Album {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        if let Tapped::View(view) = item {
            let picture = view.lease.picture();
            let stride = picture.layout.strides[0];
            let right = (picture.width, picture.height) == (WIDTH as u32, HEIGHT as u32);
            let rows = (0..HEIGHT).filter(|_| right);
            let pixels = rows
                .flat_map(|y| &picture.bytes[y * stride..][..WIDTH])
                .copied();
            let kept = (pixels.collect(), view.lease.meta().health);
            self.0.lock().unwrap().push(kept);
        }
        Ok(())
    }
}

pub fn pipeline(description: &str) -> Camera {
    let mut config = camera(Source::Pipeline {
        description: description.into(),
        ends: true,
    });
    config.slots = 32;
    config.stall_ms = 30_000;
    config.retry.give_up_after = Some(1);
    config
}

pub fn open(config: Camera, folder: &Path, album: &Arc<Album>) -> CameraHandle {
    let ctx = context(config, Arc::default(), folder);
    let sink = Arc::clone(album) as Arc<dyn TapSink>;
    start(CameraContext { sink, ..ctx }).unwrap()
}

/// Everything that a camera with an end gives.
pub fn play(config: Camera, folder: &Path) -> Arc<Album> {
    let album = Arc::<Album>::default();
    let cam = open(config, folder, &album);
    wait(&cam, LONG, |c| c.done());
    let _ = cam.stop();
    album
}

/// What became of many pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub pictures: usize,
    pub damaged: usize,
    /// Damaged, and not marked.
    pub passed: usize,
    /// Sound, and marked.
    pub accused: usize,
    /// The largest share of blocks of one that passed.
    pub worst: f64,
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.pictures += other.pictures;
        self.damaged += other.damaged;
        self.passed += other.passed;
        self.accused += other.accused;
        self.worst = self.worst.max(other.worst);
    }
}

/// The pictures as they come out undamaged, by number.
pub struct Truth(BTreeMap<usize, Vec<u8>>);

impl Truth {
    /// Of an undamaged source; none of it may be marked.
    pub fn of(name: &str, album: &Album) -> Self {
        let all = album.0.lock().unwrap();
        let marked = all
            .iter()
            .filter(|(_, health)| *health != Health::Ok)
            .count();
        assert_eq!(
            marked,
            0,
            "{name}: undamaged pictures are marked ({} in all)",
            all.len()
        );
        Self(
            all.iter()
                .map(|(pixels, _)| (number(pixels), pixels.clone()))
                .collect(),
        )
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn score(&self, album: &Album) -> Score {
        let mut score = Score::default();
        for (pixels, health) in album.0.lock().unwrap().iter() {
            let known = (!pixels.is_empty())
                .then(|| self.0.get(&number(pixels)))
                .flatten();
            let share = known.map_or(1.0, |known| differing(known, pixels));
            let (damaged, marked) = (share > 0.01, *health == Health::Corrupt);
            score += Score {
                pictures: 1,
                damaged: usize::from(damaged),
                passed: usize::from(damaged && !marked),
                accused: usize::from(!damaged && marked),
                worst: if damaged && !marked { share } else { 0.0 },
            };
        }
        score
    }
}
