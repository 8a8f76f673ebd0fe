//! One camera's share of the association.

use super::interval::Interval;
use super::{Assigned, ExpectedView, Memory, Part, Seen, Sighting};
use sightline_domain::{CameraId, FrameId, MissReason, MonoTime, TrackId, ViewId};
use std::collections::VecDeque;
use std::time::Duration;

/// A view owed, or one answered that is remembered so that a late frame finds it and not its neighbour.
struct Owed {
    track: TrackId,
    view: ViewId,
    due: MonoTime,
    window: Duration,
    /// How well the trigger's time is known.
    unsure: Duration,
    /// The trigger's number, for counted views.
    index: Option<u64>,
    pending: bool,
    /// Nobody knows whose a frame in its window is.
    doubtful: bool,
    /// When the frame that answered it may have been captured; not of one that its number gave it.
    answered: Option<Interval>,
    deadline: MonoTime,
}

/// An answered view is remembered for so long after its window.
const REMEMBER: Duration = Duration::from_millis(500);
/// A doubtful view is given up so long before its part's deadline, so that the reason is told.
const BEFORE_DEADLINE: Duration = Duration::from_millis(2);
/// So many are not worth tidying up.
const FEW: usize = 32;

impl Owed {
    /// A frame captured here is the view.
    fn window(&self) -> Interval {
        Interval::around(self.due, self.window)
    }

    /// A frame captured here may be the view, and nearer to its part than to one whose trigger is as uncertain.
    fn reach(&self) -> Interval {
        Interval::around(self.due, self.window + self.unsure * 2)
    }

    fn distance(&self, t: MonoTime) -> Duration {
        t.since(self.due).max(self.due.since(t))
    }

