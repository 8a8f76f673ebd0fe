//! Why a picture is left out.

use std::path::PathBuf;

/// Why a picture could not be put into a slot. The line goes on; the part is NotDecidable.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be read.
    #[error("{path}: expected a readable picture file, found: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is damaged, or no picture.
    #[error("{path}: expected a whole PNG, JPEG, BMP or TIFF picture, found: {found}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        found: String,
    },
    /// Too small, or not the configured size.
    #[error("{path}: expected a picture of {expected}, found {width}x{height}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Sizes that are taken.
        expected: String,
        /// Width found.
        width: u32,
        /// Height found.
        height: u32,
    },
    /// Larger than a slot.
    #[error(
        "{path}: expected a picture of at most {slot_bytes} bytes, found {width}x{height} {format}, which needs {needed}; \
         raise `slot_bytes`"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Width found.
        width: u32,
        /// Height found.
        height: u32,
        /// The camera's format.
        format: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        slot_bytes: usize,
    },
    /// A pixel type that is not converted.
    #[error("{path}: expected 8 or 16 bits a channel in grey or RGB, found {found}")]
    Pixels {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
    },
}
