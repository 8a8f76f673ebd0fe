//! ONNX Runtime's words in words with advice.

use sightline_engine::onnx::OnnxFile;

/// What a session or a run that failed with `raw` means, and what to do.
pub(crate) fn explain(raw: &str, file: Option<&OnnxFile>) -> String {
    let has = |words: &str| raw.contains(words);
    let after = |words: &str| {
        let rest = raw.split(words).nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit())
            .find(|d| !d.is_empty())
    };
    if has("Unsupported model IR version") {
        let found = file.map_or_else(|| "a newer one".to_owned(), |f| f.ir_version().to_string());
        let most = after("max supported IR version:").unwrap_or("an older one");
        return format!(
            "expected a file of IR version {most} or older, found {found}: it was written for a newer ONNX Runtime; export it again with \
             an older onnx package, or set `model.ir_version = {most}` in Python and save it"
        );
    }
    if has("opset") && (has("not supported") || has("under development") || has("guarantees")) {
        let found = file.map_or(0, OnnxFile::opset);
        let most =
            after("official support for domain ai.onnx is till opset").unwrap_or("an older one");
        return format!(
            "expected operators of opset {most} or older, found opset {found}; export it again with opset_version=17"
        );
    }
    if has("is not a registered function/op") || has("No Op registered for") {
        let name = operator(raw).unwrap_or_default();
        return format!(
            "it holds the operator {name}, which ONNX Runtime does not have (a plug-in of TensorRT or of another runtime); export it \
             again without"
        );
    }
    if has("Could not find an implementation for") {
        let name = operator(raw).unwrap_or_default();
        return format!(
            "the operator {name} is not there for the number format that the file uses; export it in FP32"
        );
    }
    if has("Protobuf parsing failed") || has("INVALID_PROTOBUF") {
        return "not an ONNX model, or cut short; export or copy it again".to_owned();
    }
    if has("External data") || has("external data") || has("external initializer") {
        return "its weights are in another file, which is missing or shorter than the model says; copy both files again, or save \
                the model in one file"
            .to_owned();
    }
    if has("Got invalid dimensions for input") {
        return "it takes pictures of another size or number than the manifest says; correct input.width and input.height, or \
                max_batch = 1 for a file whose batch is fixed"
            .to_owned();
    }
    if has("cannot be reshaped") || has("Reshape") {
        return format!(
            "its sizes are fixed inside, whatever its inputs declare ({}); use max_batch = 1 and the size it was exported with, or \
             export it with a dynamic batch",
            short(raw)
        );
    }
    if has("Failed to allocate") || has("bad_alloc") || has("out of memory") {
        return "there is not enough memory for it; use a smaller input or model, or max_batch = 1"
            .to_owned();
    }
    format!("ONNX Runtime says: {}", short(raw))
}

/// `TRT:EfficientNMS_TRT(1)` or `GridSample(16)` to the name alone.
fn operator(raw: &str) -> Option<String> {
    let starts = [
        "No Op registered for ",
        "implementation for ",
        "Fatal error: ",
        "error: ",
    ];
    let rest = starts.iter().find_map(|s| raw.split(s).nth(1))?;
    let name = rest.split(['(', ' ']).next()?;
    Some(name.rsplit(':').next()?.to_owned())
}

/// One line, without paths of the library's own source.
fn short(raw: &str) -> String {
    let line = raw
        .lines()
        .find(|l| !l.trim().is_empty())
        .unwrap_or("nothing");
    let words = line
        .split_whitespace()
        .filter(|w| !w.contains("onnxruntime/"));
    words
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_librarys_complaints_comes_with_advice() {
        for (raw, expected) in [
            (
                "Unsupported model IR version: 14, max supported IR version: 13",
                "IR version 13 or older",
            ),
            (
                "Fatal error: TRT:EfficientNMS_TRT(1) is not a registered function/op",
                "operator EfficientNMS_TRT,",
            ),
            (
                "No Op registered for Foo with domain_version of 12",
                "operator Foo,",
            ),
            (
                "Could not find an implementation for ConvInteger(10) node with name ''",
                "operator ConvInteger is",
            ),
            ("Protobuf parsing failed.", "not an ONNX model"),
            (
                "something new\nat line 2",
                "ONNX Runtime says: something new",
            ),
        ] {
            let said = explain(raw, None);
            assert!(said.contains(expected), "{said}");
        }
    }
}
