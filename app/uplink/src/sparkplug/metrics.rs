//! What node and device tell, as Sparkplug metrics.

use sightline_domain::{Disposition, Evaluation, InspectionResult};
use srad_types::payload::{DataType, Metric, metric::Value};

/// Counts of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub parts: u64,
    pub ok: u64,
    pub not_ok: u64,
    pub not_decidable: u64,
    pub rejected: u64,
}

/// One part's result as the device tells it, with the counts it makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// When it was decided, ms since 1970 UTC.
    pub at_ms: u64,
    event_id: String,
    seq: u64,
    correction: u32,
    part_id: Option<String>,
    job_id: Option<String>,
    recipe: String,
    recipe_version: String,
    evaluation: String,
    disposition: String,
    reason: String,
    counted: u32,
    margin_ms: f64,
    counts: Counts,
}

/// The name that serde gives a plain enum.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

impl Part {
    /// From a result, decided at `at_ms`, after `counts`, which it adds to.
    pub(crate) fn of(result: &InspectionResult, at_ms: u64, counts: &mut Counts) -> Self {
        let rejected = result.disposition == Disposition::Reject;
        if result.correction > 0 {
            // counted when it was told first, the other way
            counts.rejected = match rejected {
                true => counts.rejected + 1,
                false => counts.rejected.saturating_sub(1),
            };
        } else {
            counts.parts += 1;
            match result.evaluation {
                Evaluation::OK => counts.ok += 1,
                Evaluation::NotOK => counts.not_ok += 1,
                _ => counts.not_decidable += 1,
            }
            counts.rejected += u64::from(rejected);
        }
        let detections = result.views.iter().flat_map(|v| &v.detections);
        Self {
            at_ms,
            event_id: result.event_id.to_string(),
            seq: result.seq,
            correction: result.correction,
            part_id: result.part_id.clone(),
            job_id: result.job_id.clone(),
            recipe: result.recipe.external_id.clone(),
            recipe_version: result.recipe.version.clone(),
            evaluation: word(&result.evaluation),
            disposition: word(&result.disposition),
            reason: word(&result.disposition_reason),
            counted: detections.filter(|d| d.counted).count() as u32,
            margin_ms: result.times.margin_ms,
            counts: *counts,
        }
    }
}

/// The device's metrics; without a part yet, those of a part are null.
pub(crate) fn device(part: Option<&Part>) -> Vec<Metric> {
    let text = |name, of: fn(&Part) -> Option<String>| {
        metric(
            name,
            DataType::String,
            part.and_then(of).map(Value::StringValue),
        )
    };
    let count = |name, of: fn(&Counts) -> u64| {
        let counts = part.map_or_else(Counts::default, |p| p.counts);
        metric(name, DataType::UInt64, Some(Value::LongValue(of(&counts))))
    };
    vec![
        text("Result/Event Id", |p| Some(p.event_id.clone())),
        metric(
            "Result/Seq",
            DataType::UInt64,
            part.map(|p| Value::LongValue(p.seq)),
        ),
        metric(
            "Result/Correction",
            DataType::UInt32,
            part.map(|p| Value::IntValue(p.correction)),
        ),
        text("Result/Part Id", |p| p.part_id.clone()),
        text("Result/Job Id", |p| p.job_id.clone()),
        text("Result/Evaluation", |p| Some(p.evaluation.clone())),
        text("Result/Disposition", |p| Some(p.disposition.clone())),
        text("Result/Disposition Reason", |p| Some(p.reason.clone())),
        metric(
            "Result/Counted Findings",
            DataType::UInt32,
            part.map(|p| Value::IntValue(p.counted)),
        ),
        metric(
            "Result/Deadline Margin ms",
            DataType::Double,
            part.map(|p| Value::DoubleValue(p.margin_ms)),
        ),
        text("Recipe/External Id", |p| Some(p.recipe.clone())),
        text("Recipe/Version", |p| Some(p.recipe_version.clone())),
        count("Counts/Parts", |c| c.parts),
        count("Counts/OK", |c| c.ok),
        count("Counts/NotOK", |c| c.not_ok),
        count("Counts/NotDecidable", |c| c.not_decidable),
        count("Counts/Rejected", |c| c.rejected),
    ]
}

/// A metric with name and type; without a value it is null.
pub(crate) fn metric(name: &str, kind: DataType, value: Option<Value>) -> Metric {
    let mut metric = Metric::new();
    metric.set_name(name.to_string()).set_datatype(kind);
    match value {
        Some(value) => metric.set_value(value),
        None => metric.set_null(),
    };
    metric
}
