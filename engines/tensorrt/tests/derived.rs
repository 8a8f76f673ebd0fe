//! Derived files run in ONNX Runtime and find what the originals find, on the shipped bundle's golden pictures.

use sightline_domain::{
    CameraId, FrameId, FrameMeta, Generation, Health, MonoTime, PixelFormat, Timing,
};
use sightline_domain::{TrackId, UtcMicros, ViewId, ViewTag};
use sightline_engine::bundle::draft::ModelInfo;
use sightline_engine::{Batch, BatchView, Bundle, Engine, EngineSettings, Precision, Reference};
use sightline_engine::{ReferencePicture, RegionOutput};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};
use sightline_onnx::{LibrarySearch, OnnxFactory};
use sightline_tensorrt::derive::{Derivation, derive};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/pcb-detector")
}

/// The shipped bundle with the file of `precision` in another form.
fn bundle_with(bytes: &[u8], precision: Precision) -> (tempfile::TempDir, Bundle) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&shipped(), folder.path());
    let manifest = folder.path().join("manifest.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let mut manifest_table: toml::Table = text.parse().expect("TOML");
    let info = ModelInfo::of_bytes("model", bytes);
    for file in manifest_table["files"].as_array_mut().expect("files") {
        let file = file.as_table_mut().expect("a file");
        let is = |key: &str, value: &str| file.get(key).and_then(|v| v.as_str()) == Some(value);
        if is("role", "model") && is("precision", precision.name()) {
            let path = folder.path().join(file["path"].as_str().expect("a path"));
            fs::write(path, bytes).expect("room");
            file.insert("sha256".into(), info.sha256.clone().into());
            file.insert("size".into(), (info.size as i64).into());
        }
    }
    fs::write(&manifest, manifest_table.to_string()).expect("room");
    let bundle = Bundle::load(folder.path()).expect("a sound bundle");
    (folder, bundle)
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("room");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("room");
        }
    }
}

fn read(path: &Path) -> ReferencePicture {
    let image = image::open(path).expect("a picture").into_luma8();
    let mut picture = ReferencePicture::blank(image.width(), image.height(), PixelFormat::Gray8);
    let row = image.width() as usize;
    for (to, from) in picture
        .bytes
        .chunks_mut(picture.layout.strides[0])
        .zip(image.chunks(row))
    {
        to[..row].copy_from_slice(from);
    }
    picture
}

/// What the bundle's model says of its golden pictures.
fn answers(bundle: &Bundle, precision: Precision) -> Vec<RegionOutput> {
    let factory =
        OnnxFactory::new(&LibrarySearch::usual(None)).expect("ONNX Runtime (`make setup`)");
    let settings = EngineSettings {
        precision: Some(precision),
        ..EngineSettings::default()
    };
    let mut engine = factory.engine(bundle, &settings).expect("a file that runs");
    let pool = FramePool::new(PoolConfig {
        name: "test".into(),
        slots: 1,
        slot_bytes: 1 << 22,
        memory: MemoryWish::Plain,
    })
    .expect("a small pool");
    let goldens = bundle.goldens().expect("golden pictures");
    assert!(!goldens.is_empty());
    let answer = |golden: &sightline_engine::bundle::golden::Golden| {
        let (view, reference) = (read(&golden.image), golden.reference.as_deref().map(read));
        let mut slot = pool.open().expect("a free slot");
        slot.bytes_mut()[..view.bytes.len()].copy_from_slice(&view.bytes);
        let meta = FrameMeta {
            camera: CameraId(0),
            frame_id: FrameId(0),
            captured: MonoTime(0),
            captured_utc: UtcMicros(0),
            timing: Timing::default(),
            numbered: true,
            width: view.width,
            height: view.height,
            format: view.format,
            levels: sightline_domain::Levels::guessed(view.format, view.height),
            layout: view.layout,
            health: Health::Ok,
            host_copies: 0,
        };
        let mut batch = Batch::default();
        batch.push_whole(BatchView {
            lease: slot.seal(meta).expect("it fits"),
            reference: reference.map(|r| Reference::Shared(Arc::new(r))),
            tag: ViewTag {
                track_id: TrackId(1),
                view: ViewId(0),
                generation: Generation(1),
                deadline: MonoTime(0),
                enqueued: MonoTime(0),
            },
        });
        engine.submit(batch).expect("room");
        let done = engine.collect().expect("one").expect("no fault");
        done.outputs[0].clone()
    };
    goldens.iter().map(answer).collect()
}

