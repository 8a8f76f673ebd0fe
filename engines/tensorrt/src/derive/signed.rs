//! u8 activations to s8 around zero, biases to floats: what TensorRT takes.
//!
//! A u8 pair of scale s and zero point z holds -z·s to (255 - z)·s. Around 128 the same numbers fit s8 around zero without
//! loss; otherwise the scale grows to max(z, 255 - z)·s/127, which for z = 0
//! halves the resolution.

use super::onnx::{Graph, Node, Tensor};
use super::tensor::{FLOAT, INT8, INT32, UINT8, floats, integers, of_floats, of_signed};
use super::{DeriveError, refuse};
use std::collections::HashMap;

pub fn convert(graph: &mut Graph) -> Result<(), DeriveError> {
    let initial: HashMap<String, Tensor> = graph
        .initializer
        .iter()
        .map(|t| (t.name.clone(), t.clone()))
        .collect();
    let mut made: HashMap<String, Tensor> = HashMap::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    let mut pairs = 0;
    for mut node in std::mem::take(&mut graph.node) {
        match &*node.op_type {
            "DequantizeLinear" if kind(&initial, &node, 0) == Some(INT32) => {
                let bias = folded(&initial, &node)?;
                made.insert(bias.name.clone(), bias);
                continue;
            }
            "QuantizeLinear" | "DequantizeLinear" => {
                pairs += 1;
                let from_zero = signed(&initial, &mut node, &mut made)?;
                if from_zero && node.op_type == "QuantizeLinear" {
                    let positive = format!("{}/positive", node.output[0]);
                    nodes.push(relu(&node.input[0], &positive));
                    node.input[0] = positive;
                }
            }
            "QLinearConv" | "QLinearMatMul" | "ConvInteger" | "MatMulInteger" => {
                return refuse("quantisation as QDQ pairs", node.op_type);
            }
            _ => {}
        }
        nodes.push(node);
    }
    if pairs == 0 {
        return refuse("a file quantised with QDQ pairs", "none of them");
    }
    graph.node = nodes;
    let mut made: Vec<Tensor> = made.into_values().collect();
    // the same bytes each time: the plan's key may be taken of them
    made.sort_by(|a, b| a.name.cmp(&b.name));
    graph.initializer.append(&mut made);
    Ok(())
}

fn kind(initial: &HashMap<String, Tensor>, node: &Node, slot: usize) -> Option<i32> {
    let tensor = node.input.get(slot).and_then(|n| initial.get(n));
    tensor.map(|t| t.data_type)
}

fn known<'t>(
    initial: &'t HashMap<String, Tensor>,
    node: &Node,
    slot: usize,
) -> Result<&'t Tensor, DeriveError> {
    match node.input.get(slot).and_then(|n| initial.get(n)) {
        Some(tensor) => Ok(tensor),
        None => refuse(
            "scales and zero points that are constants",
            format!("input {slot} of `{}`", node.name),
        ),
    }
}

/// A bias of s32 in floats.
fn folded(initial: &HashMap<String, Tensor>, node: &Node) -> Result<Tensor, DeriveError> {
    let tensor = known(initial, node, 0)?;
    let (numbers, scales) = (integers(tensor)?, floats(known(initial, node, 1)?)?);
    let zeros = match node.input.get(2).filter(|n| !n.is_empty()) {
        Some(_) => integers(known(initial, node, 2)?)?,
        None => vec![0],
    };
    if zeros.iter().any(|z| *z != 0) || (scales.len() != 1 && scales.len() != numbers.len()) {
        return refuse(
            "a bias around zero, one scale or one a channel",
            format!("`{}`", tensor.name),
        );
    }
    let values: Vec<f32> = numbers
        .iter()
        .zip(scales.iter().cycle())
        .map(|(n, s)| *n as f32 * s)
        .collect();
    Ok(of_floats(&node.output[0], &tensor.dims, &values))
}

/// u8 around 0 cuts off what is negative, and quantisers leave out the ReLU that did so before.
fn relu(from: &str, to: &str) -> Node {
    Node {
        op_type: "Relu".to_owned(),
        name: to.to_owned(),
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        ..Node::default()
    }
}

/// The pair's scale and zero point; whether it was u8 around 0.
fn signed(
    initial: &HashMap<String, Tensor>,
    node: &mut Node,
    made: &mut HashMap<String, Tensor>,
) -> Result<bool, DeriveError> {
    let zero = match node.input.get(2).filter(|n| !n.is_empty()) {
        Some(_) => known(initial, node, 2)?,
        // without one it is u8 around 0
        None => return refuse("zero points said", format!("none for `{}`", node.name)),
    };
    let zeros = integers(zero)?;
    match zero.data_type {
        INT8 if zeros.iter().all(|z| *z == 0) => return Ok(false),
        UINT8 => {}
        _ => {
            return refuse(
                "zero points of u8, or of s8 that are 0",
                format!("`{}`", zero.name),
            );
        }
    }
    if kind(initial, node, 0) == Some(UINT8) {
        return refuse("weights of s8", format!("u8 in `{}`", node.input[0]));
    }
    let scale = known(initial, node, 1)?;
    if scale.data_type != FLOAT {
        return refuse("scales of 32-bit floats", format!("`{}`", scale.name));
    }
    let scales = floats(scale)?;
    let wider = scales
        .iter()
        .zip(zeros.iter().cycle())
        .map(|(s, z)| match z {
            128 => *s,
            z => s * (*z).max(255 - z) as f32 / 127.0,
        });
    let scale_name = format!("{}/{}/s8", scale.name, zero.name);
    let zero_name = format!("{}/s8", zero.name);
    let wider: Vec<f32> = wider.collect();
    made.entry(scale_name.clone())
        .or_insert_with(|| of_floats(&scale_name, &scale.dims, &wider));
    made.entry(zero_name.clone())
        .or_insert_with(|| of_signed(&zero_name, &zero.dims, &vec![0; zeros.len()]));
    node.input[1] = scale_name;
    node.input[2] = zero_name;
    Ok(zeros.iter().all(|z| *z == 0))
}
