//! The file's inputs and outputs against the manifest, before anything runs.

use sightline_engine::EngineError;
use sightline_engine::bundle::draft::TensorInfo;
use sightline_engine::bundle::{Dtype, Layout, Manifest};
use sightline_engine::decode::{Decoder, Role};
use std::path::Path;

/// How many regions the file takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchAxis {
    /// Always so many.
    Fixed(usize),
    /// As many as it is given.
    Open,
}

/// An output that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPlan {
    /// Among the file's outputs.
    pub index: usize,
    /// What it is to the decoder.
    pub role: Role,
    /// Its first axis is the batch.
    pub batched: bool,
}

/// What was agreed.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The first axis of input and outputs.
    pub batch: BatchAxis,
    /// In the decoder's order; others are left alone.
    pub outputs: Vec<OutputPlan>,
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
    let batch = agree_input(path, inputs, manifest)?;
    let outputs = agree_outputs(path, outputs, decoder)?;
    let batch = match batch {
        // without a batch axis only one picture's findings can be told
        BatchAxis::Open if outputs.iter().any(|o| !o.batched) => BatchAxis::Fixed(1),
        batch => batch,
    };
    Ok(Contract { batch, outputs })
}

fn agree_input(
    path: &Path,
    inputs: &[TensorInfo],
    manifest: &Manifest,
) -> Result<BatchAxis, EngineError> {
    let spec = &manifest.input;
    let [planes, height, width] = [spec.planes() as i64, spec.height.into(), spec.width.into()];
    let wanted = match spec.layout {
        Layout::Nchw => [planes, height, width],
        Layout::Nhwc => [height, width, planes],
    };
    let dtype = match spec.dtype {
        Dtype::F32 => FLOAT,
        Dtype::F16 => HALF,
        Dtype::U8 => BYTE,
    };
    if let [input] = inputs
        && input.name == spec.name
        && input.dtype == dtype
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
    let [a, b, c] = wanted;
    Err(mismatch(
        path,
        "inputs",
        format!("{} {dtype}[N, {a}, {b}, {c}]", spec.name),
        inputs,
    ))
}

fn agree_outputs(
    path: &Path,
    outputs: &[TensorInfo],
    decoder: &Decoder,
) -> Result<Vec<OutputPlan>, EngineError> {
    let plan = |(role, name): (Role, Option<&str>)| {
        let wanted = |o: &TensorInfo| name.is_none_or(|n| n == o.name) && is_read(role, &o.dtype);
        let fits = |(index, o): (usize, &TensorInfo)| {
            let batched = decoder
                .fits_role(role, name, &o.dims)
                .ok()
                .filter(|_| wanted(o))?;
            Some(OutputPlan {
                index,
                role,
                batched,
            })
        };
        let mut fitting = outputs.iter().enumerate().filter_map(fits);
        match (fitting.next(), fitting.next()) {
            (Some(plan), None) => Ok(plan),
            _ => {
                let expected = format!("one output for {}", decoder.expected());
                Err(mismatch(path, "outputs", expected, outputs))
            }
        }
    };
    decoder.roles().into_iter().map(plan).collect()
}

/// Element types that an output may have.
fn is_read(role: Role, dtype: &str) -> bool {
    let float = [FLOAT, HALF].contains(&dtype);
    float || (role == Role::Labels && [LONG, INT].contains(&dtype))
}

pub(crate) const FLOAT: &str = "float32";
pub(crate) const HALF: &str = "float16";
pub(crate) const BYTE: &str = "uint8";
pub(crate) const LONG: &str = "int64";
pub(crate) const INT: &str = "int32";

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
