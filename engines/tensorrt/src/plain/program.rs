//! An ONNX graph as a list of plain kernels over one block of memory. Knows what the board detectors are made of; anything
//! else is refused by its name.

use super::{Op, PlainKernel};
use crate::derive::onnx::{Graph, Node, Tensor};
use crate::derive::{DeriveError, read, refuse, tensor};
use std::collections::HashMap;

/// Output channels of a convolution's thread.
pub const GROUP: usize = 8;

/// Where numbers lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The network's input.
    Input,
    /// Its output.
    Output,
    /// So many floats a region into the scratch: times the batch.
    Scratch(usize),
    /// So many floats into the weights.
    Weights(usize),
}

/// One kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub kernel: PlainKernel,
    pub op: Op,
    pub from: Place,
    pub with: Place,
    pub bias: Place,
    pub to: Place,
    /// Threads of one region.
    pub count: usize,
    pub size: [usize; 10],
    pub clip: [f32; 2],
    /// Blocks down.
    pub groups: usize,
}

/// What is known of a tensor: where it lies, and its sizes without the batch.
#[derive(Clone)]
struct Value {
    place: Place,
    dims: Vec<usize>,
}

impl Value {
    fn len(&self) -> usize {
        self.dims.iter().product()
    }
}

/// A network.
pub struct Program {
    pub steps: Vec<Step>,
    pub weights: Vec<f32>,
    /// Floats of a region's scratch.
    pub scratch: usize,
    /// Of a region's output.
    pub output_dims: Vec<usize>,
    values: HashMap<String, Value>,
    constants: HashMap<String, Tensor>,
    readers: HashMap<String, usize>,
}

impl Program {
    /// Of an ONNX file's bytes, for regions of `input` (channels, height, width).
    ///
    /// # Errors
    /// An operator, or a use of one, that the shipped board detectors do not have.
    pub fn of(onnx: &[u8], input: [usize; 3]) -> Result<Self, DeriveError> {
        let graph: Graph = read(onnx)?;
        let mut program = Self {
            steps: Vec::new(),
            weights: Vec::new(),
            scratch: 0,
            output_dims: Vec::new(),
            values: HashMap::new(),
            readers: HashMap::new(),
            constants: graph
                .initializer
                .into_iter()
                .map(|t| (t.name.clone(), t))
                .collect(),
        };
        for name in graph.node.iter().flat_map(|n| &n.input) {
            *program.readers.entry(name.clone()).or_default() += 1;
        }
        let (Some(first), Some(last)) = (graph.input.first(), graph.output.first()) else {
            return refuse("a graph with an input and an output", "none");
        };
        let whole = Value {
            place: Place::Input,
            dims: input.to_vec(),
        };
        program.values.insert(first.name.clone(), whole);
        for node in &graph.node {
            program.node(node)?;
        }
        let value = program.value(&last.name)?;
        program.output_dims.clone_from(&value.dims);
        let row = value.len();
        program.copy(&value, Place::Output, [row, row, 0, row, 0], 1);
        Ok(program)
    }

    fn value(&self, name: &str) -> Result<Value, DeriveError> {
        match self.values.get(name) {
            Some(value) => Ok(value.clone()),
            None => refuse("a tensor computed before", name),
        }
    }

    fn constant(&self, node: &Node, input: usize) -> Result<&Tensor, DeriveError> {
        let name = node.input.get(input).map_or("", String::as_str);
        match self.constants.get(name) {
            Some(tensor) => Ok(tensor),
            None => refuse(
                "a constant",
                format!("`{name}`, input {input} of {}", node.op_type),
            ),
        }
    }

    /// New memory for a tensor of these sizes, under the node's output name.
    fn make(&mut self, node: &Node, dims: Vec<usize>) -> Value {
        let value = Value {
            place: Place::Scratch(self.scratch),
            dims,
        };
        self.scratch += value.len();
        self.values.insert(node.output[0].clone(), value.clone());
        value
    }

