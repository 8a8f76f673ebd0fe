//! ONNX files derived from a bundle's own for TensorRT versions that take the precision from the file alone: FP16 of FP32
//! ([`half`]), symmetric s8 of the u8 that ONNX Runtime is fast with ([`signed`]).

mod half;
pub(crate) mod onnx;
mod signed;
pub(crate) mod tensor;

use onnx::{Graph, Model, Node};
use prost::Message;
use std::collections::HashSet;

/// Raised when a derivation changes, so that plans of the older one are built again.
pub const REVISION: u32 = 1;

/// What a file is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// All up to the last convolution or matrix product in 16-bit floats, boxes and scores after it in 32-bit ones:
    /// half a pixel is a 16-bit float's last digit at 640. `half_input`: the input is in 16 bits too.
    Half {
        /// 16-bit input.
        half_input: bool,
    },
    /// Activations of QDQ pairs as s8 around zero, biases in floats.
    Signed,
}

/// A file that cannot be derived from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("expected {expected}, found {found}; export the model again, or ask for precision fp32")]
pub struct DeriveError {
    /// What a derivation takes.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

pub(crate) fn refuse<T>(
    expected: &'static str,
    found: impl Into<String>,
) -> Result<T, DeriveError> {
    Err(DeriveError {
        expected,
        found: found.into(),
    })
}

/// The derived file of an ONNX file's bytes.
///
/// # Errors
/// [`DeriveError`].
pub fn derive(onnx: &[u8], into: Derivation) -> Result<Vec<u8>, DeriveError> {
    let mut model = decoded(onnx)?;
    let Some(graph) = model.graph.as_mut() else {
        return refuse("a graph", "none");
    };
    match into {
        Derivation::Half { half_input } => half::convert(graph, half_input)?,
        Derivation::Signed => signed::convert(graph)?,
    }
    drop_unused(graph);
    Ok(model.encode_to_vec())
}

/// An ONNX file's model, if there is nothing in it that this crate does not read.
fn decoded(onnx: &[u8]) -> Result<Model, DeriveError> {
    let mut model = Model::decode(onnx).or_else(|e| refuse("an ONNX file", e.to_string()))?;
    if !model.functions.is_empty() {
        return refuse(
            "a graph without functions",
            "a model with functions of its own",
        );
    }
    let Some(graph) = model.graph.as_mut() else {
        return refuse("a graph", "none");
    };
    if !graph.sparse_initializer.is_empty() {
        return refuse("dense initializers", "sparse ones");
    }
    let nested = |n: &&Node| {
        n.attribute
            .iter()
            .any(|a| a.g.is_some() || !a.graphs.is_empty())
    };
    if let Some(node) = graph.node.iter().find(nested) {
        return refuse("a graph without branches and loops", node.op_type.clone());
    }
    constants_to_initializers(graph);
    Ok(model)
}

/// An ONNX file's graph, every constant an initializer.
pub(crate) fn read(onnx: &[u8]) -> Result<Graph, DeriveError> {
    let graph = decoded(onnx)?.graph;
    graph.map_or_else(|| refuse("a graph", "none"), Ok)
}

/// Constants that are whole tensors become initializers, so that there is one kind of them.
fn constants_to_initializers(graph: &mut Graph) {
    let (mut nodes, mut made) = (Vec::new(), Vec::new());
    for mut node in std::mem::take(&mut graph.node) {
        let value = node.attribute.iter_mut().find(|a| a.name == "value");
        match value.and_then(|a| a.t.take()) {
            Some(mut tensor) if node.op_type == "Constant" => {
                tensor.name = node.output[0].clone();
                made.push(tensor);
            }
            Some(tensor) => {
                // ConstantOfShape: put it back
                if let Some(a) = node.attribute.iter_mut().find(|a| a.name == "value") {
                    a.t = Some(tensor);
                }
                nodes.push(node);
            }
            None => nodes.push(node),
        }
    }
    graph.node = nodes;
    graph.initializer.append(&mut made);
}

/// Initializers that nobody reads any more.
fn drop_unused(graph: &mut Graph) {
    let inputs = graph.node.iter().flat_map(|n| &n.input);
    let outputs = graph.output.iter().map(|o| &o.name);
    let read: HashSet<&String> = inputs.chain(outputs).collect();
    graph.initializer.retain(|t| read.contains(&t.name));
}
