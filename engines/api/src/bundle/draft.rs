//! A first manifest for an ONNX file, with every guess marked, for `sightline model inspect`.

use super::{DecoderKind, ROLE_MODEL, hash};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What an inference library says of a model file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// File name without folders.
    pub file_name: String,
    /// SHA-256, hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// In the file's order.
    pub inputs: Vec<TensorInfo>,
    /// In the file's order.
    pub outputs: Vec<TensorInfo>,
    /// Custom metadata; Ultralytics' exporter leaves `names`, `task`, `imgsz` here.
    pub metadata: BTreeMap<String, String>,
    /// It holds QuantizeLinear/DequantizeLinear nodes.
    pub quantised: bool,
}

impl ModelInfo {
    /// Size and hash of the file's bytes.
    pub fn of_bytes(file_name: &str, bytes: &[u8]) -> Self {
        let has = |op: &[u8]| bytes.windows(op.len()).any(|w| w == op);
        Self {
            file_name: file_name.to_owned(),
            sha256: hash::sha256_hex(bytes),
            size: bytes.len() as u64,
            quantised: has(b"DequantizeLinear"),
            ..Self::default()
        }
    }
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Element type in ONNX's words, e.g. `float32`.
    pub dtype: String,
    /// Sizes; -1 where the file leaves one open.
    pub dims: Vec<i64>,
}

impl std::fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dims: Vec<String> = self
            .dims
            .iter()
            .map(|d| if *d < 0 { "?".into() } else { d.to_string() })
            .collect();
        write!(f, "{} {}[{}]", self.name, self.dtype, dims.join(", "))
    }
}

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

/// What the shapes suggest.
struct Guess {
    kind: DecoderKind,
    classes: usize,
    why: String,
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
    let text = write_manifest(info, input, head, (width, height), color, channels, &names);
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

/// Cells of the grids of strides 8, 16 and 32.
fn cells(width: i64, height: i64) -> i64 {
    [8, 16, 32].iter().map(|s| (width / s) * (height / s)).sum()
}

fn guess(dims: &[i64], width: i64, height: i64) -> Option<Guess> {
    let cells = cells(width, height);
    let as_guess = |kind, classes: i64, why: String| {
        (1..=10_000).contains(&classes).then_some(Guess {
            kind,
            classes: classes as usize,
            why,
        })
    };
    match *dims {
        [_, classes] => as_guess(
            DecoderKind::Classifier,
            classes,
            format!("one row of {classes} values a picture"),
        ),
        [_, rows, 6] if (1..=1_000).contains(&rows) && rows != cells => Some(Guess {
            kind: DecoderKind::YoloV10,
            classes: 0,
            why: format!(
                "{rows} rows of 6: corners, score, class; the number of classes cannot be seen"
            ),
        }),
        [_, rows, boxes] if rows >= 5 && (boxes < 0 || boxes > rows) => as_guess(
            DecoderKind::YoloV8,
            rows - 4,
            format!("{rows} rows by {boxes} boxes: 4 and one a class"),
        ),
        [_, boxes, columns] if boxes == cells => as_guess(
            DecoderKind::YoloX,
            columns - 5,
            format!(
                "one box a grid cell, {columns} columns; if the export decodes its grid itself, write yolo-v5"
            ),
        ),
        [_, boxes, columns] if columns >= 6 && (boxes < 0 || boxes > columns) => as_guess(
            DecoderKind::YoloV5,
            columns - 5,
            format!("{boxes} boxes of {columns}: 4, objectness, and one a class"),
        ),
        _ => None,
    }
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

/// The names of a Python dict literal `{0: 'name', 10: "it's", 1: …}` as exporters write it, in the order of its keys
/// (not as written); empty where the keys are not 0 and on.
pub fn parse_names(text: &str) -> Vec<String> {
    let mut names = BTreeMap::new();
    let mut rest = text.trim_start().trim_start_matches('{');
    while let Some((key, after)) = rest.split_once(':') {
        let key = key.trim().trim_start_matches(',').trim().parse::<usize>();
        let (Ok(key), Some((name, left))) = (key, quoted(after.trim_start())) else {
            return Vec::new();
        };
        names.insert(key, name);
        rest = left;
    }
    let contiguous = names.keys().copied().eq(0..names.len());
    if contiguous {
        names.into_values().collect()
    } else {
        Vec::new()
    }
}

/// A quoted Python string at the start of `text`, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| "'\"".contains(*c))?;
    let mut name = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => {
                name.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            c if c == quote => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
}

fn slug(name: &str) -> String {
    let s: String = name
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
            _ => '-',
        })
        .take(64)
        .collect();
    let s = s.trim_matches('-').to_owned();
    if s.is_empty() { "class".into() } else { s }
}

