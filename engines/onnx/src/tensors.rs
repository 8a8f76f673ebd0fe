//! Tensors of the element types that files have, and the `f32` that everything else works with.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::Allocator;
use ort::session::{IoBinding, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};
use sightline_engine::bundle::draft::RunOutput;
use sightline_engine::bundle::{Dtype, InputSpec, Layout};

/// Memory of an input or output.
pub(crate) enum Memory {
    F32(Tensor<f32>),
    F16(Tensor<f16>),
    U8(Tensor<u8>),
    I64(Tensor<i64>),
    I32(Tensor<i32>),
}

/// Does the same with each type of memory.
macro_rules! each {
    ($memory:expr, $tensor:ident => $do:expr) => {
        match $memory {
            Memory::F32($tensor) => $do,
            Memory::F16($tensor) => $do,
            Memory::U8($tensor) => $do,
            Memory::I64($tensor) => $do,
            Memory::I32($tensor) => $do,
        }
    };
}

impl Memory {
    /// Zeros; `None` for a type that is not read.
    pub(crate) fn new(ty: TensorElementType, shape: Vec<usize>) -> Option<ort::Result<Self>> {
        let allocator = Allocator::default();
        let made = match ty {
            TensorElementType::Float32 => Tensor::new(&allocator, shape).map(Self::F32),
            TensorElementType::Float16 => Tensor::new(&allocator, shape).map(Self::F16),
            TensorElementType::Uint8 => Tensor::new(&allocator, shape).map(Self::U8),
            TensorElementType::Int64 => Tensor::new(&allocator, shape).map(Self::I64),
            TensorElementType::Int32 => Tensor::new(&allocator, shape).map(Self::I32),
            _ => return None,
        };
        // memory comes uninitialised
        Some(made.map(|mut memory| {
            each!(&mut memory, t => t.extract_tensor_mut().1.fill(Default::default()));
            memory
        }))
    }

    pub(crate) fn bind_input(&self, binding: &mut IoBinding, name: &str) -> ort::Result<()> {
        each!(self, t => binding.bind_input(name, t))
    }

    pub(crate) fn bind_output(&mut self, binding: &mut IoBinding, name: &str) -> ort::Result<()> {
        each!(self, t => binding.bind_output(name, t))
    }

    /// For a run without a binding.
    pub(crate) fn view(&self) -> SessionInputValue<'_> {
        each!(self, t => t.view().into_dyn().into())
    }

    /// Its values where they are `f32` already.
    pub(crate) fn floats(&self) -> Option<&[f32]> {
        match self {
            Self::F32(t) => Some(t.extract_tensor().1),
            _ => None,
        }
    }

    /// Its values as `f32`; class numbers are exact up to 2^24.
    pub(crate) fn read(&self, out: &mut [f32]) {
        match self {
            Self::F32(t) => out.copy_from_slice(t.extract_tensor().1),
            Self::F16(t) => t.extract_tensor().1.convert_to_f32_slice(out),
            Self::U8(t) => copy(t.extract_tensor().1, out, f32::from),
            Self::I64(t) => copy(t.extract_tensor().1, out, |v| v as f32),
            Self::I32(t) => copy(t.extract_tensor().1, out, |v| v as f32),
        }
    }
}

fn copy<T: Copy>(from: &[T], to: &mut [f32], convert: impl Fn(T) -> f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = convert(*from);
    }
}

/// An output's values as `f32`, of any element type that is read.
pub(crate) fn values_of(value: &DynValue) -> ort::Result<RunOutput> {
    let dims = value.shape().to_vec();
    let count: usize = dims.iter().map(|&d| d.max(0) as usize).product();
    let mut out = vec![0.0; count];
    if count > 0 {
        match value.data_type() {
            TensorElementType::Float16 => {
                value
                    .try_extract_tensor::<f16>()?
                    .1
                    .convert_to_f32_slice(&mut out);
            }
            TensorElementType::Int64 => {
                copy(value.try_extract_tensor::<i64>()?.1, &mut out, |v| v as f32);
            }
            TensorElementType::Int32 => {
                copy(value.try_extract_tensor::<i32>()?.1, &mut out, |v| v as f32);
            }
            _ => out.copy_from_slice(value.try_extract_tensor::<f32>()?.1),
        }
    }
    Ok(RunOutput { dims, values: out })
}

