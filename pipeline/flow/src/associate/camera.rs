//! One camera's share of the association.

use super::{Assigned, ExpectedView, Memory, Part, Seen, Sighting};
use sightline_model::{CameraId, FrameId, MissReason, MonoTime, TrackId, ViewId};
use std::collections::VecDeque;
use std::time::Duration;

/// A view owed, or one answered that is remembered so that a late frame finds it and not its neighbour.
struct Owed {
    track: TrackId,
    view: ViewId,
    due: MonoTime,
    window: Duration,
    /// The trigger's number, for counted views.
    index: Option<u64>,
    pending: bool,
    deadline: MonoTime,
}

/// An answered view is remembered for so long after its window.
const REMEMBER: Duration = Duration::from_millis(250);
/// So many are not worth tidying up.
const FEW: usize = 32;

impl Owed {
    /// How far `t` is from the due time, if within the window.
    fn distance(&self, t: MonoTime) -> Option<Duration> {
        let away = t.since(self.due).max(self.due.since(t));
        (away <= self.window).then_some(away)
    }

    /// Neither can a frame be its own any more, nor must one be kept from its neighbours.
    fn is_past(&self, now: MonoTime) -> bool {
        let over = self.due + self.window * 2 + REMEMBER < now;
        over && (!self.pending || self.deadline < now)
    }
}

/// A frame, or the word that it was lost, that waits for its trigger.
struct Held<V> {
    sighting: Sighting,
    what: Seen<V>,
    until: MonoTime,
}

pub(super) struct Camera<V> {
    id: CameraId,
    owed: VecDeque<Owed>,
    held: VecDeque<Held<V>>,
    memory: Memory,
    /// Frame number minus trigger number, once a frame has shown it.
    step: Option<i128>,
    /// Whether the recipe in force counts this camera's frames.
    counted: bool,
    /// The longest window of the recipe in force.
    window: Duration,
    is_down: bool,
    /// Owed views at which it is time to forget old ones.
    tidy_at: usize,
}

impl<V> Camera<V> {
    pub(super) fn new(id: CameraId, memory: Memory) -> Self {
        Self {
            id,
            owed: VecDeque::with_capacity(memory.owed_per_camera.max(1)),
            held: VecDeque::with_capacity(memory.held_per_camera.max(1)),
            memory,
            step: None,
            counted: false,
            window: Duration::ZERO,
            is_down: false,
            tidy_at: FEW,
        }
    }

    pub(super) fn prepare(&mut self, views: &[ExpectedView]) {
        let mine = views.iter().filter(|v| v.camera == self.id);
        self.window = mine.clone().map(|v| v.window).max().unwrap_or_default();
        // one number a trigger makes sense only where a trigger gives one frame
        self.counted = mine.clone().count() == 1 && mine.clone().all(|v| v.counted);
    }

    pub(super) fn up(&mut self) {
        self.is_down = false;
    }

    pub(super) fn down(&mut self, out: &mut Vec<Assigned<V>>) {
        self.is_down = true;
        self.step = None;
        for at in 0..self.owed.len() {
            self.miss(at, MissReason::CameraDown, out);
        }
    }

    /// A part owes a view. `brought`: its frame is already there and only the memory of it is wanted.
    pub(super) fn expect(
        &mut self,
        part: Part,
        view: &ExpectedView,
        index: u64,
        brought: bool,
        out: &mut Vec<Assigned<V>>,
    ) {
        if self.owed.len() == self.memory.owed_per_camera.max(1) {
            self.miss(0, MissReason::Overflow, out);
            self.owed.pop_front();
        }
        let due = part.at + view.offset;
        self.owed.push_back(Owed {
            track: part.track,
            view: view.view,
            due,
            window: view.window,
            index: self.counted.then_some(index),
            pending: !brought,
            deadline: part.deadline,
        });
        if brought {
            return;
        }
        let newest = self.owed.len() - 1;
        self.claim_held(newest, out);
        if self.is_down {
            self.miss(newest, MissReason::CameraDown, out);
        }
    }

