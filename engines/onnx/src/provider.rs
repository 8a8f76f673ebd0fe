//! Execution providers: asked for by name, and refused when they are not really there.

use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;
use sightline_engine::EngineError;
use std::ffi::{CStr, c_char};

/// The provider every build has.
pub(crate) const CPU: &str = "cpu";

/// Adds the provider to a session's options. Anything but the CPU must then take every node of the graph.
pub(crate) fn register(
    builder: SessionBuilder,
    asked: &str,
) -> Result<SessionBuilder, EngineError> {
    if asked == CPU {
        return Ok(builder);
    }
    let available = available();
    let missing = |reason: String| EngineError::ProviderMissing {
        asked: asked.to_owned(),
        reason,
        available: available.clone(),
    };
    if !available.iter().any(|name| name == asked) {
        return Err(missing("the library was built without it".to_owned()));
    }
    let provider = dispatch(asked)
        .ok_or_else(|| missing("Sightline does not know how to ask for it".to_owned()))?;
    builder
        .with_execution_providers([provider.error_on_failure()])
        .and_then(SessionBuilder::with_disable_cpu_fallback)
        .map_err(|e| missing(e.to_string()))
}

fn dispatch(name: &str) -> Option<ExecutionProviderDispatch> {
    Some(match name {
        "cuda" => ep::CUDA::default().build(),
        "tensorrt" => ep::TensorRT::default().build(),
        "openvino" => ep::OpenVINO::default().build(),
        "xnnpack" => ep::XNNPACK::default().build(),
        _ => return None,
    })
}

/// `CUDAExecutionProvider` and the like, as we write them: `cuda`.
fn our_name(theirs: &str) -> String {
    theirs
        .trim_end_matches("ExecutionProvider")
        .to_ascii_lowercase()
}

/// What the loaded library was built with, by our names.
pub(crate) fn available() -> Vec<String> {
    let api = ort::api();
    let mut names: *mut *mut c_char = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: both pointers are to locals that outlive the call; on success the library has written an array of
    // `count` NUL-terminated strings that is ours until it is released below.
    let status = unsafe { (api.GetAvailableProviders)(&mut names, &mut count) };
    // SAFETY: the status was just returned by the library and is used nowhere else.
    if unsafe { ort::Error::result_from_status(status) }.is_err() || names.is_null() {
        return vec![CPU.to_owned()];
    }
    // SAFETY: see above; `names` is not null, and the count is the library's own, never negative.
    let listed = unsafe { std::slice::from_raw_parts(names, count.max(0) as usize) };
    let ours = listed
        .iter()
        // SAFETY: each entry is a NUL-terminated string until the array is released.
        .map(|&name| our_name(&unsafe { CStr::from_ptr(name) }.to_string_lossy()))
        .collect();
    // SAFETY: `names` and `count` are what the library gave, and nothing borrows from them any more.
    let released = unsafe { (api.ReleaseAvailableProviders)(names, count) };
    // SAFETY: as above. There is nothing to do if freeing a list fails.
    let _ = unsafe { ort::Error::result_from_status(released) };
    ours
}
