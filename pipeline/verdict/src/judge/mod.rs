//! The open parts, their deadlines, and the moment each is decided. Exactly once: a part leaves by
//! [`Judge::next_decided`] or by [`Judge::overflow_dossier`], and what comes for it afterwards is only counted.

mod counters;
mod pool;

pub use counters::{JudgeCounters, OpenError};

use crate::dossier::{Dossier, DossierView, ViewState};
use crate::plan::InspectionPlan;
use crate::rules::{Answer, Undecided, ViewVerdict, judge_view};
use crate::window::TrackWindow;
use pool::Pool;
use sightline_domain::result::StagesUs;
use sightline_domain::{
    FrameMeta, Generation, MissReason, MonoTime, TrackId, Trigger, ViewId, ViewTag,
};
use std::collections::VecDeque;
use std::sync::Arc;

struct Open {
    track: TrackId,
    deadline: MonoTime,
    dossier: Box<Dossier>,
}

/// The open parts.
pub struct Judge {
    /// By track id, so that finding is quick and every order is the same in a replay.
    open: VecDeque<Open>,
    /// Decided by evaluation, by the moment of decision, then track.
    ready: VecDeque<Box<Dossier>>,
    pool: Pool,
    used: TrackWindow,
    max_open: usize,
    tally: Vec<u32>,
    counters: JudgeCounters,
    closed: bool,
}

impl Judge {
    /// A judge for at most `max_open` parts at once (1 at least), with the dossiers of all of them.
    pub fn new(max_open: usize) -> Self {
        let max_open = max_open.max(1);
        Self {
            open: VecDeque::with_capacity(max_open),
            ready: VecDeque::with_capacity(max_open),
            pool: Pool::new(max_open),
            used: TrackWindow::new(),
            max_open,
            tally: Vec::with_capacity(256),
            counters: JudgeCounters::default(),
            closed: false,
        }
    }

    /// Opens a part: from now on it is owed a verdict by `trigger.at + plan.deadline`.
    ///
    /// # Errors
    /// [`OpenError::Full`]: the caller gives it its verdict with [`Judge::overflow_dossier`].
    /// [`OpenError::Duplicate`]: the part has its verdict or will get it; there is nothing to do.
    pub fn open(&mut self, plan: &Arc<InspectionPlan>, trigger: &Trigger) -> Result<(), OpenError> {
        let track = trigger.track_id;
        if self.used.contains(track) {
            self.counters.duplicate_triggers += 1;
            return Err(OpenError::Duplicate { track });
        }
        let open = self.open_parts();
        if open >= self.max_open {
            let max = self.max_open;
            return Err(OpenError::Full { track, open, max });
        }
        self.used.mark(track);
        let mut dossier = self.pool.take();
        dossier.begin(plan, trigger);
        let entry = Open {
            track,
            deadline: dossier.deadline,
            dossier,
        };
        let at = self.open.partition_point(|o| o.track < track);
        self.open.insert(at, entry);
        self.counters.opened += 1;
        Ok(())
    }

    /// The verdict of a part there is no room for: NotDecidable, rejected as overflow, decided `now`. It does not
    /// come out of [`Judge::next_decided`]. `None` if the part was opened before and so has its own verdict.
    pub fn overflow_dossier(
        &mut self,
        plan: &Arc<InspectionPlan>,
        trigger: &Trigger,
        now: MonoTime,
    ) -> Option<Box<Dossier>> {
        if !self.used.mark(trigger.track_id) {
            self.counters.duplicate_triggers += 1;
            return None;
        }
        let mut dossier = self.pool.take();
        dossier.begin(plan, trigger);
        dossier.give_up(now, MissReason::Overflow);
        self.counters.overflowed += 1;
        Some(dossier)
    }

    /// A view's frame is there and on its way to an engine: if the deadline overtakes the engine, the result says
    /// `late` and names the frame instead of `not_arrived`.
    pub fn arrived(&mut self, tag: &ViewTag, frame: &FrameMeta, now: MonoTime) {
        let generation = Some(tag.generation);
        if let Some(at) = self.owed(tag.track_id, tag.view, generation, Some(frame), now) {
            let view = &mut self.open[at].dossier.views[tag.view.index()];
            view.state = ViewState::Arrived;
            view.frame = Some(*frame);
        }
    }

    /// A model's answer about a view. At or after the part's deadline it only counts as late.
    pub fn seen(
        &mut self,
        tag: &ViewTag,
        frame: &FrameMeta,
        answer: Answer<'_>,
        stages: StagesUs,
        now: MonoTime,
    ) {
        let generation = Some(tag.generation);
        let Some(at) = self.owed(tag.track_id, tag.view, generation, Some(frame), now) else {
            return;
        };
        let Dossier {
            plan,
            views,
            findings,
            ..
        } = &mut *self.open[at].dossier;
        let from = findings.len();
        let verdict = match plan.view(tag.view) {
            Some((view, model)) => {
                judge_view(view, model, frame, answer, &mut self.tally, findings)
            }
            None => ViewVerdict::Undecided(Undecided::Malformed),
        };
        views[tag.view.index()] = DossierView {
            state: ViewState::Judged(verdict),
            frame: Some(*frame),
            stages,
            findings: (from, findings.len()),
        };
        self.settle(at, now);
    }

