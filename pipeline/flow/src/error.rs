//! Why the flow does not start, change over or stop.

use sightline_domain::Generation;
use std::time::Duration;

/// Messages say what was expected, what was found, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// A generation is not whole.
    #[error("generation {generation}: {what}: expected {expected}, found {found}; build it again")]
    Build {
        /// Which.
        generation: Generation,
        /// What of it.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A generation's number is not higher than the one at work.
    #[error(
        "generation {offered} cannot take over from generation {current}: its number must be higher"
    )]
    Order {
        /// The one at work.
        current: Generation,
        /// The one offered.
        offered: Generation,
    },
    /// A view's golden picture cannot be registered to parts.
    #[error("view `{view}`: its golden picture cannot be registered to parts: {reason}")]
    Registration {
        /// The view.
        view: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A core to pin to is not one this process may run on.
    #[error(
        "engine.cores: core {core} was asked for, this process may run on {allowed:?}; name one of those or none"
    )]
    Core {
        /// The core asked for.
        core: usize,
        /// What there is.
        allowed: Vec<usize>,
    },
    /// The operating system gave no thread.
    #[error(
        "thread `{name}` could not be started: {source}; look at the process's limits (ulimit -u)"
    )]
    Thread {
        /// Its name.
        name: String,
        /// The operating system's words.
        #[source]
        source: std::io::Error,
    },
    /// No worker took the new generation.
    #[error(
        "generation {generation} did not take over within {waited:?}; the old one goes on; look for an engine that does not answer"
    )]
    NoAnswer {
        /// Which.
        generation: Generation,
        /// How long was waited.
        waited: Duration,
    },
    /// The flow has ended.
    #[error("the flow has stopped; start it again")]
    Stopped,
}
