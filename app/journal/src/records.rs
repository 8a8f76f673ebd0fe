//! What the journal takes and gives: plain data.

use bytes::Bytes;
use serde::Serialize;
use sightline_domain::{AlarmSeverity, Disposition, DispositionReason, Evaluation, UtcMicros};
use uuid::Uuid;

/// A stored result.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResult {
    /// Its gap-free number.
    pub seq: u64,
    /// Its id on every delivery.
    pub event_id: Uuid,
    /// When the verdict was reached.
    pub decided: UtcMicros,
    /// What was decided.
    pub evaluation: Evaluation,
    /// What the gate did.
    pub disposition: Disposition,
    /// Why.
    pub reason: DispositionReason,
    /// The MES's recipe id.
    pub recipe: String,
    /// The part's id from outside.
    pub part_id: Option<String>,
    /// `sightline.result.v1` as it was made.
    pub json: Bytes,
    /// It agrees with a checksum. False: it was stored by a version that made none.
    pub checked: bool,
}

/// What stands under a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A result as it was stored.
    Sound(StoredResult),
    /// Something that is not what was stored.
    Damaged {
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl Record {
    /// Its number.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Sound(result) => result.seq,
            Self::Damaged { seq, .. } => *seq,
        }
    }

    /// The result, if it is sound.
    pub fn sound(self) -> Option<StoredResult> {
        match self {
            Self::Sound(result) => Some(result),
            Self::Damaged { .. } => None,
        }
    }
}

/// Numbers whose results will not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapRecord {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// When that was found.
    #[serde(serialize_with = "rfc3339")]
    pub at: UtcMicros,
    /// Why.
    pub why: String,
    /// When somebody took note; absent: nobody has yet.
    #[serde(serialize_with = "maybe_rfc3339")]
    pub acknowledged: Option<UtcMicros>,
    /// Who did.
    pub by: Option<String>,
}

/// What happened to an alarm (ISA-18.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmChange {
    /// The condition came.
    Raised,
    /// The condition went.
    Cleared,
    /// A person has seen it.
    Acknowledged,
    /// A person put it aside for a time.
    Shelved,
    /// It is no longer put aside.
    Unshelved,
}

/// A change of an alarm, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlarmRecord {
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: UtcMicros,
    /// Which alarm.
    pub alarm: String,
    /// What happened.
    pub change: AlarmChange,
    /// How much it matters.
    pub severity: AlarmSeverity,
    /// Who did it, where a person did.
    pub by: Option<String>,
    /// What was expected, what was found, what to do.
    pub message: String,
}

/// A person's re-judgement of a stored result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Review {
    /// Its number in the order of reviews, from 1.
    pub id: u64,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: UtcMicros,
    /// The result.
    pub seq: u64,
    /// The result's id.
    pub event_id: Uuid,
    /// Who.
    pub by: String,
    /// What the person says the part is.
    pub evaluation: Evaluation,
    /// In words.
    pub comment: String,
}

/// A link of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its place in the chain, from 1 without a gap; `link` as in the published copies.
    #[serde(rename = "link")]
    pub id: u64,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: UtcMicros,
    /// Who: a user, `mes:{client}`, `station`.
    pub actor: String,
    /// What was done, e.g. `recipe.activate`.
    pub action: String,
    /// What was before.
    pub old: Option<String>,
    /// What is now.
    pub new: Option<String>,
    /// Why, in the actor's words.
    pub reason: String,
    /// SHA-256, hex, over this link and the one before.
    pub hash: String,
}

/// Which results a question is about. Absent: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Decided at or after. Counts know minutes only.
    pub from: Option<UtcMicros>,
    /// Decided before.
    pub to: Option<UtcMicros>,
    /// The MES's recipe id.
    pub recipe: Option<String>,
    /// A camera that had a cause against the part. Not for counts of parts, which have no camera.
    pub camera: Option<String>,
    /// A cause: a defect class, `missed:…` or `health:…`. Not for counts of parts.
    pub cause: Option<String>,
    /// Re-judged by a person, or not. For lists of parts only.
    pub reviewed: Option<bool>,
}

/// Parts in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub parts: u64,
    /// Evaluated OK.
    pub ok: u64,
    /// Evaluated NotOK.
    pub not_ok: u64,
    /// Evaluated NotDecidable.
    pub not_decidable: u64,
    /// Taken off the line.
    pub rejected: u64,
}

impl Counts {
    /// Share of parts that were OK at their first inspection, 0 to 1; `None` without parts.
    pub fn first_pass_yield(&self) -> Option<f64> {
        (self.parts > 0).then(|| self.ok as f64 / self.parts as f64)
    }
}

/// What people said of parts: the last word on each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReviewCounts {
    /// Rejected parts that are bad indeed.
    pub rejects_bad: u64,
    /// Rejected parts that are good (overkill).
    pub rejects_good: u64,
    /// Passed parts that are good indeed.
    pub passes_good: u64,
    /// Passed parts that are bad (escapes).
    pub passes_bad: u64,
}

/// Counts from `start` for the asked length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its beginning.
    #[serde(serialize_with = "rfc3339")]
    pub start: UtcMicros,
    /// What was counted.
    pub counts: Counts,
}

/// How often parts were rejected for one cause on one camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParetoBar {
    /// A defect class, or `missed:{why}`, or `health:{why}`.
    pub cause: String,
    /// Where it was seen.
    pub camera: String,
    /// Parts that had it.
    pub parts: u64,
    /// Findings of it.
    pub findings: u64,
}

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// Layout version of the file.
    pub version: i64,
    /// Lowest stored number; absent when there is no result.
    pub first_seq: Option<u64>,
    /// Highest stored number.
    pub last_seq: Option<u64>,
    /// The number that the next result gets.
    pub next_seq: u64,
    /// Everything up to this number is with the broker.
    pub acknowledged_to: u64,
    /// Results that wait for the broker.
    pub pending: u64,
    /// Results that were lost or damaged (their numbers are in `gaps`).
    pub lost: u64,
    /// Results removed for lack of room before the broker had them.
    pub removed_unacknowledged: u64,
    /// Starts of the station.
    pub runs: u64,
    /// Changes of alarms.
    pub alarms: u64,
    /// Re-judgements.
    pub reviews: u64,
    /// Links of the audit trail.
    pub audit: u64,
    /// Bytes in use in the file.
    pub bytes: u64,
    /// Numbers whose results will not come, the first thousand ranges of them.
    pub gaps: Vec<GapRecord>,
}

fn maybe_rfc3339<S: serde::Serializer>(at: &Option<UtcMicros>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.serialize_some(&at.to_rfc3339()),
        None => to.serialize_none(),
    }
}

fn rfc3339<S: serde::Serializer>(at: &UtcMicros, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339())
}
