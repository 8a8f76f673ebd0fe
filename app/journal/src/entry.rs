//! What is put into the journal: a result with what queries need of it, and the smaller records.

use crate::JournalError;
use crate::gaps::Noted;
use crate::records::{AlarmRecord, Review};
use bytes::Bytes;
use serde::Serialize;
use sightline_domain::{
    Disposition, DispositionReason, Evaluation, Health, InspectionResult, UtcMicros,
};
use uuid::Uuid;

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Entry {
    Result(Box<ResultEntry>),
    Alarm(AlarmRecord),
    /// Its `id` is given when it is written.
    Review(Review),
    Audit(AuditNote),
    /// Somebody has taken note of gaps.
    Noted(Noted),
}

impl Entry {
    /// Bytes it takes in the queue, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Result(result) => result.json.len() + 512,
            Self::Audit(note) => {
                let maybe = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                512 + note.reason.len() + maybe(&note.old) + maybe(&note.new)
            }
            _ => 1_024,
        }
    }

    /// What others can cause in any number may take this part of the queue only, so that results have room.
    pub(crate) fn share(&self) -> Option<usize> {
        match self {
            Self::Audit(_) => Some(4),
            Self::Alarm(_) => Some(2),
            _ => None,
        }
    }
}

/// A link before it has its place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct AuditNote {
    pub at: UtcMicros,
    pub actor: String,
    pub action: String,
    pub old: Option<String>,
    pub new: Option<String>,
    pub reason: String,
}

impl AuditNote {
    /// What the station itself did.
    pub(crate) fn of_station(at: UtcMicros, action: &str, reason: String) -> Self {
        Self {
            at,
            actor: "station".into(),
            action: action.into(),
            old: None,
            new: None,
            reason,
        }
    }
}

/// A result, read once on the way in.
#[derive(Debug)]
pub(crate) struct ResultEntry {
    pub seq: u64,
    pub event_id: Uuid,
    /// Not 0: told again because the part went another way than was told first; its part is counted already.
    pub correction: u32,
    pub decided: UtcMicros,
    pub evaluation: Evaluation,
    pub disposition: Disposition,
    pub reason: DispositionReason,
    pub recipe: String,
    pub part_id: Option<String>,
    pub causes: Vec<Cause>,
    pub json: Bytes,
}

/// Why a part is not OK, on one camera.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub camera: String,
    pub name: String,
    pub findings: u64,
}

impl ResultEntry {
    pub(crate) fn new(result: &InspectionResult, json: Bytes) -> Result<Self, JournalError> {
        let decided = UtcMicros::from_rfc3339(&result.times.decided);
        Ok(Self {
            seq: result.seq,
            event_id: result.event_id,
            correction: result.correction,
            decided: decided.ok_or_else(|| JournalError::Time {
                seq: result.seq,
                found: result.times.decided.clone(),
            })?,
            evaluation: result.evaluation,
            disposition: result.disposition,
            reason: result.disposition_reason,
            recipe: result.recipe.external_id.clone(),
            part_id: result.part_id.clone(),
            causes: causes(result),
            json,
        })
    }
}

/// One entry for each cause and camera, however many views and findings it has there.
fn causes(result: &InspectionResult) -> Vec<Cause> {
    let mut all: Vec<Cause> = Vec::new();
    let mut add = |camera: &str, name: String| match all
        .iter_mut()
        .find(|c| c.camera == camera && c.name == name)
    {
        Some(cause) => cause.findings += 1,
        None => all.push(Cause {
            camera: camera.to_string(),
            name,
            findings: 1,
        }),
    };
    for view in &result.views {
        if let Some(missed) = view.missed {
            add(&view.camera, format!("missed:{}", word(&missed)));
        }
        if let Some(health) = view.health.filter(|h| *h != Health::Ok) {
            add(&view.camera, format!("health:{}", word(&health)));
        }
        for detection in view.detections.iter().filter(|d| d.counted) {
            add(&view.camera, detection.class.clone());
        }
    }
    all
}

/// An enumeration's value as JSON says it.
fn word(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or("unknown").to_string()
}
