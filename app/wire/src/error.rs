//! What can go wrong with the socket.

use std::io;
use std::path::PathBuf;

/// Errors of both halves.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket cannot be made.
    #[error(
        "expected to listen for consoles at {path}, found: {source}; the folder must exist and be ours to write"
    )]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody listens there.
    #[error(
        "another station already listens for consoles at {path}; give this one another console.socket"
    )]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// A thread could not be started.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading or writing failed, or the other side is gone.
    #[error("the connection broke: {0}")]
    Io(#[source] io::Error),
    /// The other side is there and says nothing.
    #[error("nothing came for too long: the other side is stopped or overloaded")]
    Silent,
    /// A frame is longer than anything that is ever sent.
    #[error("expected a frame of at most {most} bytes, found {found}")]
    TooLong {
        /// The bound.
        most: usize,
        /// What its header says.
        found: usize,
    },
    /// The bytes are no message.
    #[error("expected a message, found {length} bytes that are none: {source}")]
    Garbage {
        /// Length of the frame.
        length: usize,
        /// What the decoder says.
        #[source]
        source: postcard::Error,
    },
    /// The first frame is no hello, or one of another version.
    #[error(
        "expected a hello of version {expected}, found {found}; update station and console together"
    )]
    Version {
        /// Ours.
        expected: u16,
        /// Theirs, in words.
        found: String,
    },
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What a timeout of a socket comes to.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Io(error),
        }
    }
}
