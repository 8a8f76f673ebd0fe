//! What a model file says of itself.

use crate::Runtime;
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::{Outlet, TensorElementType, ValueType};
use sightline_engine::EngineError;
use sightline_engine::bundle::draft::{ModelInfo, TensorInfo};
use std::path::Path;

/// Loads `path` without optimising it and reads its inputs, outputs and metadata.
///
/// # Errors
/// [`EngineError::ModelUnreadable`].
pub fn inspect(runtime: &Runtime, path: &Path) -> Result<ModelInfo, EngineError> {
    let unreadable = |reason: String| EngineError::ModelUnreadable {
        path: path.to_owned(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    let session = Session::builder(&runtime.environment)
        .and_then(|b| Ok(b.with_optimization_level(GraphOptimizationLevel::Disable)?))
        .and_then(|b| Ok(b.with_intra_threads(1)?))
        .and_then(|mut b| b.commit_from_memory(&bytes))
        .map_err(|e| unreadable(e.to_string()))?;
    let name = path.file_name().map_or("".into(), |n| n.to_string_lossy());
    let mut info = ModelInfo::of_bytes(&name, &bytes);
    info.inputs = session.inputs().iter().map(tensor_info).collect();
    info.outputs = session.outputs().iter().map(tensor_info).collect();
    let metadata = session.metadata().map_err(|e| unreadable(e.to_string()))?;
    let keys = metadata
        .custom_keys()
        .map_err(|e| unreadable(e.to_string()))?;
    let pairs = keys
        .into_iter()
        .filter_map(|key| Some((key.clone(), metadata.custom(&key)?)));
    info.metadata = pairs.collect();
    Ok(info)
}

/// Name, element type and sizes of an input or output; sequences and maps have no sizes.
pub(crate) fn tensor_info(outlet: &Outlet) -> TensorInfo {
    let (dtype, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => (element_name(*ty), shape.to_vec()),
        other => (other.to_string(), Vec::new()),
    };
    TensorInfo {
        name: outlet.name().to_owned(),
        dtype,
        dims,
    }
}

fn element_name(ty: TensorElementType) -> String {
    match ty {
        TensorElementType::Float32 => crate::contract::FLOAT.to_owned(),
        other => other.to_string(),
    }
}
