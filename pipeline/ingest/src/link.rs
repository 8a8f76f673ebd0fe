//! How a session speaks to its camera's supervisor, and how it is stopped.

use crate::state::{Event, Reason};
use sightline_queue::Sender;
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What reaches the supervisor's thread.
#[derive(Debug)]
pub(crate) enum Told {
    /// A word of session number `.0`; words of older sessions are not listened to.
    Session(u64, Event),
    /// Look at the clock and the shared flags.
    Look,
}

/// A session's line to its supervisor. Never blocks: with the queue full an earlier word already says enough.
#[derive(Clone, Debug)]
pub struct Link {
    session: u64,
    supervisor: Sender<Told>,
}

impl Link {
    pub(crate) fn new(session: u64, supervisor: Sender<Told>) -> Self {
        Self {
            session,
            supervisor,
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.supervisor.try_send(Told::Session(self.session, event));
    }

    /// A frame came, or a source that gives frames on demand is ready.
    pub fn alive(&self) {
        self.tell(Event::Alive);
    }

    /// It broke: what was expected and found. It is opened again.
    pub fn lost(&self, reason: impl Into<Reason>) {
        self.tell(Event::Lost(reason.into()));
    }

    /// It has no more frames and never will.
    pub fn ended(&self) {
        self.tell(Event::Ended);
    }
}

/// A flag that a sleeping thread hears at once.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<(Mutex<bool>, Condvar)>);

impl StopFlag {
    pub(crate) fn raise(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// The session is to end.
    pub fn is_raised(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `time` or until the flag is raised; true when it is.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut raised = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            let Some(left) = until
                .checked_duration_since(Instant::now())
                .filter(|d| !d.is_zero())
            else {
                return false;
            };
            raised = self
                .0
                .1
                .wait_timeout(raised, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}
