//! A model file read as what it is, a protobuf, without running it: metadata, versions, operators near the outputs,
//! what is done to the pixels first, and the files that hold its weights.

mod external;
mod graph;
mod kind;
mod proto;

pub use external::ForeignLocation;
pub use graph::{PixelMath, Tail};

use crate::bundle::draft::TensorInfo;
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Bytes that are no ONNX model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct NotOnnx(pub String);

/// A model file, parsed; weights are borrowed from the bytes it was read from.
#[derive(Clone, Debug)]
pub struct OnnxFile {
    model: proto::Model,
}

impl OnnxFile {
    /// Parses.
    ///
    /// # Errors
    /// [`NotOnnx`] with what the bytes are instead, and what to do.
    pub fn read(bytes: Bytes) -> Result<Self, NotOnnx> {
        if let Some(kind) = kind::other_format(&bytes) {
            return Err(NotOnnx(kind));
        }
        let model = proto::Model::decode(bytes).map_err(|e| {
            NotOnnx(format!(
                "not an ONNX model, or cut short ({e}); export or copy it again"
            ))
        })?;
        if model.graph.as_ref().is_none_or(|g| g.node.is_empty()) {
            return Err(NotOnnx(
                "not an ONNX model: it holds no network; export it again".to_owned(),
            ));
        }
        Ok(Self { model })
    }

    /// Parses what was read from `path`; what is no model is told by its bytes, else by its name.
    ///
    /// # Errors
    /// As [`OnnxFile::read`].
    pub fn read_from(path: &Path, bytes: Bytes) -> Result<Self, NotOnnx> {
        let known = kind::other_format(&bytes).is_some();
        let named = |e| match kind::by_name(path) {
            Some(kind) if !known => NotOnnx(kind),
            _ => e,
        };
        Self::read(bytes).map_err(named)
    }

    /// Of the file format.
    pub fn ir_version(&self) -> i64 {
        self.model.ir_version
    }

    /// Who wrote the file, e.g. `pytorch`.
    pub fn producer(&self) -> &str {
        &self.model.producer_name
    }

    /// Of the standard operators; 0 where the file names none.
    pub fn opset(&self) -> i64 {
        let standard = |d: &str| d.is_empty() || d == "ai.onnx";
        let sets = self.model.opset_import.iter();
        sets.filter(|o| standard(&o.domain))
            .map(|o| o.version)
            .max()
            .unwrap_or(0)
    }

    /// Key to value as the exporter left them.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let entries = self.model.metadata_props.iter();
        entries.map(|e| (e.key.clone(), e.value.clone())).collect()
    }

    /// Operators that are not in the standard set and are not defined in the file, e.g. `EfficientNMS_TRT`.
    pub fn foreign_operators(&self) -> BTreeSet<String> {
        let known = [
            "",
            "ai.onnx",
            "ai.onnx.ml",
            "com.microsoft",
            "com.microsoft.nchwc",
        ];
        let own: BTreeSet<_> = self.model.functions.iter().map(|f| &f.name).collect();
        self.nodes()
            .filter(|n| !own.contains(&n.op_type))
            .filter(|n| !known.contains(&n.domain.as_str()) || n.op_type.ends_with("_TRT"))
            .map(|n| n.op_type.clone())
            .collect()
    }

    /// The files that hold its weights, relative to its folder.
    ///
    /// # Errors
    /// [`ForeignLocation`]: one lies outside the model's folder.
    pub fn weights_files(&self) -> Result<BTreeSet<String>, ForeignLocation> {
        external::locations(&self.model)
    }

    /// It holds an operator of this type.
    pub fn has(&self, op_type: &str) -> bool {
        self.nodes().any(|n| n.op_type == op_type)
    }

    /// As the file declares them, weights left out.
    pub fn inputs(&self) -> Vec<TensorInfo> {
        let Some(graph) = &self.model.graph else {
            return Vec::new();
        };
        let weights: BTreeSet<_> = graph.initializer.iter().map(|t| &t.name).collect();
        let inputs = graph.input.iter().filter(|v| !weights.contains(&v.name));
        inputs.map(graph::tensor_info).collect()
    }

    /// As the file declares them.
    pub fn outputs(&self) -> Vec<TensorInfo> {
        let graph = self.model.graph.iter();
        graph
            .flat_map(|g| g.output.iter().map(graph::tensor_info))
            .collect()
    }

    /// What the first operators do to the pixels of input `name`.
    pub fn pixel_math(&self, name: &str) -> PixelMath {
        match &self.model.graph {
            Some(g) => graph::pixel_math(g, name),
            None => PixelMath::default(),
        }
    }

    /// How output `name` is made.
    pub fn tail(&self, name: &str) -> Tail {
        match &self.model.graph {
            Some(g) => graph::tail(g, name),
            None => Tail::default(),
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &proto::Node> {
        self.model.graph.iter().flat_map(|g| &g.node)
    }
}
