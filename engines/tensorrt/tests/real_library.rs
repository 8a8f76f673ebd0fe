//! The real TensorRT-RTX and NVRTC that `scripts/tensorrt` fetches, as far as they go without a GPU: plans of the shipped
//! detectors in every precision, kernels for every capability, clean errors. With the feature `tensorrt` only.

use sightline_engine::{Bundle, EngineError, EngineSettings, Precision};
use sightline_tensorrt::derive::{Derivation, derive};
use sightline_tensorrt::device::cuda::Gpu;
use sightline_tensorrt::device::nvrtc::Nvrtc;
use sightline_tensorrt::library::Search;
use sightline_tensorrt::store::Store;
use sightline_tensorrt::trt::{Build, TensorRt};
use sightline_tensorrt::{Fault, TensorRtFactory, kernels};
use std::path::Path;

fn bundle(name: &str) -> Bundle {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    Bundle::load(&models.join(name)).expect("a shipped bundle")
}

fn onnx(bundle: &Bundle, precision: Precision) -> Vec<u8> {
    let file = bundle.model_file(Some(precision)).expect("a file");
    bundle.read_model(&file).expect("its bytes")
}

fn library() -> TensorRt {
    TensorRt::load(&Search::usual(None)).expect("TensorRT; `scripts/tensorrt` fetches TensorRT-RTX")
}

fn wanted(library: &TensorRt) -> Build<'static> {
    Build {
        input: "images",
        max_batch: 8,
        opt_batch: 8,
        fp16: false,
        int8: false,
        dla_core: None,
        capability: library.version().rtx.then_some(89),
        timing_cache: &[],
    }
}

/// TensorRT-RTX builds for a GPU that is not there; TensorRT needs one.
fn build(library: &TensorRt, onnx: &[u8]) -> Result<usize, Fault> {
    let mut phases = 0;
    let plan = library.build(onnx, &wanted(library), &mut |_, _, _| {
        phases += 1;
        true
    })?;
    assert!(phases > 0, "a build says where it is");
    Ok(plan.bytes.len())
}

#[test]
fn the_shipped_detectors_become_plans_in_every_precision() {
    let library = library();
    for name in ["pcb-detector", "pcb-detector-single", "steel-detector"] {
        let bundle = bundle(name);
        let fp32 = onnx(&bundle, Precision::Fp32);
        let full = build(&library, &fp32).expect(name);
        let half = derive(&fp32, Derivation::Half { half_input: true }).expect(name);
        let half = build(&library, &half).expect(name);
        assert!(
            half < full * 7 / 10,
            "{name}: {half} bytes of FP16 beside {full} of FP32"
        );
        let int8 = onnx(&bundle, Precision::Int8);
        let signed = derive(&int8, Derivation::Signed).expect(name);
        build(&library, &signed).expect(name);
    }
}

#[test]
fn what_it_refuses_it_refuses_with_its_own_words() {
    let library = library();
    let rubbish = build(&library, b"rubbish").expect_err("not ONNX");
    assert!(rubbish.reason.contains("ONNX parser"), "{rubbish}");
    // u8 activations and biases of s32 are ONNX Runtime's, not TensorRT's: why they are derived from
    let theirs = build(&library, &onnx(&bundle("pcb-detector"), Precision::Int8))
        .expect_err("ONNX Runtime's INT8");
    assert!(
        theirs.reason.contains("DequantizeLinear") || theirs.reason.contains("dequantize"),
        "{theirs}"
    );
    if !library.flags_precision() {
        let flagged = Build {
            fp16: true,
            ..wanted(&library)
        };
        let fp32 = onnx(&bundle("pcb-detector"), Precision::Fp32);
        let flagged = library.build(&fp32, &flagged, &mut |_, _, _| true);
        let words = flagged.err().expect("there are no such flags").reason;
        assert!(words.contains("precision from the ONNX file"), "{words}");
        let other = Build {
            input: "picture",
            ..wanted(&library)
        };
        let words = library
            .build(&fp32, &other, &mut |_, _, _| true)
            .err()
            .expect("no such input")
            .reason;
        assert!(
            words.contains("`picture`") && words.contains("`images`"),
            "{words}"
        );
    }
}

#[test]
fn the_kernels_compile_for_every_capability_and_are_kept() {
    let nvrtc = Nvrtc::load(&Search::usual(None)).expect("NVRTC; `scripts/tensorrt` fetches it");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::new(folder.path().to_owned());
    for capability in [75, 80, 86, 87, 89, 90, 120] {
        let cubin = nvrtc
            .kernels(&kernels::SOURCES, capability, Some(&store))
            .expect("machine code");
        assert!(cubin.starts_with(b"\x7fELF"), "sm_{capability}");
        let again = nvrtc
            .kernels(&kernels::SOURCES, capability, Some(&store))
            .expect("from the store");
        assert_eq!(cubin, again);
    }
    let words = nvrtc
        .kernels(&kernels::SOURCES, 1, None)
        .expect_err("no such GPU")
        .to_string();
    assert!(words.contains("sm_1"), "{words}");
}

#[test]
fn without_a_gpu_an_engine_is_an_error_that_says_so() {
    let Err(fault) = Gpu::open() else {
        // a box with a GPU runs the self-test instead
        return;
    };
    assert!(
        fault.reason.contains("libcuda.so.1") || fault.call.starts_with("cu"),
        "{fault}"
    );
    let factory =
        TensorRtFactory::new(Search::usual(None), None).expect("the libraries load without a GPU");
    let settings = EngineSettings {
        max_batch: 4,
        ..EngineSettings::default()
    };
    let info = factory
        .info(&bundle("pcb-detector"), &settings)
        .expect("what it would be");
    assert_eq!(info.name, "tensorrt/fp16");
    let error = factory
        .engine(&bundle("pcb-detector"), &settings)
        .err()
        .expect("no GPU");
    assert!(
        matches!(&error, EngineError::LibraryUnusable { reason, .. } if reason.contains(&fault.reason)),
        "{error}"
    );
    // a plan does not run either, and TensorRT says why
    let library = factory.library();
    if library.version().rtx {
        let plan = library
            .build(
                &onnx(&bundle("pcb-detector"), Precision::Fp32),
                &wanted(library),
                &mut |_, _, _| true,
            )
            .expect("a plan");
        let fault = library.network(&plan.bytes, None).err().expect("no GPU");
        assert!(fault.reason.contains("CUDA"), "{fault}");
    }
}
