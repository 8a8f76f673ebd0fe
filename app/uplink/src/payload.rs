//! The messages beside the results, as types: their JSON schemas are published in `configs/schemas/`.
//! Times are RFC 3339 UTC with microseconds.

use crate::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sightline_domain::result::ModelRef;
use sightline_domain::{Alarm, AlarmEffect, AlarmSeverity, AlarmState, Evaluation, UtcMicros};

/// The station's state as its `status` topic says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StationState {
    /// Inspecting, nothing in the way.
    Online,
    /// Inspecting, with an alarm that rejects parts or endangers the promise.
    Degraded,
    /// Not there (also what the broker says of us when the connection dies).
    Offline,
}

/// `status`, retained, also the last will.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Always `sightline.status.v1`.
    #[schemars(extend("const" = "sightline.status.v1"))]
    pub schema: String,
    /// Whether it inspects.
    pub state: StationState,
    /// Since when; in the last will: when the station started.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Version of the program.
    pub version: String,
    /// One run of the box, the `boot_id` of its results.
    pub session: String,
}

impl Status {
    pub(crate) fn json(state: StationState, since: UtcMicros, session: &str) -> Vec<u8> {
        to_json(&Self {
            schema: "sightline.status.v1".into(),
            state,
            since: since.to_rfc3339(),
            version: env!("CARGO_PKG_VERSION").into(),
            session: session.into(),
        })
    }
}

/// `kpi`, retained, expires: this run's key figures.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kpi {
    /// Always `sightline.kpi.v1`.
    #[schemars(extend("const" = "sightline.kpi.v1"))]
    pub schema: String,
    /// When they were read.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Parts that were triggered.
    pub parts: u64,
    /// Verdicts OK.
    pub ok: u64,
    /// Verdicts NotOK.
    pub not_ok: u64,
    /// Verdicts NotDecidable.
    pub not_decidable: u64,
    /// Parts let through.
    pub passed: u64,
    /// Parts rejected.
    pub rejected: u64,
    /// OK of all verdicts, 0 to 1.
    pub first_pass_yield: f64,
    /// From the trigger to the verdict.
    pub trigger_to_verdict_ms: KpiTimes,
    /// Results that the broker has.
    pub acknowledged: u64,
    /// Results that wait for it.
    pub pending: u64,
}

/// How a time is spread, ms.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KpiTimes {
    /// Half took at most this.
    pub p50: f64,
    /// 99 of 100 took at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// `alarm/{id}`, retained, empty when the alarm is over and nobody needs to have seen it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmMessage {
    /// Always `sightline.alarm.v1`.
    #[schemars(extend("const" = "sightline.alarm.v1"))]
    pub schema: String,
    /// The alarm, also the last topic level.
    pub id: String,
    /// ISA-18.2 state.
    pub state: AlarmState,
    /// Whether the condition stands.
    pub active: bool,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// What it does to the line while it stands.
    pub effect: AlarmEffect,
    /// What it is about, where there can be several of its kind: a camera, an engine, a topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the condition came or went.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl AlarmMessage {
    pub(crate) fn json(alarm: &Alarm, state: AlarmState) -> Vec<u8> {
        if state == AlarmState::Normal {
            return Vec::new();
        }
        to_json(&Self {
            schema: "sightline.alarm.v1".into(),
            id: alarm.id.to_string(),
            state,
            active: alarm.active,
            severity: alarm.id.kind().severity(),
            effect: alarm.id.kind().effect(),
            subject: alarm.id.subject().map(str::to_owned),
            since: alarm.since.to_rfc3339(),
            message: alarm.message.clone(),
        })
    }
}

/// The answer to a command, sent to its response topic with its correlation data.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Always `sightline.answer.v1`.
    #[schemars(extend("const" = "sightline.answer.v1"))]
    pub schema: String,
    /// The command.
    pub verb: String,
    /// Carried out, or not (yet, where `running`).
    pub done: bool,
    /// It goes on, and another answer comes when it has ended. Absent: this is the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    /// What was done, or why not; of what goes on, since when it does.
    pub message: String,
    /// The same command had come before: this is what became of it then, and nothing was done now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

impl Answer {
    pub(crate) fn json(verb: &str, outcome: &Outcome, repeated: bool) -> Vec<u8> {
        let (done, running, message) = match outcome {
            Outcome::Done(text) => (true, false, text),
            Outcome::Running(text) => (false, true, text),
            Outcome::Refused(text) => (false, false, text),
        };
        to_json(&Self {
            schema: "sightline.answer.v1".into(),
            verb: verb.into(),
            done,
            running,
            message: message.clone(),
            repeated,
        })
    }
}

/// `state`, retained: where the station is in the state machine of OPC 40100-1.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateMessage {
    /// Always `sightline.state.v1`.
    #[schemars(extend("const" = "sightline.state.v1"))]
    pub schema: String,
    /// Preoperational, Halted, Error, Initialized, Ready, SingleExecution or ContinuousExecution.
    pub state: String,
    /// Since when.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Commands that this state takes now and the configuration allows.
    pub commands: Vec<String>,
    /// The production order or lot, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

/// `recipe/active`, retained.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveRecipe {
    /// Always `sightline.active_recipe.v1`.
    #[schemars(extend("const" = "sightline.active_recipe.v1"))]
    pub schema: String,
    /// The MES's id.
    pub id: String,
    /// Our id.
    pub internal_id: String,
    /// Version as written in the recipe.
    pub version: String,
    /// SHA-256 of the recipe file, hex.
    pub digest: String,
    /// Number of the recipe-and-models set, as in results.
    pub generation: u32,
    /// Since when it inspects.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Who asked for it.
    pub by: String,
}

/// `model/active`, retained.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveModels {
    /// Always `sightline.active_models.v1`.
    #[schemars(extend("const" = "sightline.active_models.v1"))]
    pub schema: String,
    /// The models that look, second stages included.
    pub models: Vec<ModelRef>,
    /// Since when.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Who asked for them.
    pub by: String,
}

/// `audit`: a copy of an entry of the audit trail.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditMessage {
    /// Always `sightline.audit.v1`.
    #[schemars(extend("const" = "sightline.audit.v1"))]
    pub schema: String,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Who: `mes`, or the name that the command gave.
    pub actor: String,
    /// What was done or asked for.
    pub action: String,
    /// What was before, if something changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Why, or why not.
    pub reason: String,
    /// The link's number in the chain; absent without a journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<u64>,
    /// SHA-256 over the link and the hash of the one before, hex; absent without a journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// `gap/{first}`, retained, empty when somebody has taken note: numbers whose results will not come.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapMessage {
    /// Always `sightline.gap.v1`.
    #[schemars(extend("const" = "sightline.gap.v1"))]
    pub schema: String,
    /// The first number, also the last topic level.
    pub first: u64,
    /// The last number.
    pub last: u64,
    /// How many these are.
    pub count: u64,
    /// When it was found.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Why they will not come.
    pub reason: String,
}

/// `review`: what a person says of a part after its result.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewMessage {
    /// Always `sightline.review.v1`.
    #[schemars(extend("const" = "sightline.review.v1"))]
    pub schema: String,
    /// The result that was re-judged.
    #[schemars(extend("format" = "uuid"))]
    pub event_id: String,
    /// Its number.
    pub seq: u64,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// Who.
    pub by: String,
    /// What the part is after all: `OK` or `NotOK`. The result itself and what the gate did stay.
    pub evaluation: Evaluation,
    /// Why, in the person's words.
    pub comment: String,
}

/// JSON bytes of one of these; they are plain data, so nothing can go wrong.
pub fn to_json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}
