//! Why a camera could not be started at all. What goes wrong later is a state with a reason, not an error.

use sightline_frames::FramesError;
use std::path::PathBuf;

/// Why a camera or its pictures could not be started.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Its frame memory could not be had.
    #[error("camera `{camera}`: {source}")]
    Frames {
        /// The camera's name.
        camera: String,
        /// What the pool said.
        source: FramesError,
    },
    /// The operating system gave no thread.
    #[error(
        "{what}: expected a thread, found: {source}; look at the limits on processes and memory"
    )]
    Thread {
        /// Whose thread.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The core to pin to is not one of this process's.
    #[error(
        "camera `{camera}`: expected `core` to be one of the cores this process may use {allowed:?}, found {core}"
    )]
    NoSuchCore {
        /// The camera's name.
        camera: String,
        /// The core asked for.
        core: usize,
        /// The cores there are.
        allowed: Vec<usize>,
    },
    /// A format that this kind of source cannot give.
    #[error(
        "camera `{camera}`: expected `format` to be one of {expected} for a source of kind `{kind}`, found {found}"
    )]
    Format {
        /// The camera's name.
        camera: String,
        /// The source's kind.
        kind: &'static str,
        /// The formats it can give.
        expected: &'static str,
        /// The one asked for.
        found: &'static str,
    },
    /// Too few slots for what the source hands over at once.
    #[error(
        "camera `{camera}`: expected at least {needed} slots ({why}), found {found}; raise `slots`"
    )]
    Slots {
        /// The camera's name.
        camera: String,
        /// Slots needed.
        needed: usize,
        /// What for.
        why: &'static str,
        /// Slots configured.
        found: usize,
    },
    /// A simulated camera without a simulated line.
    #[error(
        "camera `{camera}`: a simulated source needs the simulated line; add a [simulation] table to the configuration"
    )]
    NoLine {
        /// The camera's name.
        camera: String,
    },
    /// A file of a picture source cannot be read.
    #[error("{path}: expected {expected}, found: {found}")]
    Pictures {
        /// The folder, glob or file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// GStreamer is not usable on this machine.
    #[error("GStreamer: expected version 1.20 or later with its base plugins, found: {found}")]
    GStreamer {
        /// What was found.
        found: String,
    },
    /// A pipeline whose elements cannot be made.
    #[error(
        "camera `{camera}`: {found}; correct the description, or install the plugin that has the element"
    )]
    Elements {
        /// The camera's name.
        camera: String,
        /// What was expected and found.
        found: String,
    },
    /// A camera that was probed gave no frame.
    #[error("camera `{camera}`: expected a frame, found: {found}")]
    Probe {
        /// The camera's name.
        camera: String,
        /// The last state and its reason.
        found: String,
    },
    /// A camera's threads did not end in time; they are left to themselves.
    #[error(
        "camera `{camera}`: expected its threads to end within {within_ms} ms, they did not; its source hangs"
    )]
    StopTimedOut {
        /// The camera's name.
        camera: String,
        /// How long was waited.
        within_ms: u128,
    },
}
