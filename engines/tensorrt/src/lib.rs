//! The Engine trait on TensorRT and CUDA. Nothing of either is needed to build, lint or test this crate: the driver, NVRTC
//! and TensorRT are loaded at run time, and only the feature `tensorrt` compiles a shim over TensorRT's headers.
//!
//! What lives here: the engine over a device ([`engine`]), the device's result layer and CUDA behind it ([`device`]), the
//! kernels ([`kernels`]), ONNX files derived from a bundle's ([`derive`]), what was built and is kept ([`store`]), under
//! which key ([`plan`]), the libraries ([`library`]), with the feature TensorRT itself (`trt`), and for the self-test a
//! network without it ([`plain`]); what the box says of its GPU's clocks and power ([`power`]).
//! Where to start: `factory`, which puts them together, then [`engine`].

pub mod derive;
pub mod device;
pub mod engine;
#[cfg(feature = "tensorrt")]
pub mod factory;
mod fault;
pub mod kernels;
pub mod library;
pub mod plain;
pub mod plan;
pub mod power;
pub mod store;
#[cfg(feature = "tensorrt")]
pub mod trt;

#[cfg(feature = "tensorrt")]
pub use factory::{TensorRtEngine, TensorRtFactory};
pub use fault::Fault;
