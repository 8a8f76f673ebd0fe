//! Decided parts become results: numbered, written once, handed to the sink; and the stages' times are kept.

use crate::counters::{Tally, bump};
use crate::judging::Decided;
use crate::stages::Stages;
use crate::{FlowEvents, ResultSink};
use sightline_model::{Alarm, AlarmKind, Clock};
use sightline_verdict::{Dossier, ResultMaker, Undecided, ViewState, ViewVerdict};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) struct ResultCore {
    maker: ResultMaker,
    sink: Box<dyn ResultSink>,
    events: Arc<dyn FlowEvents>,
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
    stages: Arc<Mutex<Stages>>,
}

impl ResultCore {
    pub(crate) fn new(
        maker: ResultMaker,
        sink: Box<dyn ResultSink>,
        events: Arc<dyn FlowEvents>,
        clock: Arc<dyn Clock>,
        tally: Arc<Tally>,
        stages: Arc<Mutex<Stages>>,
    ) -> Self {
        Self {
            maker,
            sink,
            events,
            clock,
            tally,
            stages,
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
        let result = self.maker.make(&dossier, outcome);
        // Counted first: who has seen the result finds it counted.
        self.count_missed(&dossier);
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.observe(&dossier, at);
        drop(stages);
        match self.maker.encode(&result) {
            Ok(bytes) => {
                bump(&self.tally.line.results);
                self.sink.submit(result, bytes);
            }
            Err(e) => {
                bump(&self.tally.line.unwritten);
                self.events.alarm(Alarm {
                    id: AlarmKind::ResultUnwritten.into(),
                    active: true,
                    since: self.clock.utc(),
                    message: e.to_string(),
                });
            }
        }
        self.tally.open.fetch_sub(1, Relaxed);
        dossier
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
