//! The manifest's text, guesses marked where they stand.

use super::{ModelInfo, TensorInfo, guess::Guess};
use crate::bundle::{DecoderKind, ROLE_MODEL};
use std::fmt::Write;

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

pub(super) fn manifest(
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
