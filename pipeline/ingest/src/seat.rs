//! Where a camera's tap lies while no session has it.

use crate::{link::Link, tap::Tap};
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// Where the tap lies between two sessions.
#[derive(Clone)]
pub(crate) struct Seat(Arc<Mutex<Option<Tap>>>);

impl Seat {
    pub(crate) fn new(tap: Tap) -> Self {
        Self(Arc::new(Mutex::new(Some(tap))))
    }

    /// Takes the tap for a new session; `None` while an older session still has it.
    pub(crate) fn take(&self, link: Link) -> Option<SeatedTap> {
        let mut tap = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        tap.begin_session(link);
        Some(SeatedTap {
            tap: Some(tap),
            seat: self.clone(),
        })
    }
}

/// The tap in use by a session; it goes back to its seat by drop.
pub(crate) struct SeatedTap {
    tap: Option<Tap>,
    seat: Seat,
}

impl Deref for SeatedTap {
    type Target = Tap;
    fn deref(&self) -> &Tap {
        self.tap.as_ref().expect("taken only by drop")
    }
}

impl DerefMut for SeatedTap {
    fn deref_mut(&mut self) -> &mut Tap {
        self.tap.as_mut().expect("taken only by drop")
    }
}

impl Drop for SeatedTap {
    fn drop(&mut self) {
        *self.seat.0.lock().unwrap_or_else(PoisonError::into_inner) = self.tap.take();
    }
}
