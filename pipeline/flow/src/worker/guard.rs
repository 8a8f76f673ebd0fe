//! Calls into engines that may panic: one view's engine must not take the line down.

use sightline_engine::{Batch, Engine, EngineError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What an engine did with a batch.
pub(super) enum Guarded {
    /// Took or answered it.
    Done(Batch),
    /// Gave it back.
    Rejected(Batch, EngineError),
    /// Panicked; the batch is gone, its slots are home.
    Panicked(String),
}

/// What went wrong with an engine.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It gave a batch back.
    Rejected(EngineError),
    /// It panicked; it must not be used again.
    Panicked(String),
    /// It answered, but so many values were nothing that a sound model says.
    Broken(u32),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(error) => error.fmt(f),
            Self::Panicked(words) => write!(f, "the engine panicked: {words}"),
            Self::Broken(count) => write!(
                f,
                "{count} values of its answer are no numbers, no probabilities, no class of the manifest or no box on the picture; its \
                 manifest reads the file wrongly, or the file is damaged: compare with `sightline model inspect`, verify the bundle, or \
                 take another precision"
            ),
        }
    }
}

/// The calls, guarded.
pub(super) trait Guard: Engine {
    /// Gives it a batch to work on; `Ok` if it took it.
    #[allow(
        clippy::result_large_err,
        reason = "the batch comes back in it, by design"
    )]
    fn give(&mut self, batch: Batch) -> Result<(), Guarded> {
        match catch_unwind(AssertUnwindSafe(|| self.submit(batch))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(rejected)) => Err(Guarded::Rejected(rejected.batch, *rejected.error)),
            Err(panic) => Err(Guarded::Panicked(words(&*panic))),
        }
    }

    /// Waits for its oldest batch.
    fn fetch(&mut self) -> Guarded {
        match catch_unwind(AssertUnwindSafe(|| self.collect())) {
            Ok(Some(Ok(batch))) => Guarded::Done(batch),
            Ok(Some(Err(rejected))) => Guarded::Rejected(rejected.batch, *rejected.error),
            Ok(None) => Guarded::Panicked("it has forgotten a batch that it was given".to_owned()),
            Err(panic) => Guarded::Panicked(words(&*panic)),
        }
    }

    /// Both, one after the other.
    fn run(&mut self, batch: Batch) -> Guarded {
        match self.give(batch) {
            Ok(()) => self.fetch(),
            Err(other) => other,
        }
    }
}

impl<E: Engine + ?Sized> Guard for E {}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without words".to_owned())
}
