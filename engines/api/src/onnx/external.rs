//! Weights in files of their own: every place of the file that may name one.

use super::proto::{Attribute, Graph, Model, Node, SparseTensor, Tensor};
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// A weights file that a model may not name.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the model keeps weights in `{location}`: expected a file beside the model, without `..` or an absolute path; \
     save it again with its weights in one file beside it (onnx.save(model, path, save_as_external_data=True, location=\"NAME.data\"))"
)]
pub struct ForeignLocation {
    /// As the model names it.
    pub location: String,
}

/// The files, relative to the model's folder.
pub(super) fn locations(model: &Model) -> Result<BTreeSet<String>, ForeignLocation> {
    let mut found = BTreeSet::new();
    let training = model.training_info.iter();
    let graphs = training
        .flat_map(|t| [&t.initialization, &t.algorithm])
        .chain([&model.graph]);
    for graph in graphs.flatten() {
        of_graph(graph, &mut found);
    }
    for function in &model.functions {
        of_nodes(&function.node, &mut found);
    }
    match found.iter().find(|location| !is_inside(location)) {
        Some(location) => Err(ForeignLocation {
            location: location.clone(),
        }),
        None => Ok(found),
    }
}

fn is_inside(location: &str) -> bool {
    !location.is_empty()
        && !location.contains(['\\', '\0'])
        && Path::new(location)
            .components()
            .all(|c| matches!(c, Component::Normal(_)))
}

fn of_graph(graph: &Graph, found: &mut BTreeSet<String>) {
    graph.initializer.iter().for_each(|t| of_tensor(t, found));
    for sparse in &graph.sparse_initializer {
        of_sparse(sparse, found);
    }
    of_nodes(&graph.node, found);
}

fn of_nodes(nodes: &[Node], found: &mut BTreeSet<String>) {
    for attribute in nodes.iter().flat_map(|n| &n.attribute) {
        of_attribute(attribute, found);
    }
}

fn of_attribute(a: &Attribute, found: &mut BTreeSet<String>) {
    for tensor in a.t.iter().chain(&a.tensors) {
        of_tensor(tensor, found);
    }
    for sparse in a.sparse_tensor.iter().chain(&a.sparse_tensors) {
        of_sparse(sparse, found);
    }
    for graph in a.g.iter().chain(&a.graphs) {
        of_graph(graph, found);
    }
}

fn of_sparse(sparse: &SparseTensor, found: &mut BTreeSet<String>) {
    for tensor in sparse.values.iter().chain(&sparse.indices) {
        of_tensor(tensor, found);
    }
}

fn of_tensor(tensor: &Tensor, found: &mut BTreeSet<String>) {
    if tensor.data_location != 1 && tensor.external_data.is_empty() {
        return;
    }
    // a tensor without a location is one with an empty name, which is refused
    let location = tensor.external_data.iter().find(|e| e.key == "location");
    found.insert(location.map(|e| e.value.clone()).unwrap_or_default());
}
