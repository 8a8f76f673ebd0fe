//! A small bundle's manifest, views of noise, and what the CPU says of them.

use crate::device::scripted::{Function, Scripted};
use crate::engine::{GpuEngine, Network};
use sightline_domain::{
    BoxView, CameraId, FrameId, FrameMeta, Generation, Health, MonoTime, Timing,
};
use sightline_domain::{PixelFormat, TrackId, UtcMicros, ViewId, ViewTag};
use sightline_engine::bundle::Manifest;
use sightline_engine::decode::Decoder;
use sightline_engine::preprocess::Preprocessor;
use sightline_engine::{Batch, BatchView, EngineInfo, Reference, ReferencePicture, RegionOutput};
use sightline_engine::{Task, bundle::ClassSpec};
use sightline_frames::{FramePool, Lease, MemoryWish, PoolConfig};
use std::sync::Arc;

/// Rows of the small head.
pub const ROWS: usize = 24;
pub const CLASSES: usize = 3;
pub const MAX_BATCH: usize = 3;

pub fn manifest(head: &str, color: &str, resize: &str, channels: &str) -> Manifest {
    let planes = if color == "gray" { 1 } else { 3 };
    let (mean, std) = (vec![0.4_f32; planes], vec![0.25_f32; planes]);
    let task = if head == "classifier" {
        "classify"
    } else {
        "detect"
    };
    let activation = if head == "classifier" {
        "activation = \"softmax\""
    } else {
        ""
    };
    let mut text = format!(
        "schema = \"sightline.bundle.v1\"\nname = \"small\"\nversion = \"1.0.0\"\ntask = \"{task}\"\nlicense = \"x\"\nsource = \"x\"\nmin_app = \"0.1.0\"\nfiles = []\n\
         [input]\nname = \"images\"\nwidth = 40\nheight = 32\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"{color}\"\nscale = 0.00392156862745098\nmean = {mean:?}\nstd = {std:?}\nresize = \"{resize}\"\nchannels = {channels}\n\
         [decoder]\nkind = \"{head}\"\nversion = 1\nscore_floor = 0.2\niou_threshold = 0.4\nmax_detections = 6\n{activation}\n"
    );
    for id in 0..CLASSES {
        text += &format!(
            "[[classes]]\nid = {id}\ncode = \"c{id}\"\nname = {{ en = \"c{id}\" }}\nseverity = \"major\"\ndefault_limit = 0.5\n"
        );
    }
    toml::from_str(&text).expect("a manifest")
}

pub fn network(manifest: &Manifest, half_input: bool) -> Network {
    let dims = match manifest.decoder.kind.name() {
        "classifier" => vec![CLASSES],
        "yolo-v10" => vec![ROWS, 6],
        "yolo-v5" | "yolox" => vec![ROWS, 5 + CLASSES],
        _ => vec![4 + CLASSES, ROWS],
    };
    Network::new(
        manifest.input.clone(),
        half_input,
        dims,
        (MAX_BATCH, false),
        64,
    )
}

pub fn info(manifest: &Manifest) -> EngineInfo {
    EngineInfo {
        name: "tensorrt/test".into(),
        bundle: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: "0".repeat(64),
        task: if manifest.task == Task::Detect {
            Task::Detect
        } else {
            Task::Classify
        },
        classes: manifest.classes.iter().map(ClassSpec::info).collect(),
        input_size: (manifest.input.width, manifest.input.height),
        wants_reference: manifest.input.wants_reference(),
        preferred_batch: 1,
        max_batch: 1,
        depth: 1,
    }
}

/// Output that depends on every part of the input: noise seeded by sums over it.
pub fn mixed(network: &Network, count: usize, input: &[u8], output: &mut [f32]) {
    let each = network.output_dims.iter().product::<usize>();
    for region in 0..count {
        let bytes = &input[region * network.input_bytes()..][..network.input_bytes()];
        let values: &[f32] = bytemuck::cast_slice(bytes);
        one(network, values, &mut output[region * each..][..each]);
    }
}