/// The input's memory, and the planes of `f32` that pictures are written into.
pub(crate) struct Input {
    pub memory: Memory,
    /// Empty where the memory itself is planes of `f32`.
    planes: Vec<f32>,
    pixels: usize,
    channels: usize,
    interleaved: bool,
}

impl Input {
    /// Zeros for `size` regions.
    pub(crate) fn new(spec: &InputSpec, size: usize) -> ort::Result<Self> {
        let (h, w) = (spec.height as usize, spec.width as usize);
        let shape = match spec.layout {
            Layout::Nchw => vec![size, spec.planes(), h, w],
            Layout::Nhwc => vec![size, h, w, spec.planes()],
        };
        let allocator = Allocator::default();
        let mut memory = match spec.dtype {
            Dtype::F32 => Memory::F32(Tensor::new(&allocator, shape)?),
            Dtype::F16 => Memory::F16(Tensor::new(&allocator, shape)?),
            Dtype::U8 => Memory::U8(Tensor::new(&allocator, shape)?),
        };
        each!(&mut memory, t => t.extract_tensor_mut().1.fill(Default::default()));
        let direct = (spec.dtype, spec.layout) == (Dtype::F32, Layout::Nchw);
        Ok(Self {
            memory,
            planes: vec![0.0; if direct { 0 } else { size * spec.elements() }],
            pixels: h * w,
            channels: spec.planes(),
            interleaved: spec.layout == Layout::Nhwc,
        })
    }

    /// Planes of all regions, to be written.
    pub(crate) fn planes_mut(&mut self) -> &mut [f32] {
        match &mut self.memory {
            Memory::F32(t) if self.planes.is_empty() => t.extract_tensor_mut().1,
            _ => &mut self.planes,
        }
    }

    /// Brings what was written into the network's type and order.
    pub(crate) fn settle(&mut self) {
        if self.planes.is_empty() {
            return;
        }
        match &mut self.memory {
            Memory::F32(t) => fill(
                self.interleaved,
                (self.channels, self.pixels),
                &self.planes,
                t.extract_tensor_mut().1,
                |v| v,
            ),
            Memory::F16(t) => {
                let out = t.extract_tensor_mut().1;
                fill(
                    self.interleaved,
                    (self.channels, self.pixels),
                    &self.planes,
                    out,
                    f16::from_f32,
                );
            }
            Memory::U8(t) => {
                let out = t.extract_tensor_mut().1;
                // a cast holds to 0..=255
                fill(
                    self.interleaved,
                    (self.channels, self.pixels),
                    &self.planes,
                    out,
                    |v| v.round() as u8,
                );
            }
            Memory::I64(_) | Memory::I32(_) => unreachable!("no picture is made of these"),
        }
    }
}

fn fill<T>(
    interleaved: bool,
    (channels, pixels): (usize, usize),
    planes: &[f32],
    out: &mut [T],
    convert: impl Fn(f32) -> T,
) {
    if !interleaved {
        for (out, value) in out.iter_mut().zip(planes) {
            *out = convert(*value);
        }
        return;
    }
    let regions = planes
        .chunks_exact(channels * pixels)
        .zip(out.chunks_exact_mut(channels * pixels));
    for (planes, out) in regions {
        for (channel, plane) in planes.chunks_exact(pixels).enumerate() {
            for (out, value) in out.iter_mut().skip(channel).step_by(channels).zip(plane) {
                *out = convert(*value);
            }
        }
    }
}
