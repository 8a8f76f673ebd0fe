//! Challenge parts: known parts that show that the inspection still finds what it must. Part of a recipe.

use crate::check::Report;
use crate::station::{Station, Trigger};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// When known parts are asked for, and what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// After a start and after every change of recipe, model or engine, no part passes until all challenge parts have
    /// shown what they must.
    #[serde(default = "yes")]
    pub after_change: bool,
    /// They are due again so many parts after they were passed; absent: not by number.
    #[serde(default)]
    pub every_parts: Option<u64>,
    /// They are due again so many hours after they were passed; absent: not by time.
    #[serde(default)]
    pub every_hours: Option<f64>,
    /// Parts that are still inspected as ever once they are due by number or time.
    #[serde(default = "default_grace")]
    pub grace_parts: u64,
    /// What happens when that is over, or when a challenge part does not show what it must.
    #[serde(default)]
    pub overdue: Overdue,
    /// The parts. All of them have to be shown, in any order.
    pub parts: Vec<ChallengePart>,
}

/// What happens while a challenge is overdue or failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overdue {
    /// Every part is rejected until the challenge is passed, with an alarm.
    #[default]
    Lock,
    /// An alarm, and no more.
    Tell,
}

/// A known part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengePart {
    /// A part with this id is this challenge part: by its own code, or announced with the command `challenge`.
    pub part_id: String,
    /// Codes of the classes of which a finding must count; absent: the part must be OK.
    #[serde(default)]
    pub findings: Vec<String>,
}

fn yes() -> bool {
    true
}
fn default_grace() -> u64 {
    20
}

pub(crate) fn check(r: &mut Report<'_>, challenge: &Challenge, station: &Station) {
    let at = "challenge";
    let (parts, hours) = (challenge.every_parts, challenge.every_hours);
    r.within_if(
        format!("{at}.every_parts"),
        parts,
        1..=1_000_000_000,
        "parts",
    );
    r.within_if(format!("{at}.every_hours"), hours, 0.01..=8_784.0, "hours");
    let grace = challenge.grace_parts;
    r.within(
        format!("{at}.grace_parts"),
        grace,
        0..=1_000_000_000,
        "parts",
    );
    let asked = challenge.after_change || parts.is_some() || hours.is_some();
    r.require(asked, at, || {
        "expected a moment at which it is due, found none; write after_change = true, every_parts or every_hours".into()
    });
    let named = !matches!(station.trigger, Trigger::EveryFrame { .. });
    r.require(named, at, || {
        "expected parts that can have an id, found trigger.kind = \"every_frame\"; use another trigger, or remove [challenge]".into()
    });
    let bad = challenge.parts.iter().any(|p| !p.findings.is_empty());
    r.require(bad, format!("{at}.parts"), || {
        "expected at least one part with `findings`, found none; a challenge without a bad part cannot fail where nothing is found any more".into()
    });
    let mut seen = HashSet::new();
    for (i, part) in challenge.parts.iter().enumerate() {
        let at = format!("{at}.parts[{i}].part_id");
        let (id, bytes) = (part.part_id.as_str(), part.part_id.len());
        let fits = (1..=256).contains(&bytes) && !id.chars().any(char::is_control);
        r.require(fits, at.clone(), || {
            format!("expected 1 to 256 bytes without control characters, found {bytes} bytes")
        });
        r.require(seen.insert(id), at, || {
            format!("two challenge parts are called `{id}`; give each its own id")
        });
    }
}
