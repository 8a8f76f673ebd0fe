//! What the operators at both ends of a network say.

use super::proto::{Graph, Node, Tensor, ValueInfo};
use crate::bundle::draft::TensorInfo;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Operators looked at, from either end.
const MAX_STEPS: usize = 64;

/// What the first operators do to the pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PixelMath {
    /// Product of the factors that all pixels are multiplied by, before the first operator that is no arithmetic.
    pub factor: Option<f32>,
    /// Something is added or subtracted.
    pub shifted: bool,
}

impl PixelMath {
    /// The network brings 0..255 to about 0..1 itself.
    pub fn scales_down(&self) -> bool {
        self.factor.is_some_and(|f| f > 0.0 && f <= 1.0 / 64.0)
    }
}

/// How an output is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tail {
    /// The last operator that is not about shape alone.
    pub last: Option<String>,
    /// Operators upstream, the nearest [`MAX_STEPS`].
    pub near: BTreeSet<String>,
    /// Step of a quantisation that the whole output passes through.
    pub quantised_in_steps_of: Option<f32>,
}

/// Name, element type in ONNX's words and sizes of an input or output.
pub(super) fn tensor_info(value: &ValueInfo) -> TensorInfo {
    let tensor = value.r#type.as_ref().and_then(|t| t.tensor.as_ref());
    let dims = tensor.and_then(|t| t.shape.as_ref()).map(|shape| {
        let sizes = shape.dim.iter().map(|d| d.value.unwrap_or(-1));
        sizes.map(|d| if d < 0 { -1 } else { d }).collect()
    });
    TensorInfo {
        name: value.name.clone(),
        dtype: tensor
            .map_or("not a tensor", |t| type_name(t.elem_type))
            .to_owned(),
        dims: dims.unwrap_or_default(),
    }
}

fn type_name(number: i32) -> &'static str {
    match number {
        1 => "float32",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "string",
        9 => "bool",
        10 => "float16",
        11 => "float64",
        12 => "uint32",
        13 => "uint64",
        16 => "bfloat16",
        _ => "another type",
    }
}

/// Constants by name: weights and `Constant` nodes.
fn constants(graph: &Graph) -> BTreeMap<&str, &Tensor> {
    let weights = graph.initializer.iter().map(|t| (t.name.as_str(), t));
    let nodes = graph.node.iter().filter(|n| n.op_type == "Constant");
    let made = nodes.filter_map(|n| {
        let value = n.attribute.iter().find_map(|a| a.t.as_ref())?;
        Some((n.output.first()?.as_str(), value))
    });
    weights.chain(made).collect()
}

/// The largest value of a small constant of floats or 8-bit integers; negative ones count by their size.
fn largest(tensor: &Tensor) -> Option<f32> {
    const FLOAT: i32 = 1;
    const HALF: i32 = 10;
    let raw = &tensor.raw_data;
    if raw.len() > 4_096 || tensor.data_location == 1 {
        return None;
    }
    let mut values: Vec<f32> = tensor.float_data.clone();
    if tensor.data_type == FLOAT {
        let (words, _) = raw.as_chunks::<4>();
        values.extend(words.iter().map(|b| f32::from_le_bytes(*b)));
    } else if tensor.data_type == HALF {
        let (words, _) = raw.as_chunks::<2>();
        values.extend(words.iter().map(|b| half_to_f32(u16::from_le_bytes(*b))));
    }
    values.into_iter().map(f32::abs).reduce(f32::max)
}

/// IEEE 754 binary16.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction / 1024.0) * 2f32.powi(e - 15),
    }
}

pub(super) fn pixel_math(graph: &Graph, input: &str) -> PixelMath {
    let constants = constants(graph);
    let mut math = PixelMath::default();
    let mut at = input;
    for _ in 0..MAX_STEPS {
        let mut users = graph
            .node
            .iter()
            .filter(|n| n.input.iter().any(|i| i == at));
        let (Some(node), None) = (users.next(), users.next()) else {
            break;
        };
        let other = node.input.iter().find(|i| *i != at);
        let value = other
            .and_then(|o| constants.get(o.as_str()))
            .and_then(|t| largest(t));
        match (node.op_type.as_str(), value) {
            ("Mul", Some(by)) => math.factor = Some(math.factor.unwrap_or(1.0) * by),
            ("Div", Some(by)) if by > 0.0 && node.input.first().is_some_and(|i| i == at) => {
                math.factor = Some(math.factor.unwrap_or(1.0) / by);
            }
            ("Add" | "Sub", Some(_)) => math.shifted = true,
            ("Cast" | "Identity" | "Transpose" | "Reshape" | "Squeeze" | "Unsqueeze", _)
            | ("QuantizeLinear" | "DequantizeLinear", _) => {}
            _ => break,
        }
        let Some(next) = node.output.first() else {
            break;
        };
        at = next;
    }
    math
}

/// Operators that leave values as they are.
fn about_shape(op: &str) -> bool {
    let plain = [
        "Identity",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Cast",
        "Flatten",
    ];
    plain.contains(&op)
}

pub(super) fn tail(graph: &Graph, output: &str) -> Tail {
    let maker: BTreeMap<&str, &Node> = graph
        .node
        .iter()
        .flat_map(|n| n.output.iter().map(move |o| (o.as_str(), n)))
        .collect();
    let constants = constants(graph);
    let mut tail = Tail::default();
    let mut at = output;
    for _ in 0..MAX_STEPS {
        let Some(node) = maker.get(at) else { break };
        let Some(first) = node.input.first() else {
            break;
        };
        let op = node.op_type.as_str();
        if op == "DequantizeLinear" || op == "QuantizeLinear" {
            let scale = node.input.get(1).and_then(|s| constants.get(s.as_str()));
            tail.quantised_in_steps_of = scale.and_then(|t| largest(t));
        } else if !about_shape(op) {
            tail.last = Some(op.to_owned());
            break;
        }
        at = first;
    }
    let mut open = VecDeque::from([output]);
    let mut seen = BTreeSet::new();
    while let (Some(name), true) = (open.pop_front(), seen.len() < MAX_STEPS) {
        let Some(node) = maker.get(name) else {
            continue;
        };
        if seen.insert(std::ptr::from_ref::<Node>(node)) {
            tail.near.insert(node.op_type.clone());
            open.extend(node.input.iter().map(String::as_str));
        }
    }
    tail
}
