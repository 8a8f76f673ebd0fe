//! What a model file says of itself, in no inference library's words.

use crate::bundle::hash;
use crate::onnx::{NotOnnx, OnnxFile, PixelMath, Tail};
use prost::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a model file.
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
    /// Who wrote the file, e.g. `pytorch`.
    pub producer: String,
    /// It holds QuantizeLinear/DequantizeLinear nodes.
    pub quantised: bool,
    /// What the network does to the pixels first.
    pub pixels: PixelMath,
    /// How each output is made, in the order of `outputs`.
    pub tails: Vec<Tail>,
    /// Operators that only another runtime has.
    pub foreign_operators: BTreeSet<String>,
    /// The files that hold its weights.
    pub weights: Vec<WeightsFile>,
    /// What a run on [`test_picture`] gave, in the order of `outputs`; empty where nothing was run.
    pub ran: Vec<RunOutput>,
}

/// A file of weights beside a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightsFile {
    /// Relative to the model's folder.
    pub path: String,
    /// SHA-256, hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// One output of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunOutput {
    /// With the batch, if there is one.
    pub dims: Vec<i64>,
    /// Class numbers and 16-bit floats as `f32`; empty for other types.
    pub values: Vec<f32>,
}

impl ModelInfo {
    /// Size, hash, and what the bytes say where they are an ONNX model.
    pub fn of_bytes(file_name: &str, bytes: &[u8]) -> Self {
        let plain = Self {
            file_name: file_name.to_owned(),
            sha256: hash::sha256_hex(bytes),
            size: bytes.len() as u64,
            ..Self::default()
        };
        match OnnxFile::read(Bytes::copy_from_slice(bytes)) {
            Ok(file) => plain.with(&file),
            Err(NotOnnx(_)) => plain,
        }
    }

    /// What `file` says, over what is known already.
    #[must_use]
    pub fn with(self, file: &OnnxFile) -> Self {
        let (inputs, outputs) = (file.inputs(), file.outputs());
        Self {
            metadata: file.metadata(),
            producer: file.producer().to_owned(),
            quantised: file.has("DequantizeLinear"),
            pixels: match inputs.first() {
                Some(input) => file.pixel_math(&input.name),
                None => PixelMath::default(),
            },
            tails: outputs.iter().map(|o| file.tail(&o.name)).collect(),
            foreign_operators: file.foreign_operators(),
            inputs,
            outputs,
            ..self
        }
    }

    /// Sizes of output `index`: those of the run where there was one.
    pub fn dims(&self, index: usize) -> &[i64] {
        match self.ran.get(index) {
            Some(run) => &run.dims,
            None => &self.outputs[index].dims,
        }
    }
}

/// A picture of `planes` planes in 0..=1, plane by plane: squares of plain colours, light and dark, and noise. What a
/// head says of it tells centres from corners, pixels from fractions and class numbers from scores.
pub fn test_picture(planes: usize, height: usize, width: usize) -> Vec<f32> {
    const COLOURS: [[f32; 3]; 8] = [
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [1.0, 1.0, 1.0],
        [0.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [1.0, 1.0, 0.0],
        [0.2, 0.6, 0.9],
    ];
    let mut noise = 0x9e37_79b9_u32;
    let mut picture = Vec::with_capacity(planes * height * width);
    for plane in 0..planes {
        for y in 0..height {
            for x in 0..width {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (column, row) = (x * 8 / width, y * 8 / height);
                let colour = COLOURS[(column + row * 3) % 8][plane % 3];
                let grain = (noise >> 24) as f32 / 255.0 - 0.5;
                let level = if row % 4 == 3 {
                    colour + grain * 0.5
                } else {
                    colour
                };
                picture.push(level.clamp(0.0, 1.0));
            }
        }
    }
    picture
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