    /// When a doubtful view is given up.
    fn given_up(&self) -> MonoTime {
        let latest = self.deadline - BEFORE_DEADLINE;
        (self.due + self.window + REMEMBER).min(latest)
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
    when: Interval,
    what: Seen<V>,
    until: MonoTime,
}

pub(super) struct Camera<V> {
    id: CameraId,
    owed: VecDeque<Owed>,
    held: VecDeque<Held<V>>,
    memory: Memory,
    /// It gives a frame for a trigger and none else.
    triggered: bool,
    /// Frame number minus trigger number, once a frame has shown it.
    step: Option<i128>,
    /// Whether the recipe in force counts this camera's frames.
    counted: bool,
    /// The longest window of the recipe in force.
    window: Duration,
    /// Mean distance of the last frames from their due times, ns.
    shift: i64,
    is_down: bool,
    /// Views in doubt that still wait.
    doubts: usize,
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
            triggered: false,
            step: None,
            counted: false,
            window: Duration::ZERO,
            shift: 0,
            is_down: false,
            doubts: 0,
            tidy_at: FEW,
        }
    }

    pub(super) fn set_triggered(&mut self) {
        self.triggered = true;
    }

    pub(super) fn prepare(&mut self, views: &[ExpectedView]) {
        let mine = views.iter().filter(|v| v.camera == self.id);
        self.window = mine.clone().map(|v| v.window).max().unwrap_or_default();
        // one number a trigger makes sense only where a trigger gives one frame
        self.counted = mine.clone().count() == 1 && mine.clone().all(|v| v.counted);
        self.shift = 0;
    }

    /// Mean distance of the last frames from their due times, ns, and the longest window.
    pub(super) fn shift(&self) -> (i64, Duration) {
        (self.shift, self.window)
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
            unsure: part.uncertainty,
            index: self.counted.then_some(index),
            pending: !brought,
            doubtful: false,
            answered: None,
            deadline: part.deadline,
        });
        if brought {
            return;
        }
        let newest = self.owed.len() - 1;
        self.dispute(newest, out);
        self.claim_held(newest, out);
        if self.is_down {
            self.miss(newest, MissReason::CameraDown, out);
        }
    }

    /// Frames that were given to parts before, and might as well be this one's, are nobody's.
    fn dispute(&mut self, newest: usize, out: &mut Vec<Assigned<V>>) {
        let (reach, track) = (self.owed[newest].reach(), self.owed[newest].track);
        for at in 0..newest {
            let other = &self.owed[at];
            let disputed = other.track != track
                && other.answered.is_some_and(|a| {
                    a.meets(&reach) && !(self.counted && is_clear(other, &self.owed[newest], &a))
                });
            if disputed {
                self.take_back(at, out);
                self.doubt(newest);
                self.step = None;
            }
        }
    }

    /// The view was answered by a frame that may be another's.
    fn take_back(&mut self, at: usize, out: &mut Vec<Assigned<V>>) {
        let owed = &mut self.owed[at];
        if owed.answered.take().is_some() {
            out.push(Assigned::Missed {
                track: owed.track,
                view: owed.view,
                reason: MissReason::Ambiguous,
            });
        }
    }

    fn doubt(&mut self, at: usize) {
        let owed = &mut self.owed[at];
        if owed.pending && !owed.doubtful {
            owed.doubtful = true;
            self.doubts += 1;
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
        let when = Interval::of(&sighting, now);
        let is_frame = matches!(what, Seen::Frame(_));
        match self.judge(&sighting, &when) {
            Belongs::To(at) => self.settle(at, &sighting, when, what, out),
            Belongs::Later => self.hold(sighting, when, what, now, out),
            Belongs::Nowhere => self.unclaimed(what, out),
            Belongs::Again(at) => {
                if self.triggered && is_frame {
                    self.take_back(at, out);
                }
                self.unclaimed(what, out);
            }
            Belongs::Unsure => {
                self.doubt_all(&when);
                self.unclaimed(what, out);
            }
            Belongs::OutOfStep { hold } => {
                let named = self.by_number(&sighting);
                self.out_of_step(named, out);
                for at in 0..self.owed.len() {
                    if when.meets(&self.owed[at].reach()) {
                        self.out_of_step(Some(at), out);
                    }
                }
                self.step = None;
                if hold {
                    self.hold(sighting, when, what, now, out);
                } else {
                    self.unclaimed(what, out);
                }
            }
        }
    }

    fn doubt_all(&mut self, when: &Interval) {
        for at in 0..self.owed.len() {
            if when.meets(&self.owed[at].reach()) {
                self.doubt(at);
            }
        }
    }

    /// Where number and time say it belongs.
    fn judge(&self, sighting: &Sighting, when: &Interval) -> Belongs {
        match (self.countable(sighting), self.step) {
            (Some(frame), Some(step)) => {
                self.judge_number(i128::from(frame.0) - step, sighting, when)
            }
            (Some(_), None) => self.judge_first(when),
            _ => self.judge_time(when),
        }
    }

    /// Time alone: a frame is a view's if it is surely in the view's window, and can be no other's.
    fn judge_time(&self, when: &Interval) -> Belongs {
        let mut possible = (0..self.owed.len()).filter(|at| when.meets(&self.owed[*at].reach()));
        let (first, second) = (possible.next(), possible.next());
        match (first, second) {
            (None, _) => Belongs::Later,
            (Some(_), Some(_)) => Belongs::Unsure,
            (Some(at), None) if !when.is_within(&self.owed[at].window()) => Belongs::Unsure,
            (Some(at), None) if self.owed[at].pending => Belongs::To(at),
            (Some(at), None) => Belongs::Again(at),
        }
    }

    /// The first frame that is counted shows how numbers run with triggers: within overlapping windows it must be nearer to
    /// its own than to any other by far.
    fn judge_first(&self, when: &Interval) -> Belongs {
        let reached = |o: &&Owed| when.meets(&o.reach());
        let far = |o: &Owed| when.farthest_from(o.due) + o.unsure;
        let own = self.owed.iter().enumerate().filter(|(_, o)| reached(o));
        let Some((at, own)) = own.min_by_key(|(_, o)| far(o)) else {
            return Belongs::Later;
        };
        let mut others = self.owed.iter().filter(|o| o.index != own.index);
        let clear = when.is_within(&own.window()) && others.all(|o| is_clear(own, o, when));
        match (clear, own.pending) {
            (false, _) => Belongs::Unsure,
            (true, true) => Belongs::To(at),
            (true, false) => Belongs::Again(at),
        }
    }

    /// The number names the view, and time must not speak against it: among overlapping windows the named one must be
    /// the nearest.
    fn judge_number(&self, number: i128, sighting: &Sighting, when: &Interval) -> Belongs {
        let reached = |at: &usize| self.owed[*at].pending && when.meets(&self.owed[*at].reach());
        let Some(named) = self.with_index(number) else {
            let claimed = (0..self.owed.len()).any(|at| reached(&at));
            return match (claimed, self.is_ahead(number)) {
                (true, hold) => Belongs::OutOfStep { hold },
                (false, true) => Belongs::Later,
                (false, false) => Belongs::Nowhere,
            };
        };
        let own = &self.owed[named];
        let t = sighting.captured;
        let doubt = |o: &Owed| sighting.uncertainty + o.unsure;
        let others = || self.owed.iter().filter(|o| o.index != own.index);
        let farthest = own.distance(t) + doubt(own);
        let nearest = own.distance(t).saturating_sub(doubt(own));
        let against = others().any(|o| o.distance(t) + doubt(o) < nearest);
        if against || !when.meets(&own.reach()) {
            return Belongs::OutOfStep { hold: false };
        }
        if !own.pending {
            return Belongs::Nowhere;
        }
        let sure = when.is_within(&own.window())
            && others().all(|o| o.distance(t).saturating_sub(doubt(o)) > farthest);
        if sure {
            Belongs::To(named)
        } else {
            Belongs::Unsure
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

    /// Gives a frame, or its loss, to a view; where frames are counted, earlier ones still owed are lost.
    fn settle(
        &mut self,
        at: usize,
        sighting: &Sighting,
        when: Interval,
        what: Seen<V>,
        out: &mut Vec<Assigned<V>>,
    ) {
        let numbered = self.countable(sighting);
        let by_number = numbered.is_some() && self.step.is_some();
        let owed = &mut self.owed[at];
        owed.pending = false;
        if std::mem::take(&mut owed.doubtful) {
            self.doubts -= 1;
        }
        let (track, view, index) = (owed.track, owed.view, owed.index);
        out.push(match what {
            Seen::Frame(frame) => {
                owed.answered = (!by_number).then_some(when);
                let off = sighting.captured.signed_us(owed.due).saturating_mul(1_000);
                self.shift += (off - self.shift) / 16;
                Assigned::Claimed { track, view, frame }
            }
            Seen::Lost(reason) => Assigned::Missed {
                track,
                view,
                reason,
            },
        });
        let (Some(frame), Some(index)) = (numbered, index) else {
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
        let mut claims = 0;
        for (i, held) in self.held.iter().enumerate() {
            let reached = held.when.meets(&self.owed[newest].reach());
            if !reached && self.by_number(&held.sighting) != Some(newest) {
                continue;
            }
            claims += 1;
            let away = self.owed[newest].distance(held.sighting.captured);
            if best.is_none_or(|(least, _)| away < least) {
                best = Some((away, i));
            }
        }
        let Some(held) = best.and_then(|(_, i)| self.held.remove(i)) else {
            return;
        };
        match self.judge(&held.sighting, &held.when) {
            Belongs::To(at) if claims == 1 || !self.triggered => {
                self.settle(at, &held.sighting, held.when, held.what, out);
            }
            Belongs::OutOfStep { .. } => {
                self.out_of_step(Some(newest), out);
                self.step = None;
                self.unclaimed(held.what, out);
            }
            _ => {
                self.doubt(newest);
                self.unclaimed(held.what, out);
            }
        }
    }

    fn hold(
        &mut self,
        sighting: Sighting,
        when: Interval,
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
            when,
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
            if std::mem::take(&mut owed.doubtful) {
                self.doubts -= 1;
            }
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
            self.owed.retain(|o| o.doubtful || !o.is_past(now));
            self.tidy_at = FEW.max(self.owed.len() * 2);
        }
    }

    pub(super) fn expire(&mut self, now: MonoTime, out: &mut Vec<Assigned<V>>) {
        while self.held.front().is_some_and(|h| h.until < now)
            && let Some(held) = self.held.pop_front()
        {
            self.unclaimed(held.what, out);
        }
        for at in 0..self.owed.len() {
            if self.doubts == 0 {
                break;
            }
            if self.owed[at].doubtful && self.owed[at].given_up() <= now {
                self.miss(at, MissReason::Ambiguous, out);
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<MonoTime> {
        let held = self.held.front().map(|h| h.until + Duration::from_nanos(1));
        let doubtful = self.owed.iter().filter(|o| self.doubts > 0 && o.doubtful);
        doubtful.map(Owed::given_up).chain(held).min()
    }

    pub(super) fn close(&mut self, reason: MissReason, out: &mut Vec<Assigned<V>>) {
        while let Some(held) = self.held.pop_front() {
            self.unclaimed(held.what, out);
        }
        for at in 0..self.owed.len() {
            let doubtful = self.owed[at].doubtful;
            self.miss(
                at,
                if doubtful {
                    MissReason::Ambiguous
                } else {
                    reason
                },
                out,
            );
        }
    }
}

/// The frame is nearer to its own than to the other by far, whatever is uncertain.
fn is_clear(own: &Owed, other: &Owed, when: &Interval) -> bool {
    let nearest = when.nearest_to(other.due).saturating_sub(other.unsure);
    (when.farthest_from(own.due) + own.unsure) * 2 <= nearest && !nearest.is_zero()
}

/// Where a frame belongs.
enum Belongs {
    /// To this view, which still waits for it.
    To(usize),
    /// To this view, which has its answer.
    Again(usize),
    /// To a part whose trigger may still come.
    Later,
    /// To no part.
    Nowhere,
    /// To one of several, or perhaps to none.
    Unsure,
    /// Number and time disagree: to none of the parts they name; `hold`: perhaps to one that comes.
    OutOfStep { hold: bool },
}
