//! Rejects that the sensor has yet to see.

use sightline_model::{MonoTime, TrackId};
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
struct Awaited {
    track: TrackId,
    from: MonoTime,
    until: MonoTime,
    overdue: bool,
}

/// What a sensor's signal turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    InTime,
    /// Late, and not yet found overdue.
    Late(TrackId),
    /// Late, after it was found overdue.
    Overdue,
    Unexpected,
}

/// Commanded rejects in the order of their commands; fixed room.
#[derive(Debug)]
pub(super) struct Awaiting {
    list: VecDeque<Awaited>,
    capacity: usize,
}

impl Awaiting {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            list: VecDeque::with_capacity(capacity),
            capacity,
        }
    }

    /// Expects to see `track` between `from` and `until`. Without room the oldest is given up and returned.
    pub(super) fn push(
        &mut self,
        track: TrackId,
        from: MonoTime,
        until: MonoTime,
    ) -> Option<TrackId> {
        let dropped = (self.list.len() >= self.capacity)
            .then(|| self.list.pop_front())
            .flatten();
        self.list.push_back(Awaited {
            track,
            from,
            until,
            overdue: false,
        });
        dropped.filter(|d| !d.overdue).map(|d| d.track)
    }

    /// The next one not seen in time; each is given once and stays to be recognised if it comes late.
    pub(super) fn next_overdue(&mut self, now: MonoTime) -> Option<TrackId> {
        let late = |a: &&mut Awaited| !a.overdue && a.until < now;
        let a = self.list.iter_mut().find(late)?;
        a.overdue = true;
        Some(a.track)
    }

    /// When the next one becomes overdue.
    pub(super) fn next_until(&self) -> Option<MonoTime> {
        let waiting = self.list.iter().filter(|a| !a.overdue);
        waiting.map(|a| a.until).min()
    }

    /// Matches a signal: by its track; without one, the oldest that was to be seen at that moment, else the oldest
    /// that is late.
    pub(super) fn seen(&mut self, track: Option<TrackId>, at: MonoTime) -> Match {
        let in_window = |a: &Awaited| a.from <= at && at <= a.until;
        let found = match track {
            Some(track) => self.list.iter().position(|a| a.track == track),
            None => (self.list.iter().position(in_window))
                .or_else(|| self.list.iter().position(|a| a.until < at)),
        };
        match found.and_then(|i| self.list.remove(i)) {
            None => Match::Unexpected,
            Some(a) if a.overdue => Match::Overdue,
            Some(a) if at > a.until => Match::Late(a.track),
            Some(_) => Match::InTime,
        }
    }

    /// The gate did not take the command, so there is nothing to see.
    pub(super) fn forget(&mut self, track: TrackId) {
        self.list.retain(|a| a.track != track);
    }

    /// Gives up those that are overdue.
    pub(super) fn forget_overdue(&mut self) {
        self.list.retain(|a| !a.overdue);
    }
}