    /// The word that a view will not be judged, with its frame where one came.
    pub fn missed(
        &mut self,
        track: TrackId,
        view: ViewId,
        reason: MissReason,
        frame: Option<&FrameMeta>,
        now: MonoTime,
    ) {
        if let Some(at) = self.owed(track, view, None, frame, now) {
            let owed = &mut self.open[at].dossier.views[view.index()];
            owed.state = ViewState::Judged(ViewVerdict::Undecided(Undecided::Missed(reason)));
            owed.frame = frame.copied().or(owed.frame);
            self.settle(at, now);
        }
    }

    /// What an engine said of a view that [`Judge::missed`] is told of next: expected, found, what to do.
    pub fn explain(&mut self, track: TrackId, view: ViewId, why: &Arc<str>) {
        let open = self.index(track).and_then(|at| self.open.get_mut(at));
        if let Some(open) = open {
            open.dossier.faults.push((view, Arc::clone(why)));
        }
    }

    /// When [`Judge::next_decided`] has something to give: at once (a moment that is over), or at the next deadline.
    pub fn next_deadline(&self) -> Option<MonoTime> {
        let ready = self.ready.front().map(|d| d.decision.decided);
        let open = self.open.iter().map(|o| o.deadline).min();
        ready.into_iter().chain(open).min()
    }

    /// The next decided part. Parts come by the moment that decided them (their last view, or their deadline), then
    /// by track id. Call until `None`.
    pub fn next_decided(&mut self, now: MonoTime) -> Option<Box<Dossier>> {
        let due = |o: &&Open| self.closed || o.deadline <= now;
        let expired = self.open.iter().filter(due).map(|o| (o.deadline, o.track));
        let expired = expired.min();
        let ready = self.ready.front();
        let ready = ready.map(|d| (d.decision.decided, d.trigger.track_id));
        match (ready, expired) {
            (Some(r), e) if e.is_none_or(|e| r < e) => self.ready.pop_front(),
            (_, Some((_, track))) => {
                let at = self.index(track)?;
                let mut dossier = self.open.remove(at)?.dossier;
                dossier.decide(now, true);
                self.counters.expired += 1;
                Some(dossier)
            }
            _ => None,
        }
    }

    /// The end of the run: whatever is open or opened from now on is decided as if its deadline had come.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Gives a dossier back for the next part.
    pub fn recycle(&mut self, dossier: Box<Dossier>) {
        self.pool.give(dossier);
    }

    /// Parts open, or decided and not yet taken.
    pub fn open_parts(&self) -> usize {
        self.open.len() + self.ready.len()
    }

    /// What was counted.
    pub fn counters(&self) -> JudgeCounters {
        JudgeCounters {
            allocated: self.pool.allocated,
            ..self.counters
        }
    }

    fn index(&self, track: TrackId) -> Option<usize> {
        self.open.binary_search_by_key(&track, |o| o.track).ok()
    }

    /// The place in `open` of the part whose view this is, if the view is still owed; otherwise the reason why not
    /// is counted.
    fn owed(
        &mut self,
        track: TrackId,
        view: ViewId,
        generation: Option<Generation>,
        frame: Option<&FrameMeta>,
        now: MonoTime,
    ) -> Option<usize> {
        let Some(at) = self.index(track) else {
            if self.used.contains(track) {
                self.counters.late_views += 1;
            } else {
                self.counters.unknown_views += 1;
            }
            return None;
        };
        let dossier = &mut self.open[at].dossier;
        let planned = dossier.plan.views.get(view.index());
        let known = planned.is_some_and(|p| frame.is_none_or(|f| f.camera == p.camera))
            && generation.is_none_or(|g| g == dossier.plan.generation);
        if !known {
            self.counters.unknown_views += 1;
            return None;
        }
        let owed = &mut dossier.views[view.index()];
        if matches!(owed.state, ViewState::Judged(_)) {
            self.counters.duplicates += 1;
            return None;
        }
        if self.closed || now >= dossier.deadline {
            self.counters.late_views += 1;
            // It came, only too late; the expiry will say so.
            if let Some(frame) = frame {
                owed.state = ViewState::Arrived;
                owed.frame = Some(*frame);
            }
            return None;
        }
        Some(at)
    }

    /// Decides the part if nothing is owed any more.
    fn settle(&mut self, at: usize, now: MonoTime) {
        if !self.open[at].dossier.is_complete() {
            return;
        }
        if let Some(Open {
            track, mut dossier, ..
        }) = self.open.remove(at)
        {
            dossier.decide(now, false);
            self.counters.decided += 1;
            let key = (now, track);
            let key_of = |d: &Dossier| (d.decision.decided, d.trigger.track_id);
            let at = self.ready.partition_point(|d| key_of(d) < key);
            self.ready.insert(at, dossier);
        }
    }
}
