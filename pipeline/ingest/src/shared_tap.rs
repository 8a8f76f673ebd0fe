//! Where a camera's tap lies while no session has it.

use crate::{link::Link, tap::Tap};
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// Where a camera's tap lies between two sessions: one session has it at a time.
#[derive(Clone)]
pub struct SharedTap(Arc<Mutex<Option<Tap>>>);

impl SharedTap {
    pub(crate) fn new(tap: Tap) -> Self {
        Self(Arc::new(Mutex::new(Some(tap))))
    }

    /// Takes the tap for a new session; `None` while an older session still has it.
    pub(crate) fn take(&self, link: Link) -> Option<TapGuard> {
        let mut tap = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        tap.begin_session(link);
        Some(TapGuard {
            tap: Some(tap),
            home: self.clone(),
        })
    }
}

/// The tap in use by a session; it goes back by drop.
pub struct TapGuard {
    tap: Option<Tap>,
    home: SharedTap,
}

impl Deref for TapGuard {
    type Target = Tap;
    fn deref(&self) -> &Tap {
        self.tap.as_ref().expect("taken only by drop")
    }
}

impl DerefMut for TapGuard {
    fn deref_mut(&mut self) -> &mut Tap {
        self.tap.as_mut().expect("taken only by drop")
    }
}

impl Drop for TapGuard {
    fn drop(&mut self) {
        *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = self.tap.take();
    }
}
