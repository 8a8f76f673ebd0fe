//! Bundles of the tiny models, views of one level, and an engine to run them.
#![allow(dead_code, reason = "each test binary uses its part")]

use sightline_domain::{
    CameraId, FrameId, FrameMeta, Generation, Health, MonoTime, PixelFormat, Timing,
};
use sightline_domain::{TrackId, UtcMicros, ViewId, ViewTag};
use sightline_engine::bundle::draft::ModelInfo;
use sightline_engine::{Batch, BatchView, Bundle, EngineError, EngineSettings, Reference};
use sightline_engine::{ReferencePicture, RegionOutput};
use sightline_frames::{FramePool, Lease, MemoryWish, PoolConfig};
use sightline_onnx::{LibrarySearch, OnnxEngine, OnnxFactory};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Side of the tiny models' input and of the views.
pub const SIDE: u32 = 32;

pub const DETECTOR: &str = "kind = \"yolo-v8\"\nversion = 1\nscore_floor = 0.05\n";
pub const CLASSIFIER: &str = "kind = \"classifier\"\nversion = 1\nactivation = \"softmax\"\n";

pub fn factory() -> OnnxFactory {
    OnnxFactory::new(&LibrarySearch::usual(None)).expect("ONNX Runtime, which `make setup` unpacks")
}

pub fn model_bytes(model: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    std::fs::read(folder.join(format!("{model}.onnx"))).expect("a model of tests/models")
}

/// What a test's manifest says.
pub struct Spec<'a> {
    pub bytes: Vec<u8>,
    pub precision: &'a str,
    pub decoder: &'a str,
    pub input: &'a str,
    pub side: u32,
    pub channels: &'a str,
    pub classes: usize,
}

impl Spec<'static> {
    pub fn of(model: &str) -> Self {
        Self {
            bytes: model_bytes(model),
            precision: "fp32",
            decoder: DETECTOR,
            input: "images",
            side: SIDE,
            channels: "[\"image\"]",
            classes: 2,
        }
    }
}

/// Writes the bundle and loads it.
pub fn bundle(spec: &Spec<'_>) -> (TempDir, Bundle) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let info = ModelInfo::of_bytes("model.onnx", &spec.bytes);
    std::fs::write(dir.path().join("model.onnx"), &spec.bytes).expect("room for a model");
    let task = if spec.decoder.contains("classifier") {
        "classify"
    } else {
        "detect"
    };
    let mut manifest = format!(
        "schema = \"sightline.bundle.v1\"\nname = \"tiny\"\nversion = \"1.0.0\"\ntask = \"{task}\"\nlicense = \"Apache-2.0\"\nsource = \"make_models.py\"\nmin_app = \"0.1.0\"\n\
         [[files]]\npath = \"model.onnx\"\nrole = \"model\"\nprecision = \"{}\"\nsha256 = \"{}\"\nsize = {}\n\
         [input]\nname = \"{}\"\nwidth = {side}\nheight = {side}\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"gray\"\nscale = 0.00392156862745098\nmean = [0.0]\nstd = [1.0]\nresize = \"letterbox\"\nchannels = {}\n\
         [decoder]\n{}",
        spec.precision,
        info.sha256,
        info.size,
        spec.input,
        spec.channels,
        spec.decoder,
        side = spec.side,
    );
    for id in 0..spec.classes {
        manifest += &format!(
            "[[classes]]\nid = {id}\ncode = \"c{id}\"\nname = {{ en = \"class {id}\" }}\nseverity = \"major\"\ndefault_limit = 0.5\n"
        );
    }
    std::fs::write(dir.path().join("manifest.toml"), manifest).expect("room for a manifest");
    let bundle = Bundle::load(dir.path()).expect("a sound bundle");
    (dir, bundle)
}

pub fn engine(spec: &Spec<'_>, max_batch: usize) -> Result<OnnxEngine, EngineError> {
    let (_dir, bundle) = bundle(spec);
    let settings = EngineSettings {
        max_batch,
        ..EngineSettings::default()
    };
    factory().engine(&bundle, &settings)
}

pub fn pool(slots: usize, slot_bytes: usize) -> FramePool {
    FramePool::new(PoolConfig {
        name: "test".into(),
        slots,
        slot_bytes,
        memory: MemoryWish::Plain,
    })
    .expect("a small pool")
}

/// A view of `SIDE` x `SIDE` whose every pixel is `level`.
pub fn lease(pool: &FramePool, level: u8) -> Lease {
    let layout = PixelFormat::Gray8.default_layout(SIDE, SIDE);
    lease_of(
        pool,
        SIDE,
        SIDE,
        PixelFormat::Gray8,
        &vec![level; layout.len],
    )
}

pub fn lease_of(
    pool: &FramePool,
    width: u32,
    height: u32,
    format: PixelFormat,
    pixels: &[u8],
) -> Lease {
    let mut slot = pool.open().expect("a free slot");
    slot.bytes_mut()[..pixels.len()].copy_from_slice(pixels);
    slot.seal(FrameMeta {
        camera: CameraId(0),
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
    })
    .expect("a layout that fits")
}

pub fn view(lease: Lease) -> BatchView {
    BatchView {
        lease,
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

pub fn shared_reference(level: u8) -> Reference {
    let mut picture = ReferencePicture::blank(SIDE, SIDE, PixelFormat::Gray8);
    picture.bytes.fill(level);
    Reference::Shared(Arc::new(picture))
}

/// A batch of whole views of these levels.
pub fn levels(pool: &FramePool, levels: &[u8]) -> Batch {
    let mut batch = Batch::default();
    for &level in levels {
        batch.push_whole(view(lease(pool, level)));
    }
    batch
}

/// Class and score of each finding.
pub fn scores(output: &RegionOutput) -> Vec<(u16, f32)> {
    output
        .detections
        .iter()
        .map(|d| (d.class.0, d.score))
        .collect()
}
