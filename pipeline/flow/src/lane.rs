//! Views that wait for an engine of one model of one generation.

use crate::active_generation::{ActiveGeneration, LiveModel};
use crate::job::{Job, ViewRecord};
use crate::parts::Parts;
use sightline_domain::{MonoTime, TrackId, ViewId, ViewTag};
use sightline_engine::{BatchView, Reference};
use sightline_frames::View;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

/// What a batch is begun before its deadline by, beside the time it takes.
const MARGIN: Duration = Duration::from_millis(1);

/// How busy the engines are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engines {
    /// Workers that work.
    pub alive: usize,
    /// Batches they can be given now.
    pub room: usize,
    /// Workers without a batch.
    pub idle: usize,
}

/// A view and whose it is.
struct Waiting {
    view: View,
    tag: ViewTag,
}

pub(crate) struct Lane {
    pub live: Arc<ActiveGeneration>,
    pub model: usize,
    waiting: Vec<Waiting>,
}

impl Lane {
    pub(crate) fn new(live: &Arc<ActiveGeneration>, model: usize, capacity: usize) -> Self {
        Self {
            live: Arc::clone(live),
            model,
            waiting: Vec::with_capacity(capacity),
        }
    }

    pub(crate) fn push(&mut self, view: View, tag: ViewTag) {
        self.waiting.push(Waiting { view, tag });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn model(&self) -> &LiveModel {
        &self.live.models[self.model]
    }

    /// Drops the views of parts that cannot be made any more, telling each. An idle engine tries anything that is not
    /// over yet: that is how a pace that was measured too slow is measured anew.
    pub(crate) fn sweep(
        &mut self,
        now: MonoTime,
        engines: Engines,
        mut late: impl FnMut(ViewTag, View),
    ) {
        let needed = match engines.idle {
            0 => self.model().pace.least(),
            _ => Duration::ZERO,
        };
        let mut at = 0;
        while at < self.waiting.len() {
            if self.waiting[at].tag.deadline <= now + needed {
                let w = self.waiting.remove(at);
                late(w.tag, w.view);
            } else {
                at += 1;
            }
        }
    }

    /// Gives up every view, telling each.
    pub(crate) fn empty(&mut self, mut gone: impl FnMut(ViewTag, View)) {
        for w in self.waiting.drain(..) {
            gone(w.tag, w.view);
        }
    }

    /// The earliest deadline of a view that waits.
    pub(crate) fn deadline(&self) -> Option<MonoTime> {
        self.waiting.iter().map(|w| w.tag.deadline).min()
    }

    /// Whether a batch should go now: it is full, its oldest view has waited long enough or its deadline presses, or
    /// an engine is idle and nothing would join in time.
    pub(crate) fn is_ready(
        &self,
        now: MonoTime,
        wait: Duration,
        parts: &Parts,
        engines: Engines,
    ) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        self.waiting.len() >= self.model().target
            || self.goes_at(wait).is_some_and(|t| t <= now)
            || (engines.idle > 0 && !self.expects_more(now, wait, parts))
    }

    /// When it becomes ready by time alone.
    pub(crate) fn goes_at(&self, wait: Duration) -> Option<MonoTime> {
        let oldest = self.waiting.iter().map(|w| w.tag.enqueued).min()? + wait;
        let needed = self.model().pace.typical() * 5 / 4 + MARGIN;
        Some(oldest.min(self.deadline()? - needed))
    }

    /// Whether a part that has its trigger owes this model a view before the oldest has waited long enough.
    fn expects_more(&self, now: MonoTime, wait: Duration, parts: &Parts) -> bool {
        let Some(until) = self.goes_at(wait) else {
            return false;
        };
        let (generation, mine) = (self.live.generation(), self.model().views);
        let mut open = parts
            .iter()
            .filter(|p| p.generation == generation && p.deadline > now);
        open.any(|p| {
            let owed = p.awaited & mine;
            let views = self.live.expected.iter();
            let mut owed = views.filter(|v| owed >> v.view.index() & 1 == 1);
            owed.any(|v| p.at + v.offset <= until)
        })
    }

    /// Some of the waiting will come too late, whatever is done.
    fn is_overloaded(&self, now: MonoTime, engines: Engines) -> bool {
        let model = self.model();
        let batches = self.waiting.len().div_ceil(model.target);
        let rounds = batches.div_ceil(engines.alive.max(1));
        let needed = model.pace.typical() * rounds as u32;
        self.deadline().is_some_and(|d| d < now + needed)
    }

    /// Moves the batch's views into `job`. First those of parts that can still be OK; of these first the ones whose
    /// part an engine has already begun; then by deadline. Where not all can be made, the freshest go first: they are
    /// the ones that still will be.
    pub(crate) fn fill(
        &mut self,
        job: &mut Job,
        now: MonoTime,
        engines: Engines,
        parts: &mut Parts,
    ) {
        let overloaded = self.is_overloaded(now, engines);
        job.live = Some(Arc::clone(&self.live));
        job.model = self.model;
        job.dispatched = now;
        for _ in 0..self.model().target {
            let urgency = |w: &Waiting| urgency(w.tag, parts, overloaded);
            let all = self.waiting.iter().enumerate();
            let Some((at, _)) = all.min_by_key(|(_, w)| urgency(w)) else {
                break;
            };
            let Waiting { view, tag } = self.waiting.remove(at);
            parts.left(tag.track_id, true);
            job.slips.push(ViewRecord {
                tag,
                meta: *view.lease.meta(),
                missed: None,
                fault: None,
                nonfinite: 0,
            });
            let planned = self.live.plan.views.get(tag.view.index());
            let view = BatchView {
                lease: view.lease,
                reference: view.reference.map(Reference::Own),
                tag,
            };
            job.batch.push_in_tiles(view, planned.and_then(|v| v.tiles));
        }
    }
}

/// Smallest first.
type Urgency = (
    bool,
    bool,
    Option<Reverse<MonoTime>>,
    MonoTime,
    TrackId,
    ViewId,
);

fn urgency(tag: ViewTag, parts: &Parts, overloaded: bool) -> Urgency {
    let (mut lost, mut begun) = (true, false);
    if let Some(part) = parts.peek(tag.track_id) {
        (lost, begun) = (part.lost, part.begun);
    }
    let fresh = (overloaded && !begun).then_some(Reverse(tag.deadline));
    (lost, !begun, fresh, tag.deadline, tag.track_id, tag.view)
}
