//! Why a simulated line could not be built, or a camera not be put over it.

use sightline_ingest::IngestError;

/// Why a simulated line could not be built, or a camera not be put over it.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The boards cannot be drawn as configured.
    #[error("simulation: {found}")]
    Settings {
        /// What was expected and found.
        found: String,
    },
    /// Its pictures cannot be read, its camera's settings do not fit, or the system gave no thread.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}
