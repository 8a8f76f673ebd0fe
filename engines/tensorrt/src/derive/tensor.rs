//! An initializer's numbers, however they are stored.

use super::onnx::Tensor;
use super::{DeriveError, refuse};

pub const FLOAT: i32 = 1;
pub const UINT8: i32 = 2;
pub const INT8: i32 = 3;
pub const INT32: i32 = 6;
pub const INT64: i32 = 7;
pub const HALF: i32 = 10;

/// Numbers of a float tensor.
pub fn floats(tensor: &Tensor) -> Result<Vec<f32>, DeriveError> {
    inside(tensor)?;
    if tensor.data_type != FLOAT {
        return refuse("32-bit floats", kind(tensor));
    }
    if tensor.raw_data.is_empty() {
        return Ok(tensor.float_data.clone());
    }
    let (chunks, _) = tensor.raw_data.as_chunks::<4>();
    Ok(chunks.iter().map(|c| f32::from_le_bytes(*c)).collect())
}

/// Numbers of an integer tensor.
pub fn integers(tensor: &Tensor) -> Result<Vec<i32>, DeriveError> {
    inside(tensor)?;
    let raw = &tensor.raw_data;
    match tensor.data_type {
        UINT8 | INT8 | INT32 if raw.is_empty() => Ok(tensor.int32_data.clone()),
        UINT8 => Ok(raw.iter().map(|b| i32::from(*b)).collect()),
        INT8 => Ok(raw.iter().map(|b| i32::from(*b as i8)).collect()),
        INT32 => {
            let (chunks, _) = raw.as_chunks::<4>();
            Ok(chunks.iter().map(|c| i32::from_le_bytes(*c)).collect())
        }
        _ => refuse("8- or 32-bit integers", kind(tensor)),
    }
}

/// Numbers of a tensor of 64-bit integers.
pub fn longs(tensor: &Tensor) -> Result<Vec<i64>, DeriveError> {
    inside(tensor)?;
    if tensor.data_type != INT64 {
        return refuse("64-bit integers", kind(tensor));
    }
    if tensor.raw_data.is_empty() {
        return Ok(tensor.int64_data.clone());
    }
    let (chunks, _) = tensor.raw_data.as_chunks::<8>();
    Ok(chunks.iter().map(|c| i64::from_le_bytes(*c)).collect())
}

/// A float tensor.
pub fn of_floats(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: FLOAT,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Tensor::default()
    }
}

/// A tensor of s8.
pub fn of_signed(name: &str, dims: &[i64], values: &[i8]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: INT8,
        raw_data: values.iter().map(|v| *v as u8).collect(),
        ..Tensor::default()
    }
}

/// The same numbers in 16 bits.
pub fn halved(tensor: &Tensor, name: &str) -> Result<Tensor, DeriveError> {
    let values = floats(tensor)?;
    if let Some(large) = values.iter().find(|v| v.abs() > 65_504.0) {
        return refuse(
            "numbers that 16-bit floats have (up to 65504)",
            format!("{large} in `{}`", tensor.name),
        );
    }
    let bits = values.iter().map(|v| half::f16::from_f32(*v).to_bits());
    Ok(Tensor {
        name: name.to_owned(),
        dims: tensor.dims.clone(),
        data_type: HALF,
        raw_data: bits.flat_map(u16::to_le_bytes).collect(),
        ..Tensor::default()
    })
}

fn inside(tensor: &Tensor) -> Result<(), DeriveError> {
    if tensor.external_data.is_empty() {
        return Ok(());
    }
    refuse(
        "numbers inside the file",
        format!("`{}` in another file", tensor.name),
    )
}

fn kind(tensor: &Tensor) -> String {
    format!("element type {} in `{}`", tensor.data_type, tensor.name)
}
