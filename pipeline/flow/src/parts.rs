//! What the batcher remembers of parts until their deadline, so that engines work for those that can still be OK.

use sightline_model::{Generation, MonoTime, TrackId, ViewId};
use std::collections::VecDeque;

/// One part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartNote {
    pub track: TrackId,
    pub generation: Generation,
    pub at: MonoTime,
    pub deadline: MonoTime,
    /// Views that have neither come nor been missed, as bits.
    pub awaited: u64,
    /// An engine has seen one of its views.
    pub begun: bool,
    /// One of its views is missed: it cannot be OK any more.
    pub lost: bool,
}

/// The parts before their deadline, in the order of their triggers.
#[derive(Debug)]
pub(crate) struct Parts {
    list: VecDeque<PartNote>,
}

impl Parts {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            list: VecDeque::with_capacity(capacity + 1),
        }
    }

    pub(crate) fn open(&mut self, part: PartNote) {
        self.list.push_back(part);
    }

    pub(crate) fn get(&mut self, track: TrackId) -> Option<&mut PartNote> {
        self.list.iter_mut().rev().find(|p| p.track == track)
    }

    pub(crate) fn peek(&self, track: TrackId) -> Option<&PartNote> {
        self.list.iter().rev().find(|p| p.track == track)
    }

    /// A view has come or will not come.
    pub(crate) fn settle(&mut self, track: TrackId, view: ViewId, lost: bool) {
        if let Some(part) = self.get(track) {
            part.awaited &= !(1 << view.index());
            part.lost |= lost;
        }
    }

    /// Forgets parts whose deadline is over.
    pub(crate) fn forget(&mut self, now: MonoTime) {
        while self.list.front().is_some_and(|p| p.deadline <= now) {
            self.list.pop_front();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &PartNote> {
        self.list.iter()
    }
}
