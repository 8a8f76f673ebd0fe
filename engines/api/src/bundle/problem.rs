//! What can be wrong with a bundle: all of it at once, each with the file and, in the manifest, line and field.

use std::path::PathBuf;

/// A bundle that is refused, with every reason that was found.
#[derive(Debug, thiserror::Error)]
#[error(
    "model bundle {} is refused:\n{}",
    .path.display(),
    .problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
)]
pub struct BundleError {
    /// The bundle's folder or archive.
    pub path: PathBuf,
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}; {advice}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The manifest is not TOML, or a field is unknown, missing or of the wrong type.
    #[error("{0}")]
    Manifest(sightline_configs::Problem),
    /// A golden picture's answer is not what it should be.
    #[error("{}:{line}: {message}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What was expected and found.
        message: String,
    },
    /// A class that the bundle does not have.
    #[error(
        "{}:{line}: `{found}` is not known here{}; known are {}",
        .path.display(),
        .nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default(),
        .known.join(", ")
    )]
    Unknown {
        /// The manifest.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is written there.
        found: String,
        /// The known name closest to it.
        nearest: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// A value that cannot be right.
    #[error("{}:{line}: {field}: expected {expected}, found {found}; {advice}", .path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Dotted, e.g. `classes[2].id`.
        field: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
        /// What to write instead.
        advice: String,
    },
    /// A file is shorter or longer than the manifest says.
    #[error("{}: expected {expected} bytes, found {found}; it is truncated or of another bundle: copy the bundle again", .path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// By the manifest.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// A file's content is not what the manifest says.
    #[error("{}: expected SHA-256 {expected}, found {found}; it was changed or swapped: copy the bundle again, or write the new hash if you changed it", .path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// By the manifest.
        expected: String,
        /// On disk.
        found: String,
    },
    /// A model file's weights are not where they may be.
    #[error("{}: {reason}", .model.display())]
    Weights {
        /// The model file, in the bundle.
        model: PathBuf,
        /// Which, and what to do.
        reason: String,
    },
    /// An archive that cannot be taken apart safely.
    #[error("{}: {reason}", .path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No model file of the asked precision.
    #[error("no model file of precision {asked}; the bundle has {}", .have.join(", "))]
    NoPrecision {
        /// What was asked for.
        asked: &'static str,
        /// What there is.
        have: Vec<&'static str>,
    },
}
