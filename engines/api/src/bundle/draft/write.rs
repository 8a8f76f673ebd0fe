//! The manifest's text, guesses marked where they stand.

use super::head::{Habit, Head};
use super::{Input, ModelInfo, names};
use crate::bundle::{Activation, BoxFormat, BoxUnit, Column, DecoderKind, Dtype, Layout};
use crate::bundle::{Background, ROLE_MODEL, ROLE_WEIGHTS};
use std::fmt::Write;

/// A name as a bundle may have it.
fn slug(name: &str) -> String {
    let right = |c: char| {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c
        } else {
            '-'
        }
    };
    let s: String = name
        .chars()
        .map(|c| right(c.to_ascii_lowercase()))
        .take(64)
        .collect();
    let s = s.trim_matches('-').to_owned();
    if s.is_empty() { "model".into() } else { s }
}

/// What is done to pixels.
pub(super) struct Colours {
    color: &'static str,
    channels: &'static str,
    scale: f64,
    mean: Vec<f64>,
    std: Vec<f64>,
    resize: &'static str,
    resize_to: Option<i64>,
    antialias: bool,
}

impl Colours {
    pub(super) fn of(
        head: &Head,
        input: &Input,
        info: &ModelInfo,
        guesses: &mut Vec<String>,
    ) -> Result<Self, String> {
        let three = if head.habit == Habit::YoloX {
            "bgr"
        } else {
            "rgb"
        };
        let (color, channels) = match input.planes {
            1 => ("gray", "[\"image\"]"),
            2 => ("gray", "[\"image\", \"reference\"]"),
            3 | -1 => (three, "[\"image\"]"),
            6 => (three, "[\"image\", \"reference\"]"),
            n => {
                return Err(format!(
                    "expected 1, 2, 3 or 6 input channels, found {n}; export it with one of these"
                ));
            }
        };
        let count = if color == "gray" { 1 } else { 3 };
        let (mean, std) = Habit::IMAGENET;
        let normed = |by: f64| {
            let of = |values: [f64; 3]| values[..count].iter().map(|v| v * by).collect::<Vec<_>>();
            (of(mean), of(std))
        };
        let plain = (vec![0.0; count], vec![1.0; count]);
        let itself = input.dtype == Dtype::U8 || info.pixels.scales_down();
        let (scale, (mean, std)) = match head.habit {
            _ if itself => (1.0, plain),
            Habit::YoloX => (1.0, plain),
            Habit::MmDetection => (1.0, normed(255.0)),
            Habit::RfDetr | Habit::ImageNet => (1.0 / 255.0, normed(1.0)),
            _ => (1.0 / 255.0, plain),
        };
        let (resize, resize_to, antialias) = match head.habit {
            Habit::Yolo => ("letterbox", None, false),
            Habit::YoloX | Habit::MmDetection => ("letterbox-top-left", None, false),
            Habit::Stretched => ("stretch", None, false),
            Habit::RfDetr => ("stretch", None, true),
            Habit::Middle => ("crop", None, true),
            Habit::ImageNet => (
                "crop",
                Some(input.width.max(input.height) * 256 / 224),
                true,
            ),
        };
        let why = if itself {
            "the network divides the pixels itself, or takes bytes"
        } else {
            "what the usual exporter trains with"
        };
        guesses.push(format!(
            "input.color and channels: {} planes read as {color} {channels}",
            input.planes
        ));
        guesses.push(format!("input.scale, mean, std, resize: {why}"));
        Ok(Self {
            color,
            channels,
            scale,
            mean,
            std,
            resize,
            resize_to,
            antialias,
        })
    }
}

fn in_quotes(s: &str) -> String {
    toml::Value::String(s.to_owned()).to_string()
}

pub(super) fn manifest(
    info: &ModelInfo,
    input: &Input,
    head: &Head,
    colours: &Colours,
    names: &[String],
) -> String {
    let task = match head.decoder.kind {
        DecoderKind::Classifier => "classify",
        _ => "detect",
    };
    let stem = info.file_name.trim_end_matches(".onnx");
    let mut t = format!(
        "schema = \"sightline.bundle.v1\"\nname = {}\nversion = \"0.1.0\"\ntask = \"{task}\"\nlicense = \"FILL IN: terms of the weights\"\n\
         source = \"FILL IN: how it was trained\"\nmin_app = \"{}\"\n",
        in_quotes(&slug(stem)),
        env!("CARGO_PKG_VERSION"),
    );
    files(&mut t, info, input);
    pixels(&mut t, input, colours);
    decoder(&mut t, head);
    classes(&mut t, head, names);
    t
}