    /// A frame or its loss, told by number and time.
    pub(super) fn sighted(
        &mut self,
        sighting: Sighting,
        what: Seen<V>,
        now: MonoTime,
        out: &mut Vec<Assigned<V>>,
    ) {
        let by_time = self.nearest(sighting.captured);
        match self.judge(&sighting, by_time) {
            Belongs::To(at) => self.settle(at, &sighting, what, out),
            Belongs::Later => self.hold(sighting, what, now, out),
            Belongs::Nowhere => self.unclaimed(what, out),
            Belongs::InDoubt { hold } => {
                self.out_of_step(by_time, out);
                self.out_of_step(self.by_number(&sighting), out);
                self.step = None;
                if hold {
                    self.hold(sighting, what, now, out);
                } else {
                    self.unclaimed(what, out);
                }
            }
        }
    }

    /// Where number and time say it belongs.
    fn judge(&self, sighting: &Sighting, by_time: Option<usize>) -> Belongs {
        let pending = by_time.filter(|&at| self.owed[at].pending);
        let Some(frame) = self.countable(sighting) else {
            return pending.map_or(Belongs::Later, Belongs::To);
        };
        let Some(step) = self.step else {
            return match pending {
                Some(at) if self.is_clear(at, sighting.captured) => Belongs::To(at),
                Some(_) => Belongs::InDoubt { hold: false },
                None => Belongs::Later,
            };
        };
        let number = i128::from(frame.0) - step;
        match self.with_index(number) {
            Some(at) if Some(at) == by_time => pending.map_or(Belongs::Nowhere, Belongs::To),
            Some(_) => Belongs::InDoubt { hold: false },
            None if self.is_ahead(number) && pending.is_none() => Belongs::Later,
            None if pending.is_none() => Belongs::Nowhere,
            None => Belongs::InDoubt {
                hold: self.is_ahead(number),
            },
        }
    }

    /// The frame's number, where it is to be counted.
    fn countable(&self, sighting: &Sighting) -> Option<FrameId> {
        sighting
            .frame_id
            .filter(|_| self.counted && !sighting.repeated)
    }

    fn by_number(&self, sighting: &Sighting) -> Option<usize> {
        let frame = self.countable(sighting)?;
        self.with_index(i128::from(frame.0) - self.step?)
    }

    fn with_index(&self, number: i128) -> Option<usize> {
        let wanted = u64::try_from(number).ok()?;
        self.owed.iter().rposition(|o| o.index == Some(wanted))
    }

    /// The number is of a trigger that has not come yet.
    fn is_ahead(&self, number: i128) -> bool {
        let newest = self.owed.iter().rev().find_map(|o| o.index);
        newest.is_none_or(|newest| number > i128::from(newest))
    }

    /// The view, answered or not, whose due time is nearest to `t` and within its window.
    fn nearest(&self, t: MonoTime) -> Option<usize> {
        let distances = self.owed.iter().enumerate();
        distances
            .filter_map(|(at, o)| Some((o.distance(t)?, at)))
            .min()
            .map(|(_, at)| at)
    }

    /// No other view is nearly as near: without a known step, time must leave no doubt.
    fn is_clear(&self, at: usize, t: MonoTime) -> bool {
        let Some(own) = self.owed[at].distance(t) else {
            return false;
        };
        let mut others = self.owed.iter().enumerate().filter(|(i, _)| *i != at);
        others.all(|(_, o)| o.distance(t).is_none_or(|d| d >= own * 2 && d > own))
    }

    /// Gives a frame, or its loss, to a view; where frames are counted, earlier ones still owed are lost.
    fn settle(
        &mut self,
        at: usize,
        sighting: &Sighting,
        what: Seen<V>,
        out: &mut Vec<Assigned<V>>,
    ) {
        let owed = &mut self.owed[at];
        owed.pending = false;
        let (track, view, index) = (owed.track, owed.view, owed.index);
        out.push(match what {
            Seen::Frame(frame) => Assigned::Claimed { track, view, frame },
            Seen::Lost(reason) => Assigned::Missed {
                track,
                view,
                reason,
            },
        });
        let (Some(frame), Some(index)) = (self.countable(sighting), index) else {
            return;
        };
        self.step = Some(i128::from(frame.0) - i128::from(index));
        for earlier in 0..self.owed.len() {
            if self.owed[earlier].index.is_some_and(|i| i < index) {
                self.miss(earlier, MissReason::NotArrived, out);
            }
        }
    }

