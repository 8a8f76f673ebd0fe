//! Files that are often taken for ONNX models.

use std::path::Path;

const EXPORT: &str = "export it to ONNX first (Ultralytics: `yolo export model=FILE format=onnx`; PyTorch: `torch.onnx.export`)";

/// What a file calls itself and what to do, where its bytes say nothing.
pub(super) fn by_name(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?.to_lowercase();
    let what = match extension.as_str() {
        "pt" | "pth" | "ckpt" => "a PyTorch checkpoint",
        "engine" | "plan" | "trt" => "a TensorRT engine, which runs on one GPU and version only",
        "tflite" => "a TensorFlow Lite model",
        "pb" | "h5" | "keras" => "a TensorFlow or Keras model",
        "safetensors" => "a safetensors file: weights without a network",
        "mlmodel" | "mlpackage" => "a Core ML model",
        _ => return None,
    };
    Some(format!(
        "by its name {what}, and damaged or cut short; {EXPORT}"
    ))
}

/// What the bytes are and what to do, where they are no ONNX model but something known.
pub(super) fn other_format(bytes: &[u8]) -> Option<String> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let text = |words: &str| {
        let head = &bytes[..bytes.len().min(256)];
        String::from_utf8_lossy(head)
            .trim_start()
            .starts_with(words)
    };
    let what = if bytes.is_empty() {
        return Some("an empty file; copy it again".to_owned());
    } else if text("version https://git-lfs") {
        return Some(
            "a Git LFS pointer, not the model itself; fetch it with `git lfs pull`".to_owned(),
        );
    } else if starts(b"PK\x03\x04") {
        "a PyTorch checkpoint (.pt, .pth) or another ZIP archive"
    } else if starts(b"\x80\x02") || starts(b"\x80\x04") {
        "a PyTorch checkpoint or another Python pickle"
    } else if starts(b"ftrt") || starts(b"ptrt") {
        "a TensorRT engine, which runs on one GPU and version only"
    } else if bytes.get(4..8) == Some(b"TFL3") {
        "a TensorFlow Lite model"
    } else if starts(b"\x89HDF") {
        "a Keras or HDF5 file"
    } else if bytes.get(8) == Some(&b'{') && bytes.get(1..8).is_some_and(|b| b[3..] == [0; 4]) {
        "a safetensors file: weights without a network"
    } else if text("<?xml") || text("<net") {
        "an OpenVINO network (.xml)"
    } else if text("<!DOCTYPE") || text("<html") {
        "a web page, probably of a download that failed"
    } else {
        return None;
    };
    Some(format!("{what}, not an ONNX model; {EXPORT}"))
}
