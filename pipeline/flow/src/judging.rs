//! The judge without its thread: answers and misses in, decided parts out, the gate told first.

use crate::active_generation::ActiveGeneration;
use crate::counters::{Counters, bump};
use crate::gate::GateLink;
use crate::job::{Job, ViewRecord};
use sightline_domain::{
    Disposition, Evaluation, FrameMeta, Generation, MissReason, MonoTime, TrackId, Trigger, ViewId,
    ViewTag,
};
use sightline_verdict::{Answer, Dossier, Judge, OpenError, Outcome};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What the judge takes in.
pub(crate) enum JudgeInput {
    /// A part arrived.
    Open {
        live: Arc<ActiveGeneration>,
        trigger: Trigger,
        room: bool,
    },
    /// A view's frame is there.
    Arrived { tag: ViewTag, meta: FrameMeta },
    /// A view will not be judged.
    Missed {
        track: TrackId,
        view: ViewId,
        reason: MissReason,
        meta: Option<FrameMeta>,
    },
    /// An engine is done with a batch, or failed.
    Done(Box<Job>),
    /// This generation gets no new parts.
    Superseded(Generation),
    /// Nothing but that a deadline is nearer than the judge's next look around.
    Look,
    /// The end of the run: whatever is open is decided as it is.
    End,
}

impl JudgeInput {
    /// Until when the judge need not act on it; `None`: at once.
    pub(crate) fn waits_until(&self) -> Option<MonoTime> {
        match self {
            Self::Open {
                live,
                trigger,
                room: true,
            } => Some(trigger.at + live.plan.deadline),
            Self::Arrived { tag, .. } => Some(tag.deadline),
            _ => None,
        }
    }
}

/// A part with its verdict and what really happens to it.
pub(crate) struct Decided {
    pub dossier: Box<Dossier>,
    pub outcome: Outcome,
    /// When the verdict was there.
    pub at: MonoTime,
}

struct OpenParts {
    generation: Generation,
    open: usize,
    superseded: bool,
}

pub(crate) struct JudgeCore {
    judge: Judge,
    gate: Option<Arc<GateLink>>,
    tally: Arc<Counters>,
    generations: Vec<OpenParts>,
    pub(crate) ended: bool,
}

impl JudgeCore {
    pub(crate) fn new(max_open: usize, gate: Option<Arc<GateLink>>, tally: Arc<Counters>) -> Self {
        Self {
            judge: Judge::new(max_open),
            gate,
            tally,
            generations: Vec::with_capacity(8),
            ended: false,
        }
    }

    /// Takes one item; decided parts go to `out`. Gives back a job that was dealt with: its leases are still in it.
    pub(crate) fn take(
        &mut self,
        input: JudgeInput,
        now: MonoTime,
        out: &mut Vec<Decided>,
    ) -> Option<Box<Job>> {
        match input {
            JudgeInput::Open {
                live,
                trigger,
                room,
            } => self.open(&live, &trigger, room, now, out),
            JudgeInput::Arrived { tag, meta } => self.judge.arrived(&tag, &meta, now),
            JudgeInput::Missed {
                track,
                view,
                reason,
                meta,
            } => self.judge.missed(track, view, reason, meta.as_ref(), now),
            JudgeInput::Done(job) => {
                self.answered(&job, now);
                return Some(job);
            }
            JudgeInput::Superseded(generation) => self.count(generation).superseded = true,
            JudgeInput::Look => {}
            JudgeInput::End => {
                self.judge.close();
                self.ended = true;
            }
        }
        None
    }

    fn open(
        &mut self,
        live: &Arc<ActiveGeneration>,
        trigger: &Trigger,
        room: bool,
        now: MonoTime,
        out: &mut Vec<Decided>,
    ) {
        let opened = if room {
            self.judge.open(&live.plan, trigger)
        } else {
            let (track, open) = (trigger.track_id, self.judge.open_parts());
            let max = open;
            Err(OpenError::Full { track, open, max })
        };
        let overflow = match opened {
            Ok(()) => None,
            Err(OpenError::Full { .. }) => self.judge.overflow_dossier(&live.plan, trigger, now),
            Err(OpenError::Duplicate { .. }) => {
                bump(&self.tally.line.duplicate_triggers);
                self.tally.open.fetch_sub(1, Relaxed);
                return;
            }
        };
        bump(&self.tally.line.parts);
        self.count(live.generation()).open += 1;
        if let Some(dossier) = overflow {
            bump(&self.tally.line.overflowed);
            self.decide(dossier, now, out);
        }
    }

