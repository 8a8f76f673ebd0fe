//! What a model file says of itself.

use crate::Runtime;
use crate::contract::{BYTE, FLOAT, HALF, INT, LONG};
use crate::session::{Source, open_to_inspect};
use crate::tensors::{Input, values_of};
use bytes::Bytes;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};
use sightline_engine::EngineError;
use sightline_engine::bundle::draft::{
    ModelInfo, RunOutput, TensorInfo, WeightsFile, input_of, test_picture,
};
use sightline_engine::bundle::{Channel, Color, Dtype, InputSpec, Resize, Weights};
use sightline_engine::onnx::OnnxFile;
use std::path::Path;

/// Reads what `path` holds, loads it without optimising it and runs it once on a picture of squares. Weights beside it
/// are taken from its own folder.
///
/// # Errors
/// [`EngineError::ModelUnreadable`].
pub fn inspect(runtime: &Runtime, path: &Path) -> Result<ModelInfo, EngineError> {
    let unreadable = |reason: String| EngineError::ModelUnreadable {
        path: path.to_owned(),
        reason,
    };
    let bytes = Bytes::from(std::fs::read(path).map_err(|e| unreadable(e.to_string()))?);
    let file = OnnxFile::read_from(path, bytes.clone()).map_err(|e| unreadable(e.to_string()))?;
    let name = path.file_name().map_or("".into(), |n| n.to_string_lossy());
    let mut info = ModelInfo::of_bytes(&name, &bytes);
    let weights = weights_beside(path, &file).map_err(unreadable)?;
    info.weights = weights.iter().map(of_weights).collect();
    if !info.foreign_operators.is_empty() {
        // no library loads it; the draft says why
        return Ok(info);
    }
    let mut source = Source {
        path,
        bytes: &bytes,
        file: &file,
        weights,
    };
    let mut session = open_to_inspect(runtime, &mut source)?;
    info.inputs = session.inputs().iter().map(tensor_info).collect();
    info.outputs = session.outputs().iter().map(tensor_info).collect();
    match run(&mut session, &info) {
        Ok(ran) => info.ran = ran,
        Err(reason) => {
            tracing::warn!(%reason, "the file was not run: its shapes alone are looked at")
        }
    }
    Ok(info)
}

fn of_weights(weights: &Weights) -> WeightsFile {
    let of = ModelInfo::of_bytes("", &weights.bytes);
    WeightsFile {
        path: weights.location.clone(),
        sha256: of.sha256,
        size: of.size,
    }
}

/// The files of weights that a model outside of a bundle names, from its folder.
fn weights_beside(path: &Path, file: &OnnxFile) -> Result<Vec<Weights>, String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |location: String| match std::fs::read(folder.join(&location)) {
        Ok(bytes) => Ok(Weights { location, bytes }),
        Err(e) => Err(format!(
            "it keeps its weights in `{location}`, which cannot be read from its folder: {e}; copy both files together"
        )),
    };
    let locations = file.weights_files().map_err(|e| e.to_string())?;
    locations.into_iter().map(read).collect()
}

/// What the network says of a picture of squares.
fn run(session: &mut Session, info: &ModelInfo) -> Result<Vec<RunOutput>, String> {
    let (dtype, layout, [batch, planes, height, width]) = input_of(info)?;
    let side = |n: i64| u32::try_from(n).map_err(|e| e.to_string());
    let spec = InputSpec {
        name: info.inputs[0].name.clone(),
        width: side(width)?,
        height: side(height)?,
        layout,
        dtype,
        color: Color::Gray,
        scale: 1.0,
        mean: Vec::new(),
        std: Vec::new(),
        resize: Resize::Stretch,
        resize_to: None,
        antialias: false,
        pad_value: 0,
        channels: vec![Channel::Image; planes as usize],
    };
    let words = |e: ort::Error| crate::explain::explain(&e.to_string(), None);
    let mut input = Input::new(&spec, batch as usize).map_err(words)?;
    let full = if dtype == Dtype::U8 || info.pixels.scales_down() {
        255.0
    } else {
        1.0
    };
    let picture = test_picture(planes as usize, height as usize, width as usize);
    for region in input.planes_mut().chunks_exact_mut(picture.len()) {
        for (out, level) in region.iter_mut().zip(&picture) {
            *out = level * full;
        }
    }
    input.settle();
    let inputs = ort::inputs![spec.name.as_str() => input.memory.view()];
    let found = session.run(inputs).map_err(words)?;
    let read = |o: &TensorInfo| {
        let numbers = [FLOAT, HALF, LONG, INT].contains(&o.dtype.as_str());
        if !numbers {
            let dims = o.dims.clone();
            return Ok(RunOutput {
                dims,
                values: Vec::new(),
            });
        }
        let RunOutput { dims, values } = values_of(&found[o.name.as_str()]).map_err(words)?;
        // of one picture
        let batched = batch > 1 && dims.first() == Some(&batch);
        let of_one = if batched {
            values.len() / batch as usize
        } else {
            values.len()
        };
        let first = |d: (usize, i64)| if d.0 == 0 && batched { 1 } else { d.1 };
        Ok(RunOutput {
            values: values[..of_one].to_vec(),
            dims: dims.into_iter().enumerate().map(first).collect(),
        })
    };
    info.outputs.iter().map(read).collect()
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
    let name = match ty {
        TensorElementType::Float32 => FLOAT,
        TensorElementType::Float16 => HALF,
        TensorElementType::Uint8 => BYTE,
        TensorElementType::Int64 => LONG,
        TensorElementType::Int32 => INT,
        other => return other.to_string(),
    };
    name.to_owned()
}
