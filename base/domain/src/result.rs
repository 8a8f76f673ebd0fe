//! `sightline.result.v1`: what the factory receives about one part. Field order is the order on the wire.

use crate::{
    BoxView, Disposition, DispositionReason, Evaluation, Health, MissReason, ResultState, Severity,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The value of [`InspectionResult::schema`].
pub const RESULT_SCHEMA: &str = "sightline.result.v1";

/// One part's result. Times are RFC 3339 UTC with microseconds; durations carry their unit in the name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectionResult {
    /// Always `sightline.result.v1`.
    #[schemars(extend("const" = RESULT_SCHEMA))]
    pub schema: String,
    /// UUIDv7, the same on every delivery attempt; the MES de-duplicates on it.
    pub event_id: Uuid,
    /// Absent (0): as it was told first. Otherwise the part went another way than that, and this is what happened; of all
    /// results with the same `event_id` the highest number counts.
    #[serde(default, skip_serializing_if = "is_first")]
    pub correction: u32,
    /// Gap-free number per station.
    pub seq: u64,
    /// Identifies one run of the box.
    pub boot_id: Uuid,
    /// The station's name.
    pub station: String,
    /// Our own number of the part.
    pub track_id: u64,
    /// The part's id from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_id: Option<String>,
    /// The production order or lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The product inspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// The recipe that decided.
    pub recipe: RecipeRef,
    /// SHA-256 of the station's configuration, hex.
    pub configuration_hash: String,
    /// Number of the recipe-and-models set that inspected, from 1.
    pub generation: u32,
    /// The models that looked.
    pub models: Vec<ModelRef>,
    /// Whether processing worked.
    pub result_state: ResultState,
    /// What was decided.
    pub evaluation: Evaluation,
    /// What the gate does.
    pub disposition: Disposition,
    /// Why.
    pub disposition_reason: DispositionReason,
    /// Present for a challenge part, which is no production: what the inspection was to find on it, and whether it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeResult>,
    /// True on the simulated line.
    pub is_simulated: bool,
    /// One entry for each view the recipe expects, in its order.
    pub views: Vec<ViewResult>,
    /// When things happened.
    pub times: Times,
    /// Stored pictures.
    pub evidence: Vec<Evidence>,
    /// True when sent after an outage.
    pub replayed: bool,
}

fn is_first(correction: &u32) -> bool {
    *correction == 0
}

/// What became of a challenge part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeResult {
    /// Codes of the classes of which a finding had to count; empty: the part had to be OK.
    pub expected: Vec<String>,
    /// Those of them that were not found.
    pub not_found: Vec<String>,
    /// The inspection said what it had to.
    pub passed: bool,
}

/// Which recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeRef {
    /// The MES's id.
    pub external_id: String,
    /// Our id.
    pub internal_id: String,
    /// Version as written in the recipe.
    pub version: String,
    /// SHA-256 of the recipe's content, hex.
    pub hash: String,
}

/// Which model, run by which engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// Bundle name.
    pub name: String,
    /// Bundle version.
    pub version: String,
    /// SHA-256 of the model file, hex.
    pub digest: String,
    /// Engine and precision, e.g. `onnx-cpu/int8`.
    pub engine: String,
}

/// One expected view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewResult {
    /// Name of the view in the recipe.
    pub view: String,
    /// Camera's name.
    pub camera: String,
    /// The source's frame number, absent when missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_id: Option<u64>,
    /// Capture time, absent when missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub captured_at: Option<String>,
    /// Fit to be judged, or why not; absent when missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What counted first, then the other findings that reach their class's score limit.
    pub detections: Vec<DetectionResult>,
    /// Why the view is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissReason>,
    /// Of an engine's fault and of a picture that it could not take: expected, found, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One finding on a view. It counted against the part if its score, area, place and number reached the recipe's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectionResult {
    /// Class name in English.
    pub class: String,
    /// The class's stable code.
    pub code: String,
    /// How bad the class is.
    pub severity: Severity,
    /// Score in 0..=1.
    pub score: f32,
    /// Where, in pixels of the view.
    pub bbox_px: BoxView,
    /// How much it covers, square pixels of the view; only of models that tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_px: Option<f32>,
    /// The outline of its largest piece, at most 32 points, x and y in pixels of the view; only of models that tell it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contour_px: Vec<[u16; 2]>,
    /// It counted against the part. False: an allowed class, too small, or outside the regions.
    pub counted: bool,
}

/// When things happened to the part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// The part arrived.
    #[schemars(extend("format" = "date-time"))]
    pub trigger: String,
    /// Its first frame was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub first_frame: Option<String>,
    /// The verdict was reached.
    #[schemars(extend("format" = "date-time"))]
    pub decided: String,
    /// The latest moment for a verdict.
    #[schemars(extend("format" = "date-time"))]
    pub deadline: String,
    /// Deadline minus decided; negative when late.
    pub margin_ms: f64,
    /// Microseconds spent per stage, for the part's slowest view.
    pub stages_us: StagesUs,
}

/// Microseconds spent per stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagesUs {
    /// Trigger to frame in memory.
    pub capture: u64,
    /// Waiting while the engine was busy with other views, the same part's among them. The first results lacked it, and
    /// counted it as `batch_wait`.
    #[serde(default)]
    pub engine_busy: u64,
    /// Then waiting for other views to fill the batch.
    pub batch_wait: u64,
    /// The way to the engine and back.
    pub queue: u64,
    /// Preprocessing.
    pub preprocess: u64,
    /// Inference.
    pub infer: u64,
    /// Decoding and suppression.
    pub postprocess: u64,
    /// Last finding to verdict.
    pub judge: u64,
}

/// A stored picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Where it is stored, relative to the evidence root.
    pub r#ref: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::StagesUs;

    #[test]
    fn times_of_the_first_results_are_read() {
        let first = r#"{"capture":1,"batch_wait":2,"queue":3,"preprocess":4,"infer":5,"postprocess":6,"judge":7}"#;
        let read: StagesUs = serde_json::from_str(first).unwrap();
        let expected = (0, 2, 7);
        assert_eq!((read.engine_busy, read.batch_wait, read.judge), expected);
    }
}
