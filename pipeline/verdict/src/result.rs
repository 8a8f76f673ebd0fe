//! A decided dossier becomes `sightline.result.v1`: the one record of account, and its bytes.

use crate::dossier::{Dossier, DossierView, ViewState};
use crate::ids::IdSource;
use crate::outcome::Outcome;
use crate::plan::{InspectionPlan, PlannedModel};
use crate::rules::{Finding, Undecided, ViewVerdict};
use sightline_domain::result::{DetectionResult, RESULT_SCHEMA, StagesUs, Times, ViewResult};
use sightline_domain::{
    FrameMeta, InspectionResult, MissReason, MonoTime, Suppressed, Trigger, UtcMicros,
};
use uuid::{Builder, Uuid};

/// What all results of one run have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultConfig {
    /// The station's name.
    pub station: String,
    /// Identifies this run of the box.
    pub boot_id: Uuid,
    /// SHA-256 of the station's configuration, hex.
    pub configuration_hash: String,
    /// True on the simulated line.
    pub is_simulated: bool,
    /// Results also list findings below their class's score limit, down to the decoder's floor: for measuring a model.
    pub with_findings_below_limit: bool,
    /// The first result's number: one more than the last run's last.
    pub first_seq: u64,
}

/// A result could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error(
    "result {seq} of part {track} cannot be written as JSON: {source}; report this with the recipe"
)]
pub struct EncodeError {
    /// The result's number.
    pub seq: u64,
    /// The part.
    pub track: u64,
    /// The serialiser's error.
    #[source]
    pub source: serde_json::Error,
}

/// Makes results: numbers them without a gap and names each once.
pub struct ResultMaker {
    config: ResultConfig,
    ids: Box<dyn IdSource>,
    job_id: Option<String>,
    next_seq: u64,
    last_ms: u64,
    buffer: Vec<u8>,
}

impl ResultMaker {
    /// A maker whose first result has the number `config.first_seq`.
    pub fn new(config: ResultConfig, ids: Box<dyn IdSource>) -> Self {
        Self {
            next_seq: config.first_seq,
            config,
            ids,
            job_id: None,
            last_ms: 0,
            buffer: Vec::with_capacity(4_096),
        }
    }

    /// The production order or lot of the results from now on.
    pub fn set_job(&mut self, job_id: Option<String>) {
        self.job_id = job_id;
    }

    /// The number of the next result.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The result of a decided part, with what really happened at the gate. Each call takes one number: call it once
    /// a part.
    pub fn make(&mut self, dossier: &Dossier, outcome: Outcome) -> InspectionResult {
        let (plan, trigger) = (dossier.plan(), dossier.trigger());
        let decision = dossier.decision();
        let seq = self.next_seq;
        self.next_seq += 1;
        let event_id = self.event_id(utc(trigger, decision.decided));
        InspectionResult {
            schema: RESULT_SCHEMA.to_owned(),
            event_id,
            correction: 0,
            seq,
            boot_id: self.config.boot_id,
            station: self.config.station.clone(),
            track_id: trigger.track_id.0,
            part_id: trigger.part_id.as_deref().map(str::to_owned),
            job_id: self.job_id.clone(),
            product_id: plan.product_id.clone(),
            recipe: plan.recipe.clone(),
            configuration_hash: self.config.configuration_hash.clone(),
            generation: plan.generation.0,
            models: plan.models.iter().flat_map(|m| m.refs.clone()).collect(),
            result_state: decision.result_state,
            evaluation: decision.evaluation,
            disposition: outcome.disposition,
            disposition_reason: outcome.reason,
            challenge: dossier.challenge().cloned(),
            is_simulated: self.config.is_simulated,
            views: views(dossier, plan, self.config.with_findings_below_limit),
            times: times(dossier),
            evidence: Vec::new(),
            replayed: false,
        }
    }

    /// Makes of a result that was told the one that says what happened instead: the same event, the next number.
    pub fn correct(&mut self, result: &mut InspectionResult, really: Outcome) {
        result.correction += 1;
        result.seq = self.next_seq;
        self.next_seq += 1;
        result.disposition = really.disposition;
        result.disposition_reason = really.reason;
    }

    /// The result's bytes, as they are stored and published.
    ///
    /// # Errors
    /// [`EncodeError`] if the serialiser refuses.
    pub fn encode(&mut self, result: &InspectionResult) -> Result<Box<[u8]>, EncodeError> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, result).map_err(|source| EncodeError {
            seq: result.seq,
            track: result.track_id,
            source,
        })?;
        Ok(self.buffer.as_slice().into())
    }

    /// UUIDv7 (RFC 9562, 5.7). Its time never steps back with the wall clock, so ids sort as they were made, to the
    /// millisecond.
    fn event_id(&mut self, at: UtcMicros) -> Uuid {
        let ms = u64::try_from(at.0.div_euclid(1_000)).unwrap_or(0);
        self.last_ms = self.last_ms.max(ms);
        let mut random = [0; 10];
        self.ids.fill(&mut random);
        Builder::from_unix_timestamp_millis(self.last_ms, &random).into_uuid()
    }
}

