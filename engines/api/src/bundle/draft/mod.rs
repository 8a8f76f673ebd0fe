//! A first manifest for an ONNX file, with every guess marked, for `sightline model inspect`.

mod candidates;
mod evidence;
mod head;
mod info;
mod masks;
mod metadata;
mod names;
mod refused;
mod write;

pub use head::Head;
pub use info::{ModelInfo, RunOutput, TensorInfo, WeightsFile, test_picture};
pub use names::{codes, names_good_parts, names_of, parse_names};

use crate::bundle::{Dtype, Layout, Manifest};
use candidates::Reading;
use metadata::Metadata;

/// A drafted manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its text; it loads as it is.
    pub manifest_toml: String,
    /// What the file is read as.
    pub read_as: String,
    /// What was guessed and why.
    pub guesses: Vec<String>,
}

/// A file that is not drafted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DraftError {
    /// No decoder of ours reads it.
    #[error("no decoder reads this file: {reason}; inputs: {inputs}; outputs: {outputs}")]
    Unread {
        /// What it is or why not, and what to do.
        reason: String,
        /// As the file declares them.
        inputs: String,
        /// As the file declares them.
        outputs: String,
    },
    /// Several would read it, each to another end.
    #[error(
        "ambiguous: the file can be read in {} ways, and nothing in it says which; ask who exported it, then choose one with --decoder:\n{}\noutputs: {outputs}",
        .heads.len(),
        .heads.iter().map(|h| format!("  --decoder {}: {}", h.name, h.title)).collect::<Vec<_>>().join("\n")
    )]
    Ambiguous {
        /// The ways.
        heads: Vec<Head>,
        /// As the file declares them.
        outputs: String,
    },
    /// The chosen decoder does not fit.
    #[error("--decoder {asked} does not fit this file; what fits: {}; outputs: {outputs}", .fitting.join(", "))]
    NotFitting {
        /// What was chosen.
        asked: String,
        /// Names of those that do.
        fitting: Vec<String>,
        /// As the file declares them.
        outputs: String,
    },
}

/// What the network takes, by the file.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    pub name: String,
    pub dtype: Dtype,
    pub layout: Layout,
    pub batch: i64,
    pub planes: i64,
    pub height: i64,
    pub width: i64,
}

/// What a person says of a file that does not say it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The name of a head.
    pub decoder: Option<String>,
    /// Class names in the order of the model's outputs.
    pub classes: Vec<String>,
}

/// Drafts a manifest.
///
/// # Errors
/// [`DraftError`] where no decoder fits, several do, or the chosen one does not.
pub fn draft(info: &ModelInfo, choice: &Choice) -> Result<Draft, DraftError> {
    let refuse = |reason: String| DraftError::Unread {
        reason,
        inputs: list(&info.inputs),
        outputs: list(&info.outputs),
    };
    let mut meta = Metadata::of(info);
    if !choice.classes.is_empty() {
        meta.names.clone_from(&choice.classes);
    }
    let mut guesses = Vec::new();
    let input = input(info, &meta, &mut guesses).map_err(&refuse)?;
    if let Some(kind) = refused::known_kind(info, &meta, (input.height, input.width)) {
        return Err(refuse(kind));
    }
    let quantised = info.tails.iter().find_map(|t| t.quantised_in_steps_of);
    if let Some(step) = quantised.filter(|s| *s > 0.2) {
        return Err(refuse(format!(
            "its whole output is quantised in steps of {step}, so that every score becomes 0 or 1; quantise it again without its \
             last operators (boxes and scores apart)"
        )));
    }
    let heads = heads(info, &meta, &input);
    let head = choose(heads, choice.decoder.as_deref(), info).map_err(|e| match e {
        Some(error) => error,
        None => refuse(nothing_fits(info)),
    })?;
    let names = class_names(&meta, &head, &mut guesses);
    let colours = write::Colours::of(&head, &input, info, &mut guesses).map_err(&refuse)?;
    Ok(Draft {
        manifest_toml: write::manifest(info, &input, &head, &colours, &names),
        read_as: head.title,
        guesses,
    })
}

fn heads(info: &ModelInfo, meta: &Metadata, input: &Input) -> Vec<Head> {
    let reading = Reading {
        info,
        meta,
        height: input.height,
        width: input.width,
        batch: input.batch,
    };
    reading.heads()
}

/// Where a file says something else of itself than the manifest does: its task, its exporter's head, pixels that both
/// divide. In words, with what to do.
pub fn contradiction(info: &ModelInfo, manifest: &Manifest) -> Option<String> {
    let (spec, wanted) = (&manifest.input, &manifest.decoder);
    if info.pixels.scales_down() && spec.scale <= 1.0 / 64.0 {
        return Some(format!(
            "the network brings 0..255 down itself (times {}) and input.scale = {} does it again; write scale = 1.0",
            info.pixels.factor.unwrap_or_default(),
            spec.scale
        ));
    }
    let meta = Metadata::of(info);
    let input = input(info, &meta, &mut Vec::new()).ok()?;
    if let Some(kind) = refused::known_kind(info, &meta, (input.height, input.width)) {
        return Some(kind);
    }
    let heads = heads(info, &meta, &input);
    let same = |h: &Head| {
        let d = &h.decoder;
        (d.kind, d.transposed, d.boxes, d.unit)
            == (wanted.kind, wanted.transposed, wanted.boxes, wanted.unit)
            && d.columns == wanted.columns
            && d.mask_weights == wanted.mask_weights
    };
    if meta.task.is_none() || heads.is_empty() || heads.iter().any(same) {
        return None;
    }
    let read_as: Vec<String> = heads.into_iter().map(|h| h.title).collect();
    Some(format!(
        "the exporter's metadata says {}, the manifest says decoder.kind = \"{}\"; draft the manifest again with `sightline model inspect`",
        read_as.join(", or "),
        wanted.kind.name()
    ))
}

