//! The board detectors in plain kernels of our own, without TensorRT: slow, and exact. The self-test runs on it where
//! TensorRT does not take the GPU, so that streams, events, graphs, memory and all kernels are tried on it all the same.
//! No station uses it.

mod program;
#[cfg(test)]
mod tests;

use crate::Fault;
use crate::derive::DeriveError;
use crate::device::Address;
use crate::device::cuda::{Gpu, Network, load, said};
use bytemuck::{Pod, Zeroable};
use cudarc::driver::{result, sys};
use program::{Place, Program, Step};
use std::ffi::c_void;

/// Compiled as one file, in this order.
pub const SOURCES: [&str; 2] = [
    include_str!("../../kernels/prelude.cuh"),
    include_str!("../../kernels/plain.cu"),
];
/// Threads of a block.
const THREADS: u32 = 128;

/// Kernels of `kernels/plain.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainKernel {
    Conv,
    Copy,
    Zip,
    Pool,
    Enlarge,
}

const NAMES: [&str; 5] = [
    "sl_plain_conv",
    "sl_plain_copy",
    "sl_plain_zip",
    "sl_plain_pool",
    "sl_plain_enlarge",
];

/// What `sl_plain_zip` computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Exp,
    Sigmoid,
    Clip,
    Relu,
}

/// `PlainParams`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct PlainParams {
    from: u64,
    with: u64,
    bias: u64,
    to: u64,
    count: u32,
    op: u32,
    size: [i32; 10],
    clip: [f32; 2],
}

/// Addresses that a program's places are counted from.
#[derive(Clone, Copy)]
pub(crate) struct Bases {
    input: u64,
    output: u64,
    scratch: u64,
    weights: u64,
}

impl Bases {
    fn address(&self, place: Place, batch: usize) -> u64 {
        match place {
            Place::Input => self.input,
            Place::Output => self.output,
            Place::Scratch(at) => self.scratch + (4 * at * batch) as u64,
            Place::Weights(at) => self.weights + 4 * at as u64,
        }
    }

    fn params(&self, step: &Step, batch: usize) -> PlainParams {
        let count = step.count * batch;
        PlainParams {
            from: self.address(step.from, batch),
            with: self.address(step.with, batch),
            bias: self.address(step.bias, batch),
            to: self.address(step.to, batch),
            count: count as u32,
            op: step.op as u32,
            size: step.size.map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
            clip: step.clip,
        }
    }
}

struct Launch {
    kernel: PlainKernel,
    blocks: [u32; 2],
    params: PlainParams,
}

/// The network on a GPU.
pub struct PlainNetwork {
    program: Program,
    weights: sys::CUdeviceptr,
    module: sys::CUmodule,
    functions: [sys::CUfunction; NAMES.len()],
    contexts: Vec<Vec<Launch>>,
}

// SAFETY: handles of the driver, none bound to a thread; the device it is part of makes the context current.
unsafe impl Send for PlainNetwork {}

impl PlainNetwork {
    /// Of an ONNX file's bytes, for regions of `input` (channels, height, width); `cubin` is of [`SOURCES`]. `gpu` is to be
    /// current, and outlives it.
    ///
    /// # Errors
    /// The file is not of the board detectors' operators; the driver's words.
    pub fn new(gpu: &Gpu, onnx: &[u8], input: [usize; 3], cubin: &[u8]) -> Result<Self, Fault> {
        let refused = |e: DeriveError| Fault::new("plain network", e.to_string());
        let program = Program::of(onnx, input).map_err(refused)?;
        gpu.bind()?;
        let (module, functions) = load(cubin, NAMES)?;
        // SAFETY: the context is current; freed on drop; exactly so many bytes are copied before the call returns.
        let weights = unsafe {
            let weights =
                result::malloc_sync(4 * program.weights.len()).map_err(said("cuMemAlloc"))?;
            result::memcpy_htod_sync(weights, &program.weights).map_err(said("cuMemcpyHtoD"))?;
            weights
        };
        Ok(Self {
            program,
            weights,
            module,
            functions,
            contexts: Vec::new(),
        })
    }

    /// Sizes of one region's output.
    pub fn output_dims(&self) -> &[usize] {
        &self.program.output_dims
    }

    /// Bytes of scratch for `batch` regions.
    pub fn scratch_bytes(&self, batch: usize) -> usize {
        4 * self.program.scratch * batch
    }
}

impl Network for PlainNetwork {
    fn context(
        &mut self,
        batch: usize,
        input: Address,
        output: Address,
        scratch: Address,
    ) -> Result<usize, Fault> {
        let bases = Bases {
            input: input.0,
            output: output.0,
            scratch: scratch.0,
            weights: self.weights,
        };
        let launches = self.program.steps.iter().map(|step| {
            let params = bases.params(step, batch);
            Launch {
                kernel: step.kernel,
                blocks: [params.count.div_ceil(THREADS), step.groups as u32],
                params,
            }
        });
        self.contexts.push(launches.collect());
        Ok(self.contexts.len() - 1)
    }

    unsafe fn enqueue(&mut self, context: usize, stream: *mut c_void) -> Result<(), Fault> {
        for launch in &self.contexts[context] {
            let mut arguments = [(&raw const launch.params).cast_mut().cast::<c_void>()];
            let (function, [x, y]) = (self.functions[launch.kernel as usize], launch.blocks);
            // SAFETY: the stream is alive by the caller's word; the kernel takes one structure, which the driver copies; its
            // addresses were made for so many regions by the engine.
            unsafe {
                result::launch_kernel(
                    function,
                    (x, y, 1),
                    (THREADS, 1, 1),
                    0,
                    stream.cast(),
                    &mut arguments,
                )
            }
            .map_err(said("cuLaunchKernel"))?;
        }
        Ok(())
    }
}

impl Drop for PlainNetwork {
    fn drop(&mut self) {
        // SAFETY: ours, released once; the device that owns this has come to rest. A failure means that the context is
        // lost, and its memory with it.
        unsafe {
            let _ = result::free_sync(self.weights);
            let _ = result::module::unload(self.module);
        }
    }
}
