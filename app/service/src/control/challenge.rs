//! Challenge parts: announced, told as alarms, written down.

use super::Control;
use crate::station::running::Running;
use anyhow::{bail, ensure};
use sightline_configs::challenge::{Challenge, Overdue};
use sightline_domain::{AlarmKind, InspectionResult};
use sightline_verdict::ChallengeStanding;

impl Control {
    /// The next part is a challenge part.
    pub(super) fn announce(&self, running: &Running, part_id: &str) -> anyhow::Result<String> {
        let plan = running.changeover.active().plan;
        let Some(challenge) = &plan.challenge else {
            bail!(
                "expected a recipe with challenge parts, found none in it; write [challenge] in the recipe"
            );
        };
        let known = challenge.parts.iter().any(|p| p.part_id == part_id);
        ensure!(
            known,
            "expected a challenge part of the recipe ({}), found `{part_id}`",
            names(challenge)
        );
        ensure!(
            self.takes_parts(),
            "expected the station to take parts, found it {}; send start first",
            self.state()
        );
        self.sources.announce(part_id);
        Ok(format!(
            "the next part is challenge part `{part_id}`; a part that has an id of its own keeps it"
        ))
    }

    /// Tells where the challenge stands.
    pub fn look_at_challenge(&self, running: &Running) {
        let plan = running.changeover.active().plan;
        let (standing, _) = running.flow.challenge(&plan);
        let told = plan.challenge.as_ref().map(|c| (c, words(c, &standing)));
        let told = told.filter(|_| standing != ChallengeStanding::Good);
        for (kind, is) in [
            (AlarmKind::ChallengeDue, standing == ChallengeStanding::Due),
            (
                AlarmKind::ChallengeOverdue,
                standing == ChallengeStanding::Overdue,
            ),
            (
                AlarmKind::ChallengeFailed,
                matches!(standing, ChallengeStanding::Failed(_)),
            ),
        ] {
            let told = told.as_ref().filter(|_| is);
            running
                .events
                .set(kind, told.map(|(_, words)| words.clone()));
        }
    }

    /// Writes down what became of a challenge part.
    pub fn challenged(&self, result: &InspectionResult) {
        let Some(challenge) = result.challenge.as_ref().filter(|_| result.correction == 0) else {
            return;
        };
        let (said, reason) = match challenge.passed {
            true => ("passed", String::new()),
            false => (
                "failed",
                format!(
                    "expected {}, found {:?}{}",
                    expected(&challenge.expected),
                    result.evaluation,
                    match challenge.not_found.is_empty() {
                        true => String::new(),
                        false => format!(" without {}", challenge.not_found.join(", ")),
                    }
                ),
            ),
        };
        let part = result.part_id.as_deref().unwrap_or_default();
        self.audit(
            "station",
            "challenge",
            Some(part.into()),
            Some(said.into()),
            &reason,
        );
    }
}

fn names(challenge: &Challenge) -> String {
    let names = challenge.parts.iter().map(|p| p.part_id.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn expected(codes: &[String]) -> String {
    match codes.is_empty() {
        true => "a good part".into(),
        false => format!("findings of {}", codes.join(", ")),
    }
}

fn words(challenge: &Challenge, standing: &ChallengeStanding) -> String {
    let parts = names(challenge);
    let until = match challenge.overdue {
        Overdue::Lock => "every part is rejected until then",
        Overdue::Tell => "parts are inspected as ever",
    };
    match standing {
        ChallengeStanding::Good => String::new(),
        ChallengeStanding::Due => format!(
            "expected the challenge parts {parts} by now; announce each with the command `challenge` and put it on the line, at most {} more parts are inspected as ever",
            challenge.grace_parts
        ),
        ChallengeStanding::Overdue => format!(
            "expected the challenge parts {parts} to be shown first; announce each with the command `challenge` and put it on the line; {until}"
        ),
        ChallengeStanding::Failed(part) => format!(
            "expected {} on challenge part `{part}`, found otherwise; look at lamps, cameras and model, then show all challenge parts ({parts}); {until}",
            challenge
                .parts
                .iter()
                .find(|p| p.part_id == *part)
                .map_or_else(String::new, |p| expected(&p.findings))
        ),
    }
}
