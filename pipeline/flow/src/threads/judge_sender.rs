//! How the judge is told.

use crate::judging::JudgeInput;
use sightline_domain::MonoTime;
use sightline_queue::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The judge's ear. A wake-up costs more than what is told, so news that can wait until the judge is awake anyway go
/// into a queue of their own, which nobody sleeps on.
pub(crate) struct JudgeSender {
    awake: Sender<JudgeInput>,
    quiet: Sender<JudgeInput>,
    /// When the judge is awake at the latest, ns.
    wakes_at: Arc<AtomicU64>,
}

impl JudgeSender {
    pub(crate) fn new(
        awake: Sender<JudgeInput>,
        quiet: Sender<JudgeInput>,
        wakes_at: Arc<AtomicU64>,
    ) -> Self {
        Self {
            awake,
            quiet,
            wakes_at,
        }
    }

    /// The judge is to act on it now.
    pub(super) fn tell(&self, said: JudgeInput) {
        // the judge outlives who tells it; if it died, the gate rejects by itself
        let _ = self.awake.send(said);
    }

    /// The judge is to know it before anything told later, and before `deadline`.
    pub(super) fn mention(&self, said: JudgeInput, deadline: MonoTime) {
        match self.quiet.try_send(said) {
            Ok(()) => {
                fence(Ordering::SeqCst);
                if deadline.0 < self.wakes_at.load(Ordering::SeqCst) {
                    self.tell(JudgeInput::Look);
                }
            }
            Err(full) => self.tell(full.into_inner()),
        }
    }
}
