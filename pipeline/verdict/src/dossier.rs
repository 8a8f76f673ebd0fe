//! One part's file: what it owes, what came, what was decided. Pooled by the judge, so nothing is allocated a part.

use crate::challenge::Ruling;
use crate::outcome::{Decision, Outcome};
use crate::plan::{InspectionPlan, PlannedClass};
use crate::rules::{Finding, Judgement, Undecided, ViewVerdict, judge_part};
use sightline_domain::result::{ChallengeResult, StagesUs};
use sightline_domain::{
    DispositionReason, Evaluation, FrameMeta, MissReason, MonoTime, ResultState, Timing, Trigger,
    ViewId,
};
use std::sync::Arc;

/// One part. Decided from the moment the judge hands it out.
#[derive(Debug)]
pub struct Dossier {
    pub(crate) plan: Arc<InspectionPlan>,
    pub(crate) trigger: Trigger,
    pub(crate) deadline: MonoTime,
    pub(crate) views: Vec<DossierView>,
    pub(crate) findings: Vec<Finding>,
    /// What engines said of views that they could not answer.
    pub(crate) faults: Vec<(ViewId, Arc<str>)>,
    pub(crate) decision: Decision,
    pub(crate) challenge: Option<ChallengeResult>,
}

/// One owed view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DossierView {
    /// How far it got.
    pub state: ViewState,
    /// Its frame, where one came.
    pub frame: Option<FrameMeta>,
    /// Where its time went.
    pub stages: StagesUs,
    pub(crate) findings: (usize, usize),
}

/// How far a view got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// Nothing came yet.
    Awaited,
    /// Its frame came and is with an engine.
    Arrived,
    /// It is judged, or missing for good.
    Judged(ViewVerdict),
}

const OWED: DossierView = DossierView {
    state: ViewState::Awaited,
    frame: None,
    stages: StagesUs {
        capture: 0,
        engine_busy: 0,
        batch_wait: 0,
        queue: 0,
        preprocess: 0,
        infer: 0,
        postprocess: 0,
        judge: 0,
    },
    findings: (0, 0),
};

const OPEN: Decision = Decision {
    evaluation: Evaluation::Undefined,
    result_state: ResultState::Incomplete,
    asked: Outcome::reject(DispositionReason::NoVerdict),
    decided: MonoTime(0),
    expired: false,
};

impl Dossier {
    /// What the part was held against.
    pub fn plan(&self) -> &Arc<InspectionPlan> {
        &self.plan
    }

    /// The part's arrival.
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// The latest moment for a verdict.
    pub fn deadline(&self) -> MonoTime {
        self.deadline
    }

    /// What was decided.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The owed views, in the plan's order.
    pub fn views(&self) -> &[DossierView] {
        &self.views
    }

    /// What was found on view `index`, counted or not; empty for a view that was not judged.
    pub fn findings(&self, index: usize) -> &[Finding] {
        let (from, to) = self.views.get(index).map_or((0, 0), |v| v.findings);
        &self.findings[from..to]
    }

    /// What an engine said of view `index`, if it could not answer.
    pub fn fault(&self, index: usize) -> Option<&str> {
        let of = self.faults.iter().find(|(view, _)| view.index() == index);
        of.map(|(_, why)| &**why)
    }

    /// What became of it as a challenge part, if it is one.
    pub fn challenge(&self) -> Option<&ChallengeResult> {
        self.challenge.as_ref()
    }

    /// Whether a finding of the class `code` counts against the part.
    pub fn counts(&self, code: &str) -> bool {
        let views = self.plan.views.iter().enumerate();
        let mut found = views.flat_map(|(i, view)| {
            let model = self.plan.models.get(view.model);
            let counted = self.findings(i).iter().filter(|f| f.suppressed.is_none());
            counted.filter_map(move |f| model?.classes.get(f.detection.class.index()))
        });
        let rejects = |c: &PlannedClass| c.count > 0 || c.max_area_px.is_some();
        found.any(|class| rejects(class) && class.code == code)
    }

    /// What the challenge makes of it: what is locked or a challenge part does not pass.
    pub fn rule(&mut self, ruling: Ruling) {
        let passes = self.decision.asked == Outcome::PASS;
        if passes && ruling != Ruling::Ordinary {
            self.decision.asked = Outcome::reject(DispositionReason::Challenge);
        }
        match ruling {
            Ruling::Locked if passes => {
                self.decision.evaluation = Evaluation::NotDecidable;
                self.decision.result_state = ResultState::Incomplete;
            }
            Ruling::Challenge(result) => self.challenge = Some(result),
            Ruling::Locked | Ruling::Ordinary => {}
        }
    }

    /// Room for `views` views and `findings` findings before anything is allocated.
    pub(crate) fn blank(plan: &Arc<InspectionPlan>, views: usize, findings: usize) -> Self {
        Self {
            plan: Arc::clone(plan),
            trigger: no_trigger(),
            deadline: MonoTime(0),
            views: Vec::with_capacity(views),
            findings: Vec::with_capacity(findings),
            faults: Vec::new(),
            decision: OPEN,
            challenge: None,
        }
    }

    pub(crate) fn begin(&mut self, plan: &Arc<InspectionPlan>, trigger: &Trigger) {
        self.plan = Arc::clone(plan);
        self.trigger = trigger.clone();
        self.deadline = trigger.at + plan.deadline;
        self.views.clear();
        self.views.resize(plan.views.len(), OWED);
        self.findings.clear();
        self.faults.clear();
        self.decision = OPEN;
        self.challenge = None;
    }

    /// Lets go of everything shared; keeps all capacity.
    pub(crate) fn wipe(&mut self, plan: &Arc<InspectionPlan>) {
        self.plan = Arc::clone(plan);
        self.trigger = no_trigger();
        self.views.clear();
        self.findings.clear();
        self.faults.clear();
        self.decision = OPEN;
        self.challenge = None;
    }

    pub(crate) fn is_complete(&self) -> bool {
        let judged = |v: &DossierView| matches!(v.state, ViewState::Judged(_));
        self.views.iter().all(judged)
    }

    /// Decides by what is there; a view that is not there is missing: late if its frame had come.
    pub(crate) fn decide(&mut self, now: MonoTime, expired: bool) {
        for v in &mut self.views {
            v.state = ViewState::Judged(v.verdict());
        }
        let Judgement {
            evaluation,
            result_state,
            asked,
        } = judge_part(&self.plan, self.views.iter().map(DossierView::verdict));
        self.decision = Decision {
            evaluation,
            result_state,
            asked,
            decided: now,
            expired,
        };
    }

    /// Decides without having looked: every view is missing for `reason`.
    pub(crate) fn give_up(&mut self, now: MonoTime, reason: MissReason) {
        for v in &mut self.views {
            v.state = ViewState::Judged(missed(reason));
        }
        self.decide(now, false);
    }
}

impl DossierView {
    /// What it says if the part is decided now.
    pub fn verdict(&self) -> ViewVerdict {
        match self.state {
            ViewState::Judged(verdict) => verdict,
            ViewState::Arrived => missed(MissReason::Late),
            ViewState::Awaited => missed(MissReason::NotArrived),
        }
    }
}

fn missed(reason: MissReason) -> ViewVerdict {
    ViewVerdict::Undecided(Undecided::Missed(reason))
}

fn no_trigger() -> Trigger {
    Trigger {
        track_id: sightline_domain::TrackId(0),
        part_id: None,
        at: MonoTime(0),
        at_utc: sightline_domain::UtcMicros(0),
        encoder: None,
        timing: Timing::default(),
    }
}
