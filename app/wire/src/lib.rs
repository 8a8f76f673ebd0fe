//! The local socket between the station and its consoles, both halves.
//!
//! What lives here: the messages ([`message`], [`snapshot`], [`ask`], [`preview`]), how they are framed ([`framing`]), the
//! station's half ([`server`]) and the console's half ([`client`]). Plain threads, no async, no files but the socket.
//!
//! A frame is a length (`u32`, little endian), a message ([postcard]), and for pictures the pixels behind it. The first
//! frame each way is a hello with [`VERSION`]; whoever speaks another version is told so and sent away.
//! The station sends state, not events: each console's thread compares what it sent last with what is there now. Nothing is
//! queued for a console, so a slow one sees fewer states and a stopped one costs nothing.
//! Where to start: [`message`], then [`server`].

pub mod ask;
mod board;
pub mod client;
mod connection;
mod error;
pub mod framing;
pub mod message;
pub mod preview;
pub mod server;
pub mod snapshot;

pub use ask::{Answer, Ask, Refusal, Reply, Role, Session};
pub use board::Board;
pub use client::{Client, Link};
pub use error::WireError;
pub use message::{ToConsole, ToStation, VERSION};
pub use preview::{Preview, PreviewHead, PreviewRequest};
pub use server::{ClientSession, Host, Server, ServerSettings};
pub use snapshot::{Section, Snapshot};
