//! A running station: assembled from configuration and recipe, run, watched and ended.

pub(crate) mod assemble;
pub(crate) mod console;
pub(crate) mod journal;
pub(crate) mod line;
pub(crate) mod monitor;
pub(crate) mod notify;
pub(crate) mod options;
pub(crate) mod priority;
pub(crate) mod process_times;
pub(crate) mod record;
pub(crate) mod result_sink;
pub(crate) mod running;
pub(crate) mod settings;
#[cfg(feature = "simulation")]
pub(crate) mod simulated_line;
pub(crate) mod starting;
pub(crate) mod triggers;
pub(crate) mod unfinished;
