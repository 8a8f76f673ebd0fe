//! The file's inputs and outputs against the manifest, before anything runs.

use sightline_engine::EngineError;
use sightline_engine::bundle::Manifest;
use sightline_engine::bundle::draft::TensorInfo;
use sightline_engine::decode::Decoder;
use std::path::Path;

/// How many regions the file takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAxis {
    /// Always so many.
    Fixed(usize),
    /// As many as it is given.
    Open,
}

/// What was agreed.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The first axis of input and output.
    pub batch: BatchAxis,
    /// Index of the output that is decoded; others are left alone.
    pub output: usize,
}

/// Holds the file's inputs and outputs against the manifest.
///
/// # Errors
/// [`EngineError::ModelMismatch`] with both sides.
pub fn agree(
    path: &Path,
    inputs: &[TensorInfo],
    outputs: &[TensorInfo],
    manifest: &Manifest,
    decoder: &Decoder,
) -> Result<Contract, EngineError> {
    Ok(Contract {
        batch: agree_input(path, inputs, manifest)?,
        output: agree_output(path, outputs, decoder)?,
    })
}

fn agree_input(
    path: &Path,
    inputs: &[TensorInfo],
    manifest: &Manifest,
) -> Result<BatchAxis, EngineError> {
    let spec = &manifest.input;
    let wanted = [
        spec.planes() as i64,
        i64::from(spec.height),
        i64::from(spec.width),
    ];
    if let [input] = inputs
        && input.name == spec.name
        && input.dtype == FLOAT
        && let [batch, rest @ ..] = input.dims.as_slice()
        && rest.len() == wanted.len()
        && rest
            .iter()
            .zip(wanted)
            .all(|(&dim, wanted)| dim < 0 || dim == wanted)
        && *batch != 0
    {
        return Ok(match usize::try_from(*batch) {
            Ok(fixed) => BatchAxis::Fixed(fixed),
            Err(_) => BatchAxis::Open,
        });
    }
    let [planes, height, width] = wanted;
    Err(mismatch(
        path,
        "inputs",
        format!("{} {FLOAT}[N, {planes}, {height}, {width}]", spec.name),
        inputs,
    ))
}

fn agree_output(
    path: &Path,
    outputs: &[TensorInfo],
    decoder: &Decoder,
) -> Result<usize, EngineError> {
    let readable = |o: &TensorInfo| o.dtype == FLOAT && decoder.fits(&o.dims).is_ok();
    let mut fitting = outputs.iter().enumerate().filter(|(_, o)| readable(o));
    match (fitting.next(), fitting.next()) {
        (Some((index, _)), None) => Ok(index),
        _ => {
            let expected = format!("one output for {}", decoder.expected());
            Err(mismatch(path, "outputs", expected, outputs))
        }
    }
}

/// The element type of all inputs and outputs that are used.
pub(crate) const FLOAT: &str = "float32";

pub(crate) fn mismatch(
    path: &Path,
    what: &'static str,
    manifest: String,
    file: &[TensorInfo],
) -> EngineError {
    let list: Vec<String> = file.iter().map(TensorInfo::to_string).collect();
    EngineError::ModelMismatch {
        path: path.to_owned(),
        what,
        manifest,
        file: list.join("; "),
    }
}
