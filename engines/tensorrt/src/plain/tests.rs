//! The plain kernels, compiled for the host, against ONNX Runtime: the shipped board detector on its golden pictures.

use super::program::Program;
use super::{Bases, PlainKernel};
use crate::device::scripted::host_kernels;
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Generation, Health, MonoTime, PixelFormat, Timing,
};
use sightline_domain::{TrackId, UtcMicros, ViewId, ViewTag};
use sightline_engine::decode::Decoder;
use sightline_engine::preprocess::{Preprocessor, plan};
use sightline_engine::{Batch, BatchView, Bundle, Engine, EngineSettings, Precision};
use sightline_engine::{Reference, ReferencePicture, RegionOutput};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};
use sightline_onnx::{LibrarySearch, OnnxFactory};
use std::path::Path;
use std::sync::Arc;

fn bundle() -> Bundle {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/pcb-detector");
    Bundle::load(&path).expect("the shipped bundle")
}

fn picture(path: &Path) -> ReferencePicture {
    let image = image::open(path).expect("a picture").into_luma8();
    let mut picture = ReferencePicture::blank(image.width(), image.height(), PixelFormat::Gray8);
    picture.bytes[..image.as_raw().len()].copy_from_slice(image.as_raw());
    picture
}

/// The findings of two pictures at once, through the plain kernels.
fn plain(bundle: &Bundle, pairs: &[(ReferencePicture, ReferencePicture)]) -> Vec<RegionOutput> {
    let spec = &bundle.manifest().input;
    let file = bundle.model_file(Some(Precision::Fp32)).expect("FP32");
    let onnx = bundle.read_model(&file).expect("readable");
    let sides = [spec.planes(), spec.height as usize, spec.width as usize];
    let program = Program::of(&onnx, sides).expect("operators that are known");
    let each = spec.elements();
    let mut input = vec![0.0_f32; each * pairs.len()];
    for (pair, tensor) in pairs.iter().zip(input.chunks_exact_mut(each)) {
        let (view, reference) = (pair.0.picture(), pair.1.picture());
        let mut pixels = Preprocessor::new(spec);
        pixels
            .run(view, Some(reference), None, tensor)
            .expect("fits");
    }
    let values: usize = program.output_dims.iter().product();
    let mut output = vec![0.0_f32; values * pairs.len()];
    let mut scratch = vec![0.0_f32; program.scratch * pairs.len()];
    let bases = Bases {
        input: input.as_ptr() as u64,
        output: output.as_mut_ptr() as u64,
        scratch: scratch.as_mut_ptr() as u64,
        weights: program.weights.as_ptr() as u64,
    };
    for step in &program.steps {
        let params = bases.params(step, pairs.len());
        host_kernels().plain(step.kernel, &params, step.groups as u32);
    }
    let mut decoder = Decoder::new(bundle.manifest());
    let regions = pairs.iter().zip(output.chunks_exact(values));
    let read = regions.map(|(pair, values)| {
        let (view, reference) = (pair.0.picture(), pair.1.picture());
        let fit = plan(spec, &view, Some(&reference), None).expect("fits");
        let mut region = RegionOutput::default();
        let placement = fit.placement();
        decoder
            .decode(values, &program.output_dims, &placement, &mut region)
            .expect("numbers");
        region
    });
    read.collect()
}

fn onnx(bundle: &Bundle, pairs: &[(ReferencePicture, ReferencePicture)]) -> Vec<RegionOutput> {
    let settings = EngineSettings {
        precision: Some(Precision::Fp32),
        ..EngineSettings::default()
    };
    let factory = OnnxFactory::new(&LibrarySearch::usual(None)).expect("`make setup` fetches it");
    let mut engine = factory.engine(bundle, &settings).expect("an engine");
    let pool = FramePool::new(PoolConfig {
        name: "plain".into(),
        slots: 1,
        slot_bytes: pairs[0].0.bytes.len(),
        memory: MemoryWish::Plain,
    })
    .expect("memory");
    let looked = pairs.iter().map(|(view, reference)| {
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
            lease: slot.seal(meta).expect("a layout that fits"),
            reference: Some(Reference::Shared(Arc::new(reference.clone()))),
            tag: ViewTag {
                track_id: TrackId(1),
                view: ViewId(0),
                generation: Generation(1),
                deadline: MonoTime(0),
                enqueued: MonoTime(0),
            },
        });
        engine.submit(batch).expect("room");
        let done = engine.collect().expect("one in flight").expect("an answer");
        done.outputs[0].clone()
    });
    looked.collect()
}

#[test]
fn two_pictures_at_once_are_answered_as_onnx_runtime_answers_them() {
    let bundle = bundle();
    let goldens = bundle.goldens().expect("golden pictures");
    let pairs: Vec<_> = goldens
        .iter()
        .filter_map(|g| Some((picture(&g.image), picture(g.reference.as_deref()?))))
        .take(2)
        .collect();
    let (got, want) = (plain(&bundle, &pairs), onnx(&bundle, &pairs));
    assert!(want.iter().all(|w| !w.detections.is_empty()));
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got.detections.len(), want.detections.len());
        for (a, b) in got.detections.iter().zip(&want.detections) {
            assert_eq!(a.class, b.class);
            assert!((a.score - b.score).abs() < 1e-3, "{a:?} for {b:?}");
            let (a, b) = (a.bbox_view, b.bbox_view);
            for apart in [a.x - b.x, a.y - b.y, a.w - b.w, a.h - b.h] {
                assert!(apart.abs() < 0.02, "{a:?} for {b:?}");
            }
        }
    }
}

#[test]
fn the_kernels_are_named_in_the_order_of_their_enumeration() {
    let kernels = [
        (PlainKernel::Conv, "conv"),
        (PlainKernel::Copy, "copy"),
        (PlainKernel::Zip, "zip"),
        (PlainKernel::Pool, "pool"),
        (PlainKernel::Enlarge, "enlarge"),
    ];
    for (kernel, name) in kernels {
        assert_eq!(super::NAMES[kernel as usize], format!("sl_plain_{name}"));
    }
}

#[test]
fn a_graph_of_anything_else_is_refused_by_its_operator() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/steel-classifier/model.onnx");
    let onnx = std::fs::read(path).expect("the shipped file");
    let error = Program::of(&onnx, [1, 200, 200])
        .map(|_| ())
        .expect_err("another network");
    assert!(
        error.to_string().contains("ReduceMean") || error.to_string().contains("group"),
        "{error}"
    );
}
