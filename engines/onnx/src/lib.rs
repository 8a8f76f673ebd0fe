//! The Engine trait on ONNX Runtime.
