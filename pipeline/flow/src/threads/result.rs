//! The result thread.

use crate::judging::Decided;
use crate::results::ResultCore;
use sightline_queue::{Receiver, Sender};
use sightline_verdict::{Correction, Dossier};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What the result thread takes in.
pub(crate) enum ResultInput {
    Part(Decided),
    /// A part went another way than was told.
    Correct(Correction),
    /// The production order or lot from now on.
    Job(Option<String>),
}

/// Makes results of decided parts.
pub(crate) struct ResultThread {
    pub core: ResultCore,
    pub input: Receiver<ResultInput>,
    pub dossiers: Sender<Box<Dossier>>,
    pub told: Arc<ResultsMade>,
}

/// Wakes who waits for results.
#[derive(Default)]
pub(crate) struct ResultsMade {
    pub count: Mutex<u64>,
    pub more: Condvar,
}

impl ResultThread {
    pub(crate) fn run(mut self) {
        while let Ok(item) = self.input.recv() {
            match item {
                ResultInput::Part(decided) => {
                    let dossier = self.core.make(decided);
                    let _ = self.dossiers.try_send(dossier);
                    let mut count = self
                        .told
                        .count
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    *count += 1;
                    drop(count);
                    self.told.more.notify_all();
                }
                ResultInput::Correct(correction) => self.core.correct(correction),
                ResultInput::Job(job) => self.core.set_job(job),
            }
        }
    }
}