// writing to a String cannot fail
fn files(t: &mut String, info: &ModelInfo, input: &Input) {
    let precision = match (info.quantised, input.dtype) {
        (true, _) => "int8",
        (false, Dtype::F16) => "fp16",
        _ => "fp32",
    };
    let _ = write!(
        t,
        "\n[[files]]\npath = {}\nrole = \"{ROLE_MODEL}\"\nprecision = \"{precision}\"\nsha256 = \"{}\"\nsize = {}\n",
        in_quotes(&info.file_name),
        info.sha256,
        info.size,
    );
    for weights in &info.weights {
        let _ = write!(
            t,
            "\n[[files]]\npath = {}\nrole = \"{ROLE_WEIGHTS}\"\nsha256 = \"{}\"\nsize = {}\n",
            in_quotes(&weights.path),
            weights.sha256,
            weights.size,
        );
    }
}

fn pixels(t: &mut String, input: &Input, c: &Colours) {
    let row = |values: &[f64]| {
        let all: Vec<String> = values
            .iter()
            .map(|v| format!("{:?}", (v * 1e6).round() / 1e6))
            .collect();
        format!("[{}]", all.join(", "))
    };
    let layout = match input.layout {
        Layout::Nchw => "nchw",
        Layout::Nhwc => "nhwc",
    };
    let dtype = match input.dtype {
        Dtype::F32 => "f32",
        Dtype::F16 => "f16",
        Dtype::U8 => "u8",
    };
    let _ = write!(
        t,
        "\n[input]\nname = {}\nwidth = {}\nheight = {}\nlayout = \"{layout}\"\ndtype = \"{dtype}\"\ncolor = \"{}\" # guessed: gray, rgb or bgr\n\
         scale = {:?} # guessed\nmean = {} # guessed\nstd = {} # guessed\nresize = \"{}\" # guessed: letterbox, letterbox-top-left, stretch or crop\n",
        in_quotes(&input.name),
        input.width,
        input.height,
        c.color,
        c.scale,
        row(&c.mean),
        row(&c.std),
        c.resize,
    );
    if let Some(side) = c.resize_to {
        let _ = writeln!(t, "resize_to = {side} # guessed");
    }
    if c.antialias {
        t.push_str("antialias = true # guessed\n");
    }
    let _ = write!(t, "pad_value = 114 # guessed\nchannels = {}\n", c.channels);
}

fn decoder(t: &mut String, head: &Head) {
    let d = &head.decoder;
    let _ = write!(
        t,
        "\n[decoder]\nkind = \"{}\" # {}\nversion = 1\n",
        d.kind.name(),
        head.title
    );
    if d.kind != DecoderKind::Classifier {
        let _ = write!(
            t,
            "score_floor = 0.05\niou_threshold = {:?}\nmax_detections = 300\n",
            d.iou_threshold
        );
    }
    if let Some(activation) = d.activation {
        let word = match activation {
            Activation::Softmax => "softmax",
            Activation::Sigmoid => "sigmoid",
            Activation::None => "none",
        };
        let _ = writeln!(
            t,
            "activation = \"{word}\" # softmax or sigmoid if the outputs are logits, none if they are probabilities"
        );
    }
    if d.transposed {
        t.push_str("transposed = true\n");
    }
    if let (Some(format), Some(unit)) = (d.boxes, d.unit) {
        let format = if format == BoxFormat::Corners {
            "corners"
        } else {
            "centre"
        };
        let unit = if unit == BoxUnit::Pixels {
            "pixels"
        } else {
            "normalized"
        };
        let _ = write!(t, "boxes = \"{format}\"\nunit = \"{unit}\"\n");
    }
    if !d.columns.is_empty() {
        let word = |c: &Column| format!("\"{c:?}\"").to_lowercase();
        let _ = writeln!(
            t,
            "columns = [{}]",
            d.columns.iter().map(word).collect::<Vec<_>>().join(", ")
        );
    }
    if let Some(background) = d.background {
        let word = if background == Background::First {
            "first"
        } else {
            "last"
        };
        let _ = writeln!(t, "background = \"{word}\"");
    }
    if let Some(weights) = d.mask_weights {
        let _ = writeln!(t, "mask_weights = {weights}");
    }
    if let Some(outputs) = &d.outputs {
        let mut all = vec![format!("boxes = {}", in_quotes(&outputs.boxes))];
        let more = [
            ("scores", &outputs.scores),
            ("labels", &outputs.labels),
            ("masks", &outputs.masks),
        ];
        all.extend(
            more.into_iter()
                .filter_map(|(k, n)| Some(format!("{k} = {}", in_quotes(n.as_ref()?)))),
        );
        let _ = writeln!(t, "outputs = {{ {} }}", all.join(", "));
    }
}

fn classes(t: &mut String, head: &Head, names: &[String]) {
    let classifies = head.decoder.kind == DecoderKind::Classifier;
    for (id, (name, code)) in names.iter().zip(names::codes(names)).enumerate() {
        let _ = write!(
            t,
            "\n[[classes]]\nid = {id}\ncode = {}\nname = {{ en = {} }}\nseverity = \"major\" # guessed\ndefault_limit = 0.5 # guessed\n",
            in_quotes(&code),
            in_quotes(name)
        );
        if classifies && names::names_good_parts(name) {
            t.push_str("good = true # guessed from its name: parts of this class pass\n");
        }
    }
}
