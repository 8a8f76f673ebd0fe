//! Decided parts become results: numbered, written once, handed to the sink; and the stages' times are kept.

use crate::counters::{Counters, bump};
use crate::judging::Decided;
use crate::stages::Stages;
use crate::{FlowEvents, ResultSink};
use sightline_domain::{Alarm, AlarmKind, Clock, Disposition, InspectionResult, TrackId};
use sightline_verdict::{
    Correction, Dossier, Outcome, ResultMaker, Undecided, ViewState, ViewVerdict,
};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// Corrections that may wait for their result.
const EARLY: usize = 256;

pub(crate) struct ResultCore {
    maker: ResultMaker,
    sink: Box<dyn ResultSink>,
    events: Arc<dyn FlowEvents>,
    clock: Arc<dyn Clock>,
    tally: Arc<Counters>,
    stages: Arc<Mutex<Stages>>,
    lately: Lately,
}

/// A part that was told, as bytes: hardly one in thousands is ever read again.
struct ResultsMade {
    track: TrackId,
    bytes: Box<[u8]>,
}

/// Parts that a gate may yet correct. Fixed room; without a gate none.
struct Lately {
    told: VecDeque<ResultsMade>,
    room: usize,
    /// Corrections that came before their result.
    early: VecDeque<Correction>,
}

impl ResultCore {
    pub(crate) fn new(
        maker: ResultMaker,
        sink: Box<dyn ResultSink>,
        events: Arc<dyn FlowEvents>,
        clock: Arc<dyn Clock>,
        tally: Arc<Counters>,
        stages: Arc<Mutex<Stages>>,
        to_correct: usize,
    ) -> Self {
        Self {
            maker,
            sink,
            events,
            clock,
            tally,
            stages,
            lately: Lately {
                told: VecDeque::with_capacity(to_correct),
                room: to_correct,
                early: VecDeque::new(),
            },
        }
    }

    /// The production order or lot of the results from now on.
    pub(crate) fn set_job(&mut self, job_id: Option<String>) {
        self.maker.set_job(job_id);
    }

    /// Tells the factory of one part, and gives its dossier back.
    pub(crate) fn make(&mut self, decided: Decided) -> Box<Dossier> {
        let Decided {
            dossier,
            outcome,
            at,
        } = decided;
        let outcome = self.known_better(dossier.trigger().track_id, outcome);
        let result = self.maker.make(&dossier, outcome);
        // Counted first: who has seen the result finds it counted.
        self.count_missed(&dossier);
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.observe(&dossier, at);
        drop(stages);
        match self.maker.encode(&result) {
            Ok(bytes) => {
                bump(&self.tally.line.results);
                self.lately.keep(TrackId(result.track_id), &bytes);
                self.sink.submit(result, bytes);
            }
            Err(e) => self.unwritten(&e),
        }
        self.tally.open.fetch_sub(1, Relaxed);
        dossier
    }

    fn unwritten(&self, error: &dyn std::error::Error) {
        bump(&self.tally.line.unwritten);
        self.events.alarm(Alarm {
            id: AlarmKind::ResultUnwritten.into(),
            active: true,
            since: self.clock.utc(),
            message: error.to_string(),
        });
    }

    /// Tells again of a part that went another way than was told: the same event, under a number of its own.
    pub(crate) fn correct(&mut self, correction: Correction) {
        let Correction { track, outcome } = correction;
        let Some(told) = self.lately.told.iter_mut().find(|t| t.track == track) else {
            return self.lately.before_its_result(correction);
        };
        let mut result: InspectionResult = match serde_json::from_slice(&told.bytes) {
            Ok(result) => result,
            Err(e) => return self.unwritten(&e),
        };
        let before = result.disposition;
        self.maker.correct(&mut result, outcome);
        match self.maker.encode(&result) {
            Ok(bytes) => {
                told.bytes.clone_from(&bytes);
                self.recount(before, outcome.disposition);
                bump(&self.tally.line.corrections);
                self.sink.submit(result, bytes);
            }
            Err(e) => self.unwritten(&e),
        }
    }

    /// What the gate said of the part meanwhile.
    fn known_better(&mut self, track: TrackId, outcome: Outcome) -> Outcome {
        let early = &mut self.lately.early;
        let mut really = outcome;
        while let Some(at) = early.iter().position(|c| c.track == track) {
            really = early.remove(at).map_or(really, |c| c.outcome);
        }
        self.recount(outcome.disposition, really.disposition);
        really
    }

    fn recount(&self, told: Disposition, really: Disposition) {
        let line = &self.tally.line;
        let of = |disposition| match disposition {
            Disposition::Pass => &line.passed,
            Disposition::Reject => &line.rejected,
        };
        if told != really {
            of(told).fetch_sub(1, Relaxed);
            bump(of(really));
        }
    }

    fn count_missed(&self, dossier: &Dossier) {
        let pairs = dossier.views().iter().zip(&dossier.plan().views);
        for (view, planned) in pairs {
            if let ViewState::Judged(ViewVerdict::Undecided(Undecided::Missed(_))) = view.state {
                self.tally.camera(planned.camera, |c| &c.missed);
            }
        }
    }
}

impl Lately {
    fn keep(&mut self, track: TrackId, bytes: &[u8]) {
        if self.room == 0 {
            return;
        }
        if self.told.len() >= self.room {
            self.told.pop_front();
        }
        let bytes = bytes.into();
        self.told.push_back(ResultsMade { track, bytes });
    }

    fn before_its_result(&mut self, correction: Correction) {
        if self.early.len() >= EARLY {
            self.early.pop_front();
        }
        self.early.push_back(correction);
    }
}
