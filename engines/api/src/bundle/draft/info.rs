//! What a model file says of itself, in no inference library's words.

use crate::bundle::hash;
use std::collections::BTreeMap;

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