/// UTC of a moment in a part's life, by its trigger's pair of times: a wall clock that steps in between changes
/// nothing.
fn utc(trigger: &Trigger, at: MonoTime) -> UtcMicros {
    UtcMicros(trigger.at_utc.0.saturating_add(at.signed_us(trigger.at)))
}

fn times(dossier: &Dossier) -> Times {
    let (trigger, decided) = (dossier.trigger(), dossier.decision().decided);
    let frames = dossier.views().iter().filter_map(|v| v.frame.as_ref());
    let first = frames.min_by_key(|f| f.captured);
    let stages = dossier.views().iter().map(|v| v.stages);
    Times {
        trigger: trigger.at_utc.to_rfc3339(),
        first_frame: first.map(|f| f.captured_utc.to_rfc3339()),
        decided: utc(trigger, decided).to_rfc3339(),
        deadline: utc(trigger, dossier.deadline()).to_rfc3339(),
        margin_ms: dossier.deadline().signed_us(decided) as f64 / 1e3,
        stages_us: stages.max_by_key(total_us).unwrap_or_default(),
    }
}

fn total_us(s: &StagesUs) -> u64 {
    [
        s.capture,
        s.engine_busy,
        s.batch_wait,
        s.queue,
        s.preprocess,
        s.infer,
        s.postprocess,
        s.judge,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

fn views(dossier: &Dossier, plan: &InspectionPlan, below_limit: bool) -> Vec<ViewResult> {
    let view = |(i, (planned, view)): (usize, (&crate::plan::PlannedView, &DossierView))| {
        let frame: Option<&FrameMeta> = view.frame.as_ref();
        ViewResult {
            view: planned.name.clone(),
            camera: planned.camera_name.clone(),
            frame_id: frame.map(|f| f.frame_id.0),
            captured_at: frame.map(|f| f.captured_utc.to_rfc3339()),
            health: frame.map(|f| f.health),
            detections: match plan.models.get(planned.model) {
                Some(model) => detections(model, dossier.findings(i), below_limit),
                None => Vec::new(),
            },
            missed: missed(view),
            fault: fault(dossier, i, view),
        }
    };
    let pairs = plan.views.iter().zip(dossier.views());
    pairs.enumerate().map(view).collect()
}

/// A picture that the model gave no usable answer about is told as the engine's fault.
fn missed(view: &DossierView) -> Option<MissReason> {
    match view.state {
        ViewState::Judged(ViewVerdict::Undecided(u)) => match u {
            Undecided::Missed(reason) => Some(reason),
            Undecided::Nonfinite(_) | Undecided::Malformed => Some(MissReason::EngineFault),
            Undecided::Unhealthy(_) | Undecided::Unsure => None,
        },
        _ => None,
    }
}

/// The engine's own words where it had any.
fn fault(dossier: &Dossier, index: usize, view: &DossierView) -> Option<String> {
    let ViewState::Judged(ViewVerdict::Undecided(undecided)) = view.state else {
        return None;
    };
    let engines = |reason| matches!(reason, MissReason::EngineFault | MissReason::Undecodable);
    let said = missed(view).filter(|&reason| engines(reason));
    let said = said.and_then(|_| dossier.fault(index)).map(str::to_owned);
    said.or_else(|| undecided.fault())
}

/// First what counted, then the rest, each in the model's order; without what the verifier dismissed.
fn detections(
    model: &PlannedModel,
    findings: &[Finding],
    below_limit: bool,
) -> Vec<DetectionResult> {
    let counted = findings.iter().filter(|f| f.suppressed.is_none());
    let other = findings.iter().filter(|f| match f.suppressed {
        None | Some(Suppressed::Dismissed) => false,
        Some(Suppressed::BelowScore) => below_limit,
        Some(_) => true,
    });
    let told = |f: &Finding| {
        let class = model.classes.get(f.detection.class.index())?;
        Some(DetectionResult {
            class: class.name_en.clone(),
            code: class.code.clone(),
            severity: class.severity,
            score: f.detection.score,
            bbox_px: f.detection.bbox_view,
            area_px: f.detection.area.map(|a| a.px),
            contour_px: (f.detection.area).map_or_else(Vec::new, |a| a.contour.points().to_vec()),
            counted: f.suppressed.is_none(),
        })
    };
    counted.chain(other).filter_map(told).collect()
}