    fn keep(&mut self, numbers: impl IntoIterator<Item = f32>) -> Place {
        // where four are loaded at once
        let at = self.weights.len().next_multiple_of(4);
        self.weights.resize(at, 0.0);
        self.weights.extend(numbers);
        Place::Weights(at)
    }

    fn step(
        &mut self,
        kernel: PlainKernel,
        from: Place,
        to: Place,
        count: usize,
        size: &[usize],
    ) -> &mut Step {
        let mut sizes = [0; 10];
        sizes[..size.len()].copy_from_slice(size);
        self.steps.push(Step {
            kernel,
            op: Op::Relu,
            from,
            with: Place::Weights(0),
            bias: Place::Weights(0),
            to,
            count,
            size: sizes,
            clip: [0.0; 2],
            groups: 1,
        });
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// `rows` of a region's rows; `size` is the kernel's.
    fn copy(&mut self, from: &Value, to: Place, size: [usize; 5], rows: usize) {
        self.step(PlainKernel::Copy, from.place, to, rows * size[0], &size);
    }

    fn node(&mut self, node: &Node) -> Result<(), DeriveError> {
        // shapes are known: what computes them is left out
        if !node.input.iter().any(|name| self.values.contains_key(name)) {
            return Ok(());
        }
        match node.op_type.as_str() {
            "Shape" => Ok(()),
            "Conv" => self.conv(node),
            "Relu" => self.relu(node),
            "Add" => self.two(node, Op::Add),
            "Sub" => self.two(node, Op::Sub),
            "Mul" => self.two(node, Op::Mul),
            "Exp" => self.one(node, Op::Exp, [0.0; 2]),
            "Sigmoid" => self.one(node, Op::Sigmoid, [0.0; 2]),
            "Clip" => {
                let low = tensor::floats(self.constant(node, 1)?)?[0];
                let high = tensor::floats(self.constant(node, 2)?)?[0];
                self.one(node, Op::Clip, [low, high])
            }
            "Concat" => self.concat(node),
            "Slice" => self.slice(node),
            "MaxPool" => self.pool(node),
            "Resize" => self.enlarge(node),
            "Reshape" => self.flatten(node),
            other => refuse("what the board detectors are made of", other),
        }
    }

    fn conv(&mut self, node: &Node) -> Result<(), DeriveError> {
        let from = self.value(&node.input[0])?;
        let (kernel, bias) = (self.constant(node, 1)?, self.constant(node, 2)?);
        let sizes: Vec<usize> = kernel.dims.iter().map(|d| *d as usize).collect();
        let (weights, bias) = (tensor::floats(kernel)?, tensor::floats(bias)?);
        let [co, ci, k, across] = sizes[..] else {
            return refuse("a convolution of pictures", format!("weights {sizes:?}"));
        };
        let (stride, pad) = (ints(node, "strides"), ints(node, "pads"));
        let plain = ints(node, "group").iter().all(|g| *g == 1)
            && ints(node, "dilations").iter().all(|d| *d == 1);
        let [c, hi, wi] = from.dims[..] else {
            return refuse("a picture into a convolution", format!("{:?}", from.dims));
        };
        let even = |all: &[usize]| all.iter().all(|n| Some(n) == all.first());
        if !plain || ![1, 3].contains(&k) || k != across || c != ci || !even(&stride) || !even(&pad)
        {
            return refuse(
                "a square convolution in one group",
                format!("`{}`", node.name),
            );
        }
        let (stride, pad) = (
            stride.first().map_or(1, |n| *n),
            pad.first().map_or(0, |n| *n),
        );
        let (ho, wo) = (
            (hi + 2 * pad - k) / stride + 1,
            (wi + 2 * pad - k) / stride + 1,
        );
        let groups = co.div_ceil(GROUP);
        let each = ci * k * k;
        let laid = (0..groups * each * GROUP).map(|at| {
            let (group, rest, lane) = (at / each / GROUP, at / GROUP % each, at % GROUP);
            weights
                .get((group * GROUP + lane) * each + rest)
                .copied()
                .unwrap_or(0.0)
        });
        let with = self.keep(laid);
        let bias = self.keep(
            bias.into_iter()
                .chain(std::iter::repeat_n(0.0, groups * GROUP - co)),
        );
        let to = self.make(node, vec![co, ho, wo]).place;
        let size = [ci, hi, wi, co, ho, wo, k, stride, pad, 0];
        let step = self.step(PlainKernel::Conv, from.place, to, ho * wo, &size);
        (step.with, step.bias, step.groups) = (with, bias, groups);
        Ok(())
    }

    /// Into the convolution before it, where nobody else reads that.
    fn relu(&mut self, node: &Node) -> Result<(), DeriveError> {
        let value = self.value(&node.input[0])?;
        let alone = self.readers.get(&node.input[0]) == Some(&1);
        match self.steps.last_mut() {
            Some(step) if alone && step.kernel == PlainKernel::Conv && step.to == value.place => {
                step.size[9] = 1;
                self.values.insert(node.output[0].clone(), value);
                Ok(())
            }
            _ => self.one(node, Op::Relu, [0.0; 2]),
        }
    }

    fn one(&mut self, node: &Node, op: Op, clip: [f32; 2]) -> Result<(), DeriveError> {
        let from = self.value(&node.input[0])?;
        let to = self.make(node, from.dims.clone()).place;
        let step = self.step(PlainKernel::Zip, from.place, to, from.len(), &[1]);
        (step.op, step.clip) = (op, clip);
        Ok(())
    }

    /// Two tensors of one size, or one and a constant that repeats over its last axes.
    fn two(&mut self, node: &Node, op: Op) -> Result<(), DeriveError> {
        let (a, b) = (&node.input[0], &node.input[1]);
        let (from, with, again) = match (self.values.get(a), self.values.get(b)) {
            (Some(a), Some(b)) if a.dims == b.dims => (a.clone(), b.place, None),
            (Some(a), None) => (a.clone(), Place::Weights(0), Some(1)),
            (None, Some(b)) if op != Op::Sub => (b.clone(), Place::Weights(0), Some(0)),
            _ => {
                return refuse(
                    "two tensors of one size, or one and a constant",
                    node.name.clone(),
                );
            }
        };
        let (with, again) = match again {
            None => (with, usize::MAX),
            Some(input) => {
                let numbers = tensor::floats(self.constant(node, input)?)?;
                let again = numbers.len();
                if from.len() % again != 0 {
                    return refuse(
                        "a constant that repeats over the last axes",
                        format!("{again} numbers"),
                    );
                }
                (self.keep(numbers), again)
            }
        };
        let to = self.make(node, from.dims.clone()).place;
        // two tensors: the second never begins again
        let step = self.step(PlainKernel::Zip, from.place, to, from.len(), &[again]);
        (step.op, step.with) = (op, with);
        Ok(())
    }

    fn concat(&mut self, node: &Node) -> Result<(), DeriveError> {
        let all: Result<Vec<Value>, _> = node.input.iter().map(|n| self.value(n)).collect();
        let (all, axis) = (all?, ints(node, "axis"));
        let axis = match axis[..] {
            [axis] if axis >= 1 && axis <= all[0].dims.len() => axis - 1,
            _ => {
                return refuse(
                    "a concatenation along an axis of a region",
                    format!("{axis:?}"),
                );
            }
        };
        let mut dims = all[0].dims.clone();
        dims[axis] = all.iter().map(|v| v.dims[axis]).sum();
        let tail: usize = dims[axis + 1..].iter().product();
        let (row, rows) = (dims[axis] * tail, dims[..axis].iter().product());
        let to = self.make(node, dims).place;
        let mut at = 0;
        for value in &all {
            let inner = value.dims[axis] * tail;
            self.copy(value, to, [inner, inner, 0, row, at], rows);
            at += inner;
        }
        Ok(())
    }

    fn slice(&mut self, node: &Node) -> Result<(), DeriveError> {
        let from = self.value(&node.input[0])?;
        let numbers = |input| self.constant(node, input).and_then(tensor::longs);
        let (first, last, axis) = (numbers(1)?, numbers(2)?, numbers(3)?);
        let steps = if node.input.len() > 4 {
            numbers(4)?
        } else {
            vec![1]
        };
        let ([first], [last], [axis], [1]) = (&first[..], &last[..], &axis[..], &steps[..]) else {
            return refuse("a slice of one axis", node.name.clone());
        };
        let Some(axis) = usize::try_from(*axis).ok().and_then(|a| a.checked_sub(1)) else {
            return refuse("a slice of a region's axis", node.name.clone());
        };
        let mut dims = from.dims.clone();
        let whole = dims[axis] as i64;
        let end = |n: i64| if n < 0 { n + whole } else { n.min(whole) } as usize;
        let (first, last) = (end(*first), end(*last));
        let tail: usize = dims[axis + 1..].iter().product();
        let rows = dims[..axis].iter().product();
        dims[axis] = last - first;
        let inner = dims[axis] * tail;
        let to = self.make(node, dims).place;
        self.copy(
            &from,
            to,
            [inner, whole as usize * tail, first * tail, inner, 0],
            rows,
        );
        Ok(())
    }

    fn pool(&mut self, node: &Node) -> Result<(), DeriveError> {
        let from = self.value(&node.input[0])?;
        let (side, pads, strides) = (
            ints(node, "kernel_shape"),
            ints(node, "pads"),
            ints(node, "strides"),
        );
        let k = side.first().copied().unwrap_or(0);
        let same = side == [k, k] && pads == [k / 2; 4] && strides == [1, 1] && k % 2 == 1;
        let [_, h, w] = from.dims[..] else {
            return refuse("a picture into a pooling", format!("{:?}", from.dims));
        };
        if !same {
            return refuse("a pooling that keeps the size", node.name.clone());
        }
        let to = self.make(node, from.dims.clone()).place;
        self.step(PlainKernel::Pool, from.place, to, from.len(), &[h, w, k]);
        Ok(())
    }

    fn enlarge(&mut self, node: &Node) -> Result<(), DeriveError> {
        let from = self.value(&node.input[0])?;
        let scales = tensor::floats(self.constant(node, 2)?)?;
        let [c, h, w] = from.dims[..] else {
            return refuse("a picture to enlarge", format!("{:?}", from.dims));
        };
        let times = scales.last().copied().unwrap_or(0.0);
        if scales != [1.0, 1.0, times, times] || times < 1.0 || times.fract() != 0.0 {
            return refuse("a picture made whole times larger", format!("{scales:?}"));
        }
        let times = times as usize;
        let to = self.make(node, vec![c, h * times, w * times]);
        self.step(
            PlainKernel::Enlarge,
            from.place,
            to.place,
            to.len(),
            &[h, w, times],
        );
        Ok(())
    }

    /// To channels and positions: what the heads reshape to.
    fn flatten(&mut self, node: &Node) -> Result<(), DeriveError> {
        let value = self.value(&node.input[0])?;
        let dims = vec![value.dims[0], value.dims[1..].iter().product()];
        self.values
            .insert(node.output[0].clone(), Value { dims, ..value });
        Ok(())
    }
}

/// A node's whole numbers under this name; none: empty.
fn ints(node: &Node, name: &str) -> Vec<usize> {
    let found = node.attribute.iter().find(|a| a.name == name);
    let all = found.map(|a| a.i.into_iter().chain(a.ints.iter().copied()));
    all.into_iter()
        .flatten()
        .map(|n| n.max(0) as usize)
        .collect()
}
