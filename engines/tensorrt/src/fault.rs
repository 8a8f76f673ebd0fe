//! What a call into CUDA or TensorRT answered when it did not do what it was asked.

use sightline_engine::EngineError;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {reason}")]
pub struct Fault {
    /// The call, by the library's own name.
    pub call: &'static str,
    /// The library's words.
    pub reason: String,
}

impl Fault {
    /// `call` said `reason`.
    pub fn new(call: &'static str, reason: impl Into<String>) -> Self {
        Self {
            call,
            reason: reason.into(),
        }
    }
}

impl From<Fault> for EngineError {
    fn from(fault: Fault) -> Self {
        Self::Run {
            reason: fault.to_string(),
        }
    }
}
