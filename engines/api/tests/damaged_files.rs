//! Files cut short or with a changed byte: read or refused, never a panic.

use sightline_engine::bundle::draft::{Choice, ModelInfo, draft};
use sightline_engine::onnx::OnnxFile;

fn model() -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../onnx/tests/models/contracts"
    );
    std::fs::read(format!("{folder}/v7-rows.onnx")).expect("a model")
}

fn look(bytes: &[u8]) {
    if let Ok(file) = OnnxFile::read(bytes.to_vec().into()) {
        let _ = (file.weights_files(), file.opset(), file.ir_version());
    }
    let _ = draft(&ModelInfo::of_bytes("m.onnx", bytes), &Choice::default());
}

#[test]
fn every_byte_may_be_damaged_and_every_end_missing() {
    let sound = model();
    assert!(OnnxFile::read(sound.clone().into()).is_ok());
    for at in 0..sound.len() {
        look(&sound[..at]);
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[at] ^= flip;
            look(&bytes);
        }
    }
}

#[test]
fn files_that_are_no_onnx_models_are_named() {
    for (bytes, words) in [
        (
            &b"PK\x03\x04rest of a zip"[..],
            "a PyTorch checkpoint (.pt, .pth)",
        ),
        (b"\x80\x02}q\x00", "Python pickle"),
        (b"ftrt\x00\x00\x00\x00", "a TensorRT engine"),
        (b"\x1c\x00\x00\x00TFL3rest", "TensorFlow Lite"),
        (b"\x89HDF\r\n\x1a\n", "Keras"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{\"a\":1}", "safetensors"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        (b"<!DOCTYPE html>", "a web page"),
        (b"", "an empty file"),
        (b"\x00\xff\xfe random", "not an ONNX model"),
    ] {
        let said = OnnxFile::read(bytes.to_vec().into())
            .expect_err("no model")
            .to_string();
        assert!(said.contains(words), "{said}");
    }
    for (name, bytes, words) in [
        ("best.pt", &b"x"[..], "by its name a PyTorch checkpoint"),
        ("best.PLAN", b"x", "by its name a TensorRT engine"),
        ("best.pt", b"PK\x03\x04data", "or another ZIP archive"),
        ("best.onnx", b"x", "not an ONNX model, or cut short"),
    ] {
        let said = OnnxFile::read_from(name.as_ref(), bytes.to_vec().into())
            .expect_err("no model")
            .to_string();
        assert!(said.contains(words) && said.contains("export"), "{said}");
    }
}