fn one(network: &Network, values: &[f32], output: &mut [f32]) {
    // coarse, so that the last bits of preprocessing do not matter
    let parts: Vec<i64> = values
        .chunks(values.len() / 8)
        .map(|part| {
            (part.iter().map(|v| f64::from(*v)).sum::<f64>() / part.len() as f64 * 50.0).round()
                as i64
        })
        .collect();
    let mut state = parts
        .iter()
        .fold(7_u64, |s, p| s.wrapping_mul(31).wrapping_add(*p as u64));
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let (rows, columns) = (
        network.output_dims[0],
        *network.output_dims.last().unwrap_or(&1),
    );
    for (i, value) in output.iter_mut().enumerate() {
        // boxes are in tensor pixels, scores in 0..1; which is which depends on the head
        let is_box = match (rows, columns) {
            (CLASSES, CLASSES) => false,
            (ROWS, _) => i % columns < 4,
            _ => i / columns < 4,
        };
        *value = if is_box { next() * 32.0 } else { next() };
    }
}

pub fn pool(slots: usize) -> FramePool {
    FramePool::new(PoolConfig {
        name: "test".into(),
        slots,
        slot_bytes: 64 * 1024,
        memory: MemoryWish::Plain,
    })
    .expect("a small pool")
}

pub fn noise(seed: u64, width: u32, height: u32, format: PixelFormat) -> ReferencePicture {
    let mut picture = ReferencePicture::blank(width, height, format);
    let mut state = seed | 1;
    let level = (seed.wrapping_mul(97) % 200) as u8;
    for byte in &mut picture.bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = level.wrapping_add((state >> 58) as u8);
    }
    picture
}

pub fn lease(pool: &FramePool, camera: u16, picture: &ReferencePicture) -> Lease {
    let mut slot = pool.open().expect("a free slot");
    slot.bytes_mut()[..picture.bytes.len()].copy_from_slice(&picture.bytes);
    slot.seal(FrameMeta {
        camera: CameraId(camera),
        frame_id: FrameId(0),
        captured: MonoTime(0),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: true,
        width: picture.width,
        height: picture.height,
        format: picture.format,
        levels: sightline_domain::Levels::guessed(picture.format, picture.height),
        layout: picture.layout,
        health: Health::Ok,
        host_copies: 0,
    })
    .expect("a layout that fits")
}

/// Views of `seeds`, one a camera, with a crop on the last one too.
pub fn batch(pool: &FramePool, seeds: &[u64], reference: bool) -> Batch {
    let mut batch = Batch::default();
    for (camera, &seed) in seeds.iter().enumerate() {
        let picture = noise(seed, 50, 34, PixelFormat::Gray8);
        let golden = noise(seed + 500, 50, 34, PixelFormat::Gray8);
        batch.push_whole(BatchView {
            lease: lease(pool, camera as u16, &picture),
            reference: reference.then(|| Reference::Shared(Arc::new(golden))),
            tag: ViewTag {
                track_id: TrackId(1),
                view: ViewId(camera as u16),
                generation: Generation(1),
                deadline: MonoTime(0),
                enqueued: MonoTime(0),
            },
        });
    }
    if let Some(view) = batch.views.len().checked_sub(1) {
        let crop = Some(BoxView {
            x: 7.0,
            y: 5.0,
            w: 20.0,
            h: 21.0,
        });
        batch.regions.push(sightline_engine::Region { view, crop });
    }
    batch
}

/// What preprocessing, network and decoder on the CPU say of the batch.
pub fn expected(manifest: &Manifest, network: &Network, batch: &Batch) -> Vec<RegionOutput> {
    let mut preprocessor = Preprocessor::new(&manifest.input);
    let mut decoder = Decoder::new(manifest);
    let mut answers = Vec::new();
    for region in &batch.regions {
        let view = &batch.views[region.view];
        let reference = view.reference.as_ref().map(Reference::picture);
        let mut tensor = vec![0.0; manifest.input.elements()];
        let placed = preprocessor
            .run(view.lease.picture(), reference, region.crop, &mut tensor)
            .expect("a sound picture");
        let mut values = vec![0.0; network.output_dims.iter().product()];
        one(network, &tensor, &mut values);
        let mut output = RegionOutput::default();
        decoder
            .decode(&values, &network.output_dims, &placed, &mut output)
            .expect("a sound output");
        // for people who prove a model, which is done with the decoders
        output.stray = None;
        answers.push(output);
    }
    answers
}

pub fn engine(manifest: &Manifest, function: Function, seed: u64) -> GpuEngine<Scripted> {
    let network = network(manifest, false);
    let device = Scripted::new(network.clone(), function, seed);
    GpuEngine::new(device, network, manifest, info(manifest)).expect("nothing fails")
}