/// Largest distances of edges and scores; every finding of some weight must have its partner.
fn apart(got: &[RegionOutput], want: &[RegionOutput]) -> (f32, f32) {
    let (mut px, mut score, mut compared) = (0.0_f32, 0.0_f32, 0);
    for (got, want) in got.iter().zip(want) {
        for a in want.detections.iter().filter(|d| d.score >= 0.25) {
            let same = got.detections.iter().filter(|b| b.class == a.class);
            let best = same.max_by(|b, c| {
                b.bbox_view
                    .iou(&a.bbox_view)
                    .total_cmp(&c.bbox_view.iou(&a.bbox_view))
            });
            let b = best.unwrap_or_else(|| panic!("{a:?} has no partner"));
            let (p, q) = (a.bbox_view, b.bbox_view);
            for d in [
                p.x - q.x,
                p.y - q.y,
                p.x + p.w - q.x - q.w,
                p.y + p.h - q.y - q.h,
            ] {
                px = px.max(d.abs());
            }
            score = score.max((a.score - b.score).abs());
            compared += 1;
        }
    }
    assert!(compared > 5, "only {compared} findings were compared");
    println!("{compared} findings: {px} px, {score} apart at worst");
    (px, score)
}

fn original(precision: Precision) -> (Bundle, Vec<u8>) {
    let bundle = Bundle::load(&shipped()).expect("the shipped bundle");
    let file = bundle.model_file(Some(precision)).expect("a file");
    let bytes = bundle.read_model(&file).expect("its bytes");
    (bundle, bytes)
}

#[test]
fn fp16_finds_what_fp32_finds() {
    let (bundle, bytes) = original(Precision::Fp32);
    let half = derive(&bytes, Derivation::Half { half_input: false }).expect("FP16");
    assert!(
        half.len() < bytes.len() * 6 / 10,
        "{} of {} bytes",
        half.len(),
        bytes.len()
    );
    assert_eq!(
        half,
        derive(&bytes, Derivation::Half { half_input: false }).expect("again")
    );
    let (_folder, derived) = bundle_with(&half, Precision::Fp32);
    let (px, score) = apart(
        &answers(&derived, Precision::Fp32),
        &answers(&bundle, Precision::Fp32),
    );
    assert!(px <= 1.0 && score <= 0.01, "{px} px, {score}");
}

#[test]
fn s8_finds_what_u8_finds() {
    let (bundle, bytes) = original(Precision::Int8);
    let signed = derive(&bytes, Derivation::Signed).expect("s8");
    assert_eq!(signed, derive(&bytes, Derivation::Signed).expect("again"));
    let (_folder, derived) = bundle_with(&signed, Precision::Int8);
    let (px, score) = apart(
        &answers(&derived, Precision::Int8),
        &answers(&bundle, Precision::Int8),
    );
    // u8 activations around 0 lose their last bit in s8; on an integer engine the bound of the GPU's own is 0.02
    assert!(px <= 2.0 && score <= 0.03, "{px} px, {score}");
}

#[test]
fn what_cannot_be_derived_from_is_told_with_both_sides() {
    let words = |bytes: &[u8], into| derive(bytes, into).expect_err("refused").to_string();
    let half = Derivation::Half { half_input: true };
    assert!(words(b"rubbish", half).contains("expected an ONNX file"));
    let (_, fp32) = original(Precision::Fp32);
    assert!(words(&fp32, Derivation::Signed).contains("quantised with QDQ pairs, found none"));
    let (_, int8) = original(Precision::Int8);
    assert!(words(&int8, half).contains("found a quantised one"));
}
