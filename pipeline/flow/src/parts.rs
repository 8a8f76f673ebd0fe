//! What the batcher remembers of parts while they wait for something, so that engines work for those that can still be OK.

use sightline_domain::{Generation, MonoTime, TrackId, ViewId};

/// One part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartNote {
    pub track: TrackId,
    pub generation: Generation,
    pub at: MonoTime,
    pub deadline: MonoTime,
    /// Views that have neither come nor been missed, as bits.
    pub awaited: u64,
    /// Views that wait in a lane.
    pub waiting: u32,
    /// An engine has seen one of its views.
    pub begun: bool,
    /// One of its views is missed: it cannot be OK any more.
    pub lost: bool,
}

/// The parts that still wait for something before their deadline.
#[derive(Debug)]
pub(crate) struct Parts {
    list: Vec<PartNote>,
}

impl Parts {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            list: Vec::with_capacity(capacity + 1),
        }
    }

    pub(crate) fn open(&mut self, part: PartNote) {
        self.list.push(part);
    }

    fn index(&self, track: TrackId) -> Option<usize> {
        self.list.iter().rposition(|p| p.track == track)
    }

    pub(crate) fn peek(&self, track: TrackId) -> Option<&PartNote> {
        Some(&self.list[self.index(track)?])
    }

    /// A view has come and waits in a lane.
    pub(crate) fn came(&mut self, track: TrackId, view: ViewId) {
        self.change(track, |part| {
            part.awaited &= !(1 << view.index());
            part.waiting += 1;
        });
    }

    /// A view will not come.
    pub(crate) fn lost(&mut self, track: TrackId, view: ViewId) {
        self.change(track, |part| {
            part.awaited &= !(1 << view.index());
            part.lost = true;
        });
    }

    /// A view left its lane for an engine, or (not `begun`) because it is given up.
    pub(crate) fn left(&mut self, track: TrackId, begun: bool) {
        self.change(track, |part| {
            part.waiting = part.waiting.saturating_sub(1);
            part.begun |= begun;
            part.lost |= !begun;
        });
    }

    /// Changes a note; forgets it when it waits for nothing any more.
    fn change(&mut self, track: TrackId, change: impl FnOnce(&mut PartNote)) {
        if let Some(at) = self.index(track) {
            change(&mut self.list[at]);
            if self.list[at].awaited == 0 && self.list[at].waiting == 0 {
                self.list.remove(at);
            }
        }
    }

    /// Forgets parts whose deadline is over.
    pub(crate) fn forget(&mut self, now: MonoTime) {
        self.list.retain(|p| p.deadline > now);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &PartNote> {
        self.list.iter()
    }
}