    fn answered(&mut self, job: &Job, now: MonoTime) {
        let Some(live) = &job.live else { return };
        let all = job.slips.iter().zip(job.answers.iter());
        for (slip, answer) in all {
            if slip.missed.is_none() {
                let said = Answer {
                    detections: &answer.detections,
                    class_scores: &answer.class_scores,
                    nonfinite: answer.dropped_nonfinite.saturating_add(slip.nonfinite),
                };
                let stages = job.stages(slip, live.plan.deadline, now);
                self.judge.seen(&slip.tag, &slip.meta, said, stages, now);
            }
        }
        for ViewRecord {
            tag,
            meta,
            missed,
            fault,
            ..
        } in job.slips.iter().chain(&job.dropped)
        {
            if let Some(reason) = *missed {
                if let Some(why) = fault {
                    self.judge.explain(tag.track_id, tag.view, why);
                }
                self.judge
                    .missed(tag.track_id, tag.view, reason, Some(meta), now);
            }
        }
        // taken out of the batch, yet not missed: unfit to be judged, and its health says why
        for slip in job.dropped.iter().filter(|s| s.missed.is_none()) {
            let stages = job.stages(slip, live.plan.deadline, now);
            self.judge
                .seen(&slip.tag, &slip.meta, Answer::default(), stages, now);
        }
    }

    /// Hands out every part that is decided by `now`, each to the gate first.
    pub(crate) fn close(&mut self, now: MonoTime, out: &mut Vec<Decided>) {
        while let Some(dossier) = self.judge.next_decided(now) {
            self.decide(dossier, now, out);
        }
        let counters = self.judge.counters();
        let line = &self.tally.line;
        line.late_views.store(counters.late_views, Relaxed);
        line.unknown_views.store(counters.unknown_views, Relaxed);
        line.duplicate_views.store(counters.duplicates, Relaxed);
    }

    fn decide(&mut self, mut dossier: Box<Dossier>, now: MonoTime, out: &mut Vec<Decided>) {
        self.rule(&mut dossier, now);
        let line = &self.tally.line;
        let decision = dossier.decision();
        bump(&line.verdicts);
        bump(match decision.evaluation {
            Evaluation::OK => &line.ok,
            Evaluation::NotOK => &line.not_ok,
            Evaluation::NotDecidable | Evaluation::Undefined => &line.not_decidable,
        });
        let asked = decision.asked;
        let outcome = match &self.gate {
            Some(gate) => gate.decide(dossier.trigger(), asked, now),
            None => Some(asked),
        };
        // the gate refuses a second verdict, and the judge gives none: if it ever happens, reject is what it did
        let outcome =
            outcome.unwrap_or(Outcome::reject(sightline_domain::DispositionReason::Fault));
        bump(&line.dispositions);
        bump(match outcome.disposition {
            Disposition::Pass => &line.passed,
            Disposition::Reject => &line.rejected,
        });
        let generation = dossier.plan().generation;
        let count = self.count(generation);
        count.open = count.open.saturating_sub(1);
        out.push(Decided {
            dossier,
            outcome,
            at: now,
        });
    }

    /// Whether a challenge lets the part pass.
    fn rule(&self, dossier: &mut Dossier, now: MonoTime) {
        let ruling = self.tally.challenges().decided(
            dossier.plan(),
            dossier.trigger().part_id.as_deref(),
            dossier.decision().evaluation,
            |code| dossier.counts(code),
            now,
        );
        dossier.rule(ruling);
    }

    fn count(&mut self, generation: Generation) -> &mut OpenParts {
        let at = self
            .generations
            .iter()
            .position(|g| g.generation == generation);
        let at = at.unwrap_or_else(|| {
            self.generations.push(OpenParts {
                generation,
                open: 0,
                superseded: false,
            });
            self.generations.len() - 1
        });
        &mut self.generations[at]
    }

    /// A generation that has no open part and will get none; told once.
    pub(crate) fn next_retired(&mut self) -> Option<Generation> {
        let over = |g: &OpenParts| g.superseded && g.open == 0;
        let at = self.generations.iter().position(over)?;
        Some(self.generations.swap_remove(at).generation)
    }

    pub(crate) fn recycle(&mut self, dossier: Box<Dossier>) {
        self.judge.recycle(dossier);
    }

    /// When a part must be closed even if nothing comes.
    pub(crate) fn next_deadline(&self) -> Option<MonoTime> {
        self.judge.next_deadline()
    }
}