    /// A trigger came after its frame: the new view takes the held frame that is its own.
    fn claim_held(&mut self, newest: usize, out: &mut Vec<Assigned<V>>) {
        let mut best: Option<(Duration, usize)> = None;
        for (i, held) in self.held.iter().enumerate() {
            let t = held.sighting.captured;
            let says_number = self.by_number(&held.sighting) == Some(newest);
            if self.nearest(t) != Some(newest) && !says_number {
                continue;
            }
            let away = self.owed[newest].distance(t).unwrap_or(Duration::MAX);
            if best.is_none_or(|(least, _)| away < least) {
                best = Some((away, i));
            }
        }
        let Some(held) = best.and_then(|(_, i)| self.held.remove(i)) else {
            return;
        };
        let by_time = self.nearest(held.sighting.captured);
        match self.judge(&held.sighting, by_time) {
            Belongs::To(at) => self.settle(at, &held.sighting, held.what, out),
            _ => {
                self.out_of_step(Some(newest), out);
                self.step = None;
                self.unclaimed(held.what, out);
            }
        }
    }

    fn hold(
        &mut self,
        sighting: Sighting,
        what: Seen<V>,
        now: MonoTime,
        out: &mut Vec<Assigned<V>>,
    ) {
        if self.held.len() == self.memory.held_per_camera.max(1)
            && let Some(oldest) = self.held.pop_front()
        {
            self.unclaimed(oldest.what, out);
        }
        self.held.push_back(Held {
            sighting,
            what,
            until: now + self.window,
        });
    }

    fn unclaimed(&self, what: Seen<V>, out: &mut Vec<Assigned<V>>) {
        if let Seen::Frame(frame) = what {
            out.push(Assigned::Unclaimed {
                camera: self.id,
                frame,
            });
        }
    }

    fn out_of_step(&mut self, at: Option<usize>, out: &mut Vec<Assigned<V>>) {
        if let Some(at) = at {
            self.miss(at, MissReason::OutOfStep, out);
        }
    }

    fn miss(&mut self, at: usize, reason: MissReason, out: &mut Vec<Assigned<V>>) {
        let owed = &mut self.owed[at];
        if owed.pending {
            owed.pending = false;
            out.push(Assigned::Missed {
                track: owed.track,
                view: owed.view,
                reason,
            });
        }
    }

    /// Forgets what is past, when there is enough of it to be worth the work.
    pub(super) fn tidy(&mut self, now: MonoTime) {
        if self.owed.len() >= self.tidy_at {
            self.owed.retain(|o| !o.is_past(now));
            self.tidy_at = FEW.max(self.owed.len() * 2);
        }
    }

    pub(super) fn expire(&mut self, now: MonoTime, out: &mut Vec<Assigned<V>>) {
        while self.held.front().is_some_and(|h| h.until < now)
            && let Some(held) = self.held.pop_front()
        {
            self.unclaimed(held.what, out);
        }
    }

    pub(super) fn next_expiry(&self) -> Option<MonoTime> {
        self.held.front().map(|h| h.until + Duration::from_nanos(1))
    }

    pub(super) fn close(&mut self, reason: MissReason, out: &mut Vec<Assigned<V>>) {
        while let Some(held) = self.held.pop_front() {
            self.unclaimed(held.what, out);
        }
        for at in 0..self.owed.len() {
            self.miss(at, reason, out);
        }
    }
}

/// Where a frame belongs.
enum Belongs {
    /// To this view, which still waits for it.
    To(usize),
    /// To a part whose trigger may still come.
    Later,
    /// To no part.
    Nowhere,
    /// Number and time disagree: to none of the parts they name; `hold`: perhaps to one that comes.
    InDoubt { hold: bool },
}