fn write_manifest(
    info: &ModelInfo,
    input: &TensorInfo,
    head: &Guess,
    (width, height): (i64, i64),
    color: &str,
    channels: &str,
    names: &[String],
) -> String {
    let in_quotes = |s: &str| toml::Value::String(s.to_owned()).to_string();
    let (task, resize) = match head.kind {
        DecoderKind::Classifier => ("classify", "stretch"),
        _ => ("detect", "letterbox"),
    };
    let precision = if info.quantised { "int8" } else { "fp32" };
    let stem = info.file_name.trim_end_matches(".onnx");
    let per_channel = if color == "gray" { 1 } else { 3 };
    let row = |v: &str| format!("[{}]", vec![v; per_channel].join(", "));
    // YOLOX is trained on 0..255
    let scale = if head.kind == DecoderKind::YoloX {
        "1.0"
    } else {
        "0.00392156862745098"
    };
    let mut t = String::new();
    // writing to a String cannot fail
    let _ = write!(
        t,
        "schema = \"sightline.bundle.v1\"\nname = {name}\nversion = \"0.1.0\"\ntask = \"{task}\"\nlicense = \"FILL IN: terms of the weights\"\nsource = \"FILL IN: how it was trained\"\nmin_app = \"{app}\"\n\n\
         [[files]]\npath = {path}\nrole = \"{ROLE_MODEL}\"\nprecision = \"{precision}\"\nsha256 = \"{sha}\"\nsize = {size}\n\n\
         [input]\nname = {input_name}\nwidth = {width}\nheight = {height}\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"{color}\" # guessed: gray, rgb or bgr\nscale = {scale} # guessed\nmean = {mean} # guessed\nstd = {std} # guessed\nresize = \"{resize}\" # guessed: letterbox, stretch or crop\npad_value = 114 # guessed\nchannels = {channels}\n\n\
         [decoder]\nkind = \"{kind}\" # guessed: {why}\nversion = 1\n",
        name = in_quotes(&slug(stem)),
        app = env!("CARGO_PKG_VERSION"),
        path = in_quotes(&info.file_name),
        sha = info.sha256,
        size = info.size,
        input_name = in_quotes(&input.name),
        mean = row("0.0"),
        std = row("1.0"),
        kind = head.kind.name(),
        why = head.why,
    );
    if head.kind == DecoderKind::Classifier {
        t.push_str("activation = \"none\" # guessed: \"softmax\" if the outputs are logits\n");
    } else {
        t.push_str("score_floor = 0.05\niou_threshold = 0.5\nmax_detections = 300\n");
    }
    let mut used = std::collections::BTreeSet::new();
    for (id, name) in names.iter().enumerate() {
        let mut code = slug(name);
        if !used.insert(code.clone()) {
            code = format!("{}-{id}", code.chars().take(56).collect::<String>());
            used.insert(code.clone());
        }
        let _ = write!(
            t,
            "\n[[classes]]\nid = {id}\ncode = \"{code}\"\nname = {{ en = {} }}\nseverity = \"major\" # FILL IN\ndefault_limit = 0.5 # FILL IN\n",
            in_quotes(name)
        );
    }
    t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_their_keys() {
        assert_eq!(
            parse_names(
                r#"{0: 'a: b', 10: "it's", 2: 'c\'d', 1: 'z', 3:'e',4:'f',5:'g',6:'h',7:'i',8:'j',9:'k'}"#
            )[..3],
            ["a: b", "z", "c'd"]
        );
        assert!(parse_names("{1: 'a', 2: 'b'}").is_empty());
        assert!(parse_names("{0: 'a").is_empty());
        assert!(parse_names("").is_empty());
    }

    fn head_of(side: i64, dims: &[i64]) -> Option<(DecoderKind, usize)> {
        guess(dims, side, side).map(|g| (g.kind, g.classes))
    }

    #[test]
    fn each_usual_head_is_told_from_the_others() {
        assert_eq!(
            head_of(640, &[1, 84, 8400]),
            Some((DecoderKind::YoloV8, 80))
        );
        assert_eq!(head_of(640, &[-1, 10, -1]), Some((DecoderKind::YoloV8, 6)));
        assert_eq!(
            head_of(640, &[1, 25200, 85]),
            Some((DecoderKind::YoloV5, 80))
        );
        assert_eq!(head_of(640, &[1, 25200, 6]), Some((DecoderKind::YoloV5, 1)));
        assert_eq!(head_of(640, &[1, 8400, 85]), Some((DecoderKind::YoloX, 80)));
        assert_eq!(head_of(416, &[1, 3549, 85]), Some((DecoderKind::YoloX, 80)));
        assert_eq!(head_of(640, &[1, 300, 6]), Some((DecoderKind::YoloV10, 0)));
        assert_eq!(head_of(640, &[1, 6, 8400]), Some((DecoderKind::YoloV8, 2)));
        assert_eq!(
            head_of(224, &[-1, 1000]),
            Some((DecoderKind::Classifier, 1000))
        );
        assert_eq!(head_of(32, &[10, 1, 8, 8]), None);
    }
}
