//! Rejects that the sensor has yet to see.

use sightline_domain::{MonoTime, TrackId};
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
struct Awaited {
    track: TrackId,
    from: MonoTime,
    /// `None`: whenever it gets there; nobody can say when that is.
    until: Option<MonoTime>,
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

    /// Expects to see `track` between `from` and `until`. Without room the oldest is given up, and returned if it was
    /// to be seen by a certain time.
    pub(super) fn push(
        &mut self,
        track: TrackId,
        from: MonoTime,
        until: Option<MonoTime>,
    ) -> Option<TrackId> {
        let full = self.list.len() >= self.capacity;
        let open = self.list.iter().position(|a| a.until.is_none());
        let dropped = full.then(|| self.list.remove(open.unwrap_or(0))).flatten();
        self.list.push_back(Awaited {
            track,
            from,
            until,
            overdue: false,
        });
        dropped
            .filter(|d| !d.overdue && d.until.is_some())
            .map(|d| d.track)
    }

    /// The next one not seen in time; each is given once and stays to be recognised if it comes late.
    pub(super) fn next_overdue(&mut self, now: MonoTime) -> Option<TrackId> {
        let late = |a: &&mut Awaited| !a.overdue && a.until.is_some_and(|until| until < now);
        let a = self.list.iter_mut().find(late)?;
        a.overdue = true;
        Some(a.track)
    }

    /// When the next one becomes overdue.
    pub(super) fn next_until(&self) -> Option<MonoTime> {
        let waiting = self.list.iter().filter(|a| !a.overdue);
        waiting.filter_map(|a| a.until).min()
    }

    /// Matches a signal: by its track; without one, the oldest that was to be seen at that moment, else one whose time is
    /// not known, else the oldest that is late.
    pub(super) fn seen(&mut self, track: Option<TrackId>, at: MonoTime) -> Match {
        let until = |a: &Awaited, ok: &dyn Fn(MonoTime) -> bool| a.until.is_some_and(ok);
        let in_window = |a: &Awaited| a.from <= at && until(a, &|u| at <= u);
        let any_time = |a: &Awaited| a.from <= at && a.until.is_none();
        let found = match track {
            Some(track) => self.list.iter().position(|a| a.track == track),
            None => (self.list.iter().position(in_window))
                .or_else(|| self.list.iter().position(any_time))
                .or_else(|| self.list.iter().position(|a| until(a, &|u| u < at))),
        };
        match found.and_then(|i| self.list.remove(i)) {
            None => Match::Unexpected,
            Some(a) if a.overdue => Match::Overdue,
            Some(a) if a.until.is_some_and(|until| at > until) => Match::Late(a.track),
            Some(_) => Match::InTime,
        }
    }

    /// Those whose time was not known have all passed the gate: each is to be seen by `until`.
    pub(super) fn set_time(&mut self, until: MonoTime) {
        let open = self.list.iter_mut().filter(|a| a.until.is_none());
        open.for_each(|a| a.until = Some(until));
    }

    /// The belt stood for so long until now: what was on its way comes later by that.
    pub(super) fn put_off(&mut self, by: Duration) {
        let open = self.list.iter_mut().filter(|a| !a.overdue);
        open.for_each(|a| a.until = a.until.map(|until| until + by));
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
