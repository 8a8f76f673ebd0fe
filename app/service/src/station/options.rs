//! What a subcommand asks of a station beside its files.

use crate::models::engines::Models;
use crate::station::result_sink::{Mailbox, OnResult};
use std::path::PathBuf;
use std::sync::Arc;

/// What a subcommand wants beside the files.
#[derive(Default)]
pub struct RunOptions {
    /// Told of every result on the flow's thread.
    pub on_result: Option<OnResult>,
    /// Keeps results for the terminal.
    pub mailbox: Option<Arc<Mailbox>>,
    /// Results list everything the decoder gives.
    pub findings_below_limit: bool,
    /// Records everything that comes into the flow.
    pub record: Option<PathBuf>,
    /// Nothing acts on what is found: models need not have proved themselves.
    pub only_measures: bool,
    /// Reuses opened models, for subcommands that look at them first.
    pub models: Option<Arc<Models>>,
}
