//! FP16 of FP32: node by node, a cast where the two meet.

use super::onnx::{Attribute, Graph, Node, Tensor};
use super::tensor::{FLOAT, HALF, halved};
use super::{DeriveError, refuse};
use std::collections::{HashMap, HashSet};

/// `AttributeProto.AttributeType.INT`.
const INT_ATTRIBUTE: i32 = 2;
/// What is worth it.
const HEAVY: [&str; 4] = ["Conv", "ConvTranspose", "Gemm", "MatMul"];
const QUANTISED: [&str; 4] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "ConvInteger",
];

pub fn convert(graph: &mut Graph, half_input: bool) -> Result<(), DeriveError> {
    if let Some(node) = graph.node.iter().find(|n| QUANTISED.contains(&&*n.op_type)) {
        return refuse(
            "a file in 32-bit floats",
            format!("a quantised one ({})", node.op_type),
        );
    }
    let types = types(graph);
    let is_float = |name: &str| types.get(name) == Some(&FLOAT);
    let halves = before_the_last_heavy(graph);
    if !halves.contains(&true) {
        return refuse("a convolution or matrix product", "a graph without any");
    }
    // floats that nodes in 16 bits give
    let produced: HashSet<String> = (graph.node.iter().zip(&halves))
        .filter(|(_, half)| **half)
        .flat_map(|(n, _)| n.output.iter().filter(|o| is_float(o)).cloned())
        .collect();
    let mut halver = Halver::new(graph, half_input, &produced);
    let mut nodes = Vec::with_capacity(graph.node.len());
    nodes.append(&mut halver.casts);
    for (mut node, half) in std::mem::take(&mut graph.node).into_iter().zip(halves) {
        let mut after = Vec::new();
        if half {
            for slot in 0..node.input.len() {
                let name = node.input[slot].clone();
                if is_float(&name) && !stays(&node.op_type, slot) {
                    node.input[slot] = halver.half_of(graph, &name)?;
                }
            }
            for output in &mut node.output {
                if is_float(output) {
                    let name = half_name(output);
                    // unused ones cost nothing: TensorRT and ONNX Runtime drop them
                    after.push(cast(&name, output, FLOAT));
                    *output = name;
                }
            }
            retarget(&mut node)?;
        } else {
            for input in &mut node.input {
                if halver.inputs.contains(input) {
                    *input = float_name(input);
                }
            }
        }
        nodes.push(node);
        nodes.append(&mut after);
    }
    graph.node = nodes;
    graph.initializer.append(&mut halver.made);
    Ok(())
}

/// Inputs that are 32-bit floats whatever the data is.
fn stays(op_type: &str, slot: usize) -> bool {
    op_type == "Resize" && slot > 0
}

fn half_name(name: &str) -> String {
    format!("{name}/half")
}

fn float_name(name: &str) -> String {
    format!("{name}/float")
}

fn cast(from: &str, to: &str, into: i32) -> Node {
    Node {
        op_type: "Cast".to_owned(),
        name: format!("{to}/cast"),
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        attribute: vec![Attribute {
            name: "to".to_owned(),
            i: Some(i64::from(into)),
            r#type: Some(INT_ATTRIBUTE),
            ..Attribute::default()
        }],
        ..Node::default()
    }
}

/// Nodes that say their output's type say 16 bits now.
fn retarget(node: &mut Node) -> Result<(), DeriveError> {
    for attribute in &mut node.attribute {
        if node.op_type == "Cast" && attribute.name == "to" && attribute.i == Some(i64::from(FLOAT))
        {
            attribute.i = Some(i64::from(HALF));
        }
        if node.op_type == "ConstantOfShape"
            && let Some(value) = attribute.t.as_mut()
            && value.data_type == FLOAT
        {
            *value = halved(value, "")?;
        }
    }
    Ok(())
}

struct Halver<'p> {
    produced: &'p HashSet<String>,
    /// Graph inputs that are in 16 bits themselves.
    inputs: HashSet<String>,
    done: HashSet<String>,
    made: Vec<Tensor>,
    casts: Vec<Node>,
}

