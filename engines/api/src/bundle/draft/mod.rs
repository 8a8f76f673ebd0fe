//! A first manifest for an ONNX file, with every guess marked, for `sightline model inspect`.

mod guess;
mod info;
mod names;
mod write;

pub use info::{ModelInfo, TensorInfo};
pub use names::parse_names;

use guess::{Guess, guess};

/// A drafted manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its text; parses once a person has gone through the guesses.
    pub manifest_toml: String,
    /// What was guessed and why.
    pub guesses: Vec<String>,
}

/// A file no decoder of ours reads.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "no decoder reads this file: {reason}; inputs: {inputs}; outputs: {outputs}; known outputs are yolo-v8 [N, 4+classes, A], yolo-v5 [N, A, 5+classes], yolo-v10 [N, K, 6], yolox [N, A, 5+classes] undecoded, classifier [N, classes]: export the model with one of these"
)]
pub struct DraftError {
    /// Why not.
    pub reason: String,
    /// As the file declares them.
    pub inputs: String,
    /// As the file declares them.
    pub outputs: String,
}

/// Drafts a manifest.
///
/// # Errors
/// [`DraftError`] where no decoder fits, with the shapes of the file and of the known heads.
pub fn draft(info: &ModelInfo) -> Result<Draft, DraftError> {
    let refuse = |reason: String| DraftError {
        reason,
        inputs: list(&info.inputs),
        outputs: list(&info.outputs),
    };
    let [input] = info.inputs.as_slice() else {
        return Err(refuse(format!(
            "expected one input, found {}",
            info.inputs.len()
        )));
    };
    let &[_, planes, height, width] = input.dims.as_slice() else {
        return Err(refuse(
            "expected an input [N, channels, height, width]".into(),
        ));
    };
    if input.dtype != "float32" {
        return Err(refuse(format!(
            "expected a float32 input, found {}",
            input.dtype
        )));
    }
    let mut guesses = Vec::new();
    let (width, height) = input_size(width, height, info, &mut guesses);
    let (color, channels) = input_planes(planes, &mut guesses).map_err(&refuse)?;
    let found: Vec<Guess> = info
        .outputs
        .iter()
        .filter_map(|o| guess(&o.dims, width, height))
        .collect();
    let [head] = found.as_slice() else {
        return Err(refuse(format!(
            "expected one output that a decoder reads, found {} among {}",
            found.len(),
            info.outputs.len()
        )));
    };
    guesses.push(format!("decoder.kind: {}", head.why));
    let names = class_names(info, head, &mut guesses);
    let text = write::manifest(info, input, head, (width, height), color, channels, &names);
    Ok(Draft {
        manifest_toml: text,
        guesses,
    })
}

fn list(tensors: &[TensorInfo]) -> String {
    let all: Vec<String> = tensors.iter().map(TensorInfo::to_string).collect();
    all.join("; ")
}

fn input_size(width: i64, height: i64, info: &ModelInfo, guesses: &mut Vec<String>) -> (i64, i64) {
    if width > 0 && height > 0 {
        return (width, height);
    }
    let noted = info.metadata.get("imgsz").and_then(|text| {
        let mut sides = text
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|n| n.parse::<i64>().ok());
        let height = sides.next()?;
        Some((sides.next().unwrap_or(height), height))
    });
    let (w, h) = noted.unwrap_or((640, 640));
    let source = if noted.is_some() {
        "the file's metadata `imgsz`"
    } else {
        "habit"
    };
    guesses.push(format!(
        "input.width and input.height: open in the file, {w} x {h} by {source}"
    ));
    (w, h)
}

fn input_planes(
    planes: i64,
    guesses: &mut Vec<String>,
) -> Result<(&'static str, &'static str), String> {
    let (color, channels) = match planes {
        1 => ("gray", "[\"image\"]"),
        2 => ("gray", "[\"image\", \"reference\"]"),
        3 | -1 => ("rgb", "[\"image\"]"),
        6 => ("rgb", "[\"image\", \"reference\"]"),
        n => return Err(format!("expected 1, 2, 3 or 6 input channels, found {n}")),
    };
    guesses.push(format!(
        "input.color and input.channels: {planes} planes read as {color} {channels}"
    ));
    guesses.push(
        "input.scale, mean, std, resize, pad_value: what the usual exporter trains with".to_owned(),
    );
    Ok((color, channels))
}

fn class_names(info: &ModelInfo, head: &Guess, guesses: &mut Vec<String>) -> Vec<String> {
    let named = info
        .metadata
        .get("names")
        .map(|n| parse_names(n))
        .unwrap_or_default();
    if !named.is_empty() && (head.classes == 0 || named.len() == head.classes) {
        return named;
    }
    let count = head.classes.max(1);
    guesses.push(format!(
        "classes: the file names none, {count} written as class-0 and on"
    ));
    (0..count).map(|i| format!("class-{i}")).collect()
}