fn choose(
    mut heads: Vec<Head>,
    choice: Option<&str>,
    info: &ModelInfo,
) -> Result<Head, Option<DraftError>> {
    let outputs = || list(&info.outputs);
    if let Some(asked) = choice {
        let fitting = heads.iter().map(|h| h.name.to_owned()).collect();
        let chosen = heads.into_iter().find(|h| h.name == asked);
        return chosen.ok_or_else(|| {
            Some(DraftError::NotFitting {
                asked: asked.to_owned(),
                fitting,
                outputs: outputs(),
            })
        });
    }
    match heads.len() {
        0 => Err(None),
        1 => Ok(heads.remove(0)),
        _ => Err(Some(DraftError::Ambiguous {
            heads,
            outputs: outputs(),
        })),
    }
}

fn nothing_fits(info: &ModelInfo) -> String {
    let ran = if info.ran.is_empty() {
        ""
    } else {
        " or the numbers of a run do not fit the shapes (scores outside of 0 to 1, boxes outside of the picture)"
    };
    format!(
        "its outputs are of no known head{ran}; known are yolo-v8 [N, 4+classes, A] (also transposed), yolo-v5 [N, A, 5+classes], \
         yolo-v10 [N, K, 6], yolox [N, A, 5+classes], rows [N, K, 6] or [K, 7], boxes and scores [N, K, 4] and [N, K, classes], boxes and \
         class numbers, YOLO's segmentation, classifier [N, classes]; export the model with one of these"
    )
}

fn list(tensors: &[TensorInfo]) -> String {
    let all: Vec<String> = tensors.iter().map(TensorInfo::to_string).collect();
    all.join("; ")
}

/// The one input, whichever way round its axes are.
fn input(info: &ModelInfo, meta: &Metadata, guesses: &mut Vec<String>) -> Result<Input, String> {
    let [input] = info.inputs.as_slice() else {
        return Err(format!(
            "expected one input, the picture, found {}; export it so that it takes only the picture",
            info.inputs.len()
        ));
    };
    let dtype = match input.dtype.as_str() {
        "float32" => Dtype::F32,
        "float16" => Dtype::F16,
        "uint8" => Dtype::U8,
        other => {
            return Err(format!(
                "expected an input of float32, float16 or uint8, found {other}; export it with one of these"
            ));
        }
    };
    let planes = |n: i64| matches!(n, 1 | 2 | 3 | 6);
    let (layout, batch, planes, height, width) = match *input.dims.as_slice() {
        [n, h, w, c] if planes(c) && !planes(h) => (Layout::Nhwc, n, c, h, w),
        [n, c, h, w] => (Layout::Nchw, n, c, h, w),
        _ => {
            return Err(
                "expected an input [N, channels, height, width] or [N, height, width, channels]; export it so".to_owned(),
            );
        }
    };
    let (height, width) = sides(height, width, meta, guesses);
    Ok(Input {
        name: input.name.clone(),
        dtype,
        layout,
        batch,
        planes,
        height,
        width,
    })
}

fn sides(height: i64, width: i64, meta: &Metadata, guesses: &mut Vec<String>) -> (i64, i64) {
    if width > 0 && height > 0 {
        return (height, width);
    }
    let (h, w, source) = match meta.size {
        Some((h, w)) => (h, w, "the file's metadata `imgsz`"),
        None => (640, 640, "habit"),
    };
    let or = |side: i64, other: i64| if side > 0 { side } else { other };
    let (h, w) = (or(height, h), or(width, w));
    guesses.push(format!(
        "input.width and input.height: open in the file, {w} x {h} by {source}"
    ));
    (h, w)
}

fn class_names(meta: &Metadata, head: &Head, guesses: &mut Vec<String>) -> Vec<String> {
    let named = meta.names.len();
    if named > 0 && (head.classes == 0 || named == head.classes) {
        return meta.names.clone();
    }
    let count = head.classes.max(1);
    let why = match (named, head.classes) {
        (0, 0) => "the file names none and its shapes do not tell how many there are: 1; name them with --classes, or findings of others are not decidable".to_owned(),
        (0, n) => format!("the file names none, its outputs have {n}; name them with --classes"),
        (named, n) => format!(
            "the file names {named} ({}), its outputs have {n}: the names are kept and the rest numbered; compare with the training",
            meta.names.join(", ")
        ),
    };
    guesses.push(format!("classes: {why}"));
    let name = |i: usize| {
        meta.names
            .get(i)
            .cloned()
            .unwrap_or_else(|| format!("class-{i}"))
    };
    (0..count).map(name).collect()
}

/// The name and size of the input that a run takes, with open sides filled in: for whoever runs the file once.
///
/// # Errors
/// Why no picture goes in, in words.
pub fn input_of(info: &ModelInfo) -> Result<(Dtype, Layout, [i64; 4]), String> {
    let input = input(info, &Metadata::of(info), &mut Vec::new())?;
    let planes = if input.planes > 0 { input.planes } else { 3 };
    Ok((
        input.dtype,
        input.layout,
        [input.batch.max(1), planes, input.height, input.width],
    ))
}