impl<'p> Halver<'p> {
    fn new(graph: &mut Graph, half_input: bool, produced: &'p HashSet<String>) -> Self {
        let mut halver = Self {
            produced,
            inputs: HashSet::new(),
            done: HashSet::new(),
            made: Vec::new(),
            casts: Vec::new(),
        };
        for input in &mut graph.input {
            let Some(tensor) = input.r#type.as_mut().and_then(|t| t.tensor.as_mut()) else {
                continue;
            };
            if tensor.elem_type != FLOAT {
                continue;
            }
            if half_input {
                tensor.elem_type = HALF;
                halver.inputs.insert(input.name.clone());
                // for whoever reads it in 32 bits
                let back = cast(&input.name, &float_name(&input.name), FLOAT);
                halver.casts.push(back);
            } else {
                let name = half_name(&input.name);
                halver.casts.push(cast(&input.name, &name, HALF));
            }
        }
        halver
    }

    /// The name of a float in 16 bits.
    fn half_of(&mut self, graph: &Graph, name: &str) -> Result<String, DeriveError> {
        if self.inputs.contains(name) {
            return Ok(name.to_owned());
        }
        let half = half_name(name);
        if self.produced.contains(name) || self.done.contains(name) {
            return Ok(half);
        }
        self.done.insert(name.to_owned());
        if let Some(tensor) = graph.initializer.iter().find(|t| t.name == name) {
            self.made.push(halved(tensor, &half)?);
        } else if !graph.input.iter().any(|i| i.name == name) {
            return refuse(
                "tensors that nodes, inputs or initializers give",
                format!("`{name}`"),
            );
        }
        Ok(half)
    }
}

/// Element types of all tensors, as far as these operators say.
fn types(graph: &Graph) -> HashMap<String, i32> {
    let mut types = HashMap::new();
    for input in &graph.input {
        if let Some(tensor) = input.r#type.as_ref().and_then(|t| t.tensor.as_ref()) {
            types.insert(input.name.clone(), tensor.elem_type);
        }
    }
    types.extend(
        graph
            .initializer
            .iter()
            .map(|t| (t.name.clone(), t.data_type)),
    );
    for node in &graph.node {
        let of_input = |slot: usize| node.input.get(slot).and_then(|n| types.get(n)).copied();
        let of_attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
        let first = match &*node.op_type {
            "Shape" | "Size" | "ArgMax" | "ArgMin" | "NonZero" | "NonMaxSuppression" => Some(7),
            "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or"
            | "Not" | "IsNaN" | "IsInf" => Some(9),
            "Cast" => of_attribute("to").and_then(|a| a.i).map(|i| i as i32),
            "ConstantOfShape" => {
                let value = of_attribute("value").and_then(|a| a.t.as_ref());
                Some(value.map_or(FLOAT, |t| t.data_type))
            }
            "Constant" => {
                let float = of_attribute("value_float").or(of_attribute("value_floats"));
                Some(if float.is_some() { FLOAT } else { 7 })
            }
            "Where" => of_input(1),
            _ => of_input(0),
        };
        for (index, output) in node.output.iter().enumerate() {
            let second_of_top = node.op_type == "TopK" && index == 1;
            let kind = if second_of_top { Some(7) } else { first };
            if let Some(kind) = kind {
                types.insert(output.clone(), kind);
            }
        }
    }
    types
}

/// Nodes that are heavy or that a heavy one needs. ONNX wants nodes in order of use.
fn before_the_last_heavy(graph: &Graph) -> Vec<bool> {
    let mut needed: HashSet<&str> = HashSet::new();
    let mut before = vec![false; graph.node.len()];
    for (node, before) in graph.node.iter().zip(&mut before).rev() {
        let wanted = node.output.iter().any(|o| needed.contains(&**o));
        if wanted || HEAVY.contains(&&*node.op_type) {
            *before = true;
            needed.extend(node.input.iter().map(String::as_str));
        }
    }
    before
}
