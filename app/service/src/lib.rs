//! The inspection station and the tools around it, as one library; the binary `sightline` is [`main`] and nothing else.
//!
//! What lives here: composition. `station` builds every part of a running station from configuration and recipe and
//! hands each its inputs; `control` reads and carries out commands; `models` proves, stores and changes models;
//! `alarms` keeps what stands; `cli` has a file for each subcommand. Where to start: `station/assemble.rs`, then
//! `cli/run.rs`.

mod alarms;
mod cli;
mod control;
mod log;
mod models;
mod station;

pub use cli::main;

/// Pieces of a station that the simulation of the whole system turns by hand, without threads.
#[doc(hidden)]
pub mod pieces {
    pub use crate::alarms::list::Events;
    pub use crate::control::{Event, Machine, State};
    pub use crate::station::journal::Keeping;
}
