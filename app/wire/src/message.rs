//! What goes over the socket.

use crate::ask::{Answer, Ask, Session};
use crate::preview::{PreviewHead, PreviewRequest};
use crate::snapshot::Section;
use serde::{Deserialize, Serialize};

/// Both sides must say the same. It changes with every change of a message; `tests/golden.rs` notices.
pub const VERSION: u16 = 5;
/// So that a stray client is recognised as one.
pub const MAGIC: [u8; 4] = *b"SLCW";

/// From a console.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToStation {
    /// The first frame.
    Hello {
        /// [`MAGIC`].
        magic: [u8; 4],
        /// [`VERSION`].
        version: u16,
        /// What the console calls itself, for the log.
        name: String,
    },
    /// The previews it wants from now on, at most one a camera.
    Watch(Vec<PreviewRequest>),
    /// A question or a command; exactly one answer comes back.
    Ask {
        /// Chosen by the console, repeated in the answer.
        id: u64,
        /// What is asked.
        ask: Ask,
    },
    /// Sent when there was nothing else for a while: a console that is silent for long is gone.
    Alive,
}

impl ToStation {
    /// The hello of this version.
    pub fn hello(name: &str) -> Self {
        Self::Hello {
            magic: MAGIC,
            version: VERSION,
            name: name.to_owned(),
        }
    }
}

/// From the station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToConsole {
    /// The answer to a good hello.
    Welcome {
        /// [`MAGIC`].
        magic: [u8; 4],
        /// [`VERSION`].
        version: u16,
    },
    /// The answer to a bad one; the connection ends.
    Refused {
        /// The version the station speaks.
        version: u16,
    },
    /// A part of the state: all of them after the welcome, later those that changed.
    Section(Section),
    /// Who is logged in at this console.
    Session(Session),
    /// The answer to an ask; a picture's pixels follow.
    Answer {
        /// The ask's.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
    /// A preview; its pixels follow.
    Preview(PreviewHead),
}
