//! Challenge parts: whether the inspection has shown lately that it finds what it must. A pure state machine; it goes by
//! the parts in the order in which they are decided, so that a replay says the same.

use crate::plan::InspectionPlan;
use sightline_configs::challenge::{Challenge, Overdue};
use sightline_domain::result::ChallengeResult;
use sightline_domain::{Evaluation, Generation, MonoTime};
use std::time::Duration;

/// What becomes of a part beside its evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Production, and nothing stands against it.
    Ordinary,
    /// Production, but nothing passes.
    Locked,
    /// A challenge part.
    Challenge(ChallengeResult),
}

/// Where the challenge stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChallengeStanding {
    /// Passed, or none is asked for.
    #[default]
    Good,
    /// To be shown; parts are inspected as ever.
    Due,
    /// Not shown in time.
    Overdue,
    /// This part did not show what it must.
    Failed(String),
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChallengeCounters {
    /// Challenge parts that showed what they must.
    pub passed: u64,
    /// And those that did not.
    pub failed: u64,
}

/// The challenges of one station.
#[derive(Debug, Default)]
pub struct Challenges {
    generation: Option<Generation>,
    standing: ChallengeStanding,
    /// Nothing passed before the generation that inspects now, either.
    locked_before: bool,
    /// Which of the recipe's challenge parts have shown what they must in this round.
    shown: Vec<bool>,
    /// Parts and time since the last round that was passed.
    parts: u64,
    since: MonoTime,
    /// Parts since it is due.
    waited: u64,
    counters: ChallengeCounters,
}

impl Challenges {
    /// Where it stands for parts that `plan` inspects from now on.
    pub fn standing(&self, plan: &InspectionPlan) -> ChallengeStanding {
        match self.generation.is_none_or(|g| g < plan.generation) {
            true => at_first(plan),
            false => self.standing.clone(),
        }
    }

    /// What was counted.
    pub fn counters(&self) -> ChallengeCounters {
        self.counters
    }

    /// A part is decided: `counts` says whether a finding of a class counted against it.
    pub fn decided(
        &mut self,
        plan: &InspectionPlan,
        part_id: Option<&str>,
        evaluation: Evaluation,
        counts: impl Fn(&str) -> bool,
        now: MonoTime,
    ) -> Ruling {
        if self.generation.is_none_or(|g| g < plan.generation) {
            self.begin(plan, now);
        }
        let Some(challenge) = &plan.challenge else {
            return Ruling::Ordinary;
        };
        let current = self.generation == Some(plan.generation);
        let known = part_id.and_then(|id| challenge.parts.iter().position(|p| p.part_id == id));
        if let Some(index) = known {
            let result = shown(&challenge.parts[index].findings, evaluation, counts);
            if current {
                self.challenged(challenge, index, result.passed, now);
            }
            return Ruling::Challenge(result);
        }
        if !current {
            return ruling(challenge, self.locked_before);
        }
        self.part(challenge, now);
        ruling(challenge, self.is_locked())
    }

    /// Another recipe, model or engine inspects from here on.
    fn begin(&mut self, plan: &InspectionPlan, now: MonoTime) {
        self.locked_before = self.generation.is_some() && self.is_locked();
        self.generation = Some(plan.generation);
        self.shown = vec![false; plan.challenge.as_ref().map_or(0, |c| c.parts.len())];
        (self.parts, self.since, self.waited) = (0, now, 0);
        self.standing = at_first(plan);
    }

    fn challenged(&mut self, challenge: &Challenge, index: usize, passed: bool, now: MonoTime) {
        if !passed {
            self.counters.failed += 1;
            self.standing = ChallengeStanding::Failed(challenge.parts[index].part_id.clone());
            // Who fails one has to show them all.
            self.shown.fill(false);
            return;
        }
        self.counters.passed += 1;
        self.shown[index] = true;
        if self.shown.iter().all(|s| *s) {
            self.shown.fill(false);
            (self.parts, self.since, self.waited) = (0, now, 0);
            self.standing = ChallengeStanding::Good;
        }
    }

    /// One more part of production.
    fn part(&mut self, challenge: &Challenge, now: MonoTime) {
        self.parts = self.parts.saturating_add(1);
        let by_parts = challenge.every_parts.is_some_and(|n| self.parts > n);
        let hours = challenge.every_hours.filter(|h| h.is_finite() && *h > 0.0);
        let by_time = hours.is_some_and(|h| {
            now.since(self.since) >= Duration::from_secs_f64((h * 3_600.0).min(1e9))
        });
        if self.standing == ChallengeStanding::Good && (by_parts || by_time) {
            self.standing = ChallengeStanding::Due;
        }
        if self.standing == ChallengeStanding::Due {
            self.waited += 1;
            if self.waited > challenge.grace_parts {
                self.standing = ChallengeStanding::Overdue;
            }
        }
    }

    fn is_locked(&self) -> bool {
        matches!(
            self.standing,
            ChallengeStanding::Overdue | ChallengeStanding::Failed(_)
        )
    }
}

fn at_first(plan: &InspectionPlan) -> ChallengeStanding {
    match plan.challenge.as_ref().is_some_and(|c| c.after_change) {
        true => ChallengeStanding::Overdue,
        false => ChallengeStanding::Good,
    }
}

fn ruling(challenge: &Challenge, locked: bool) -> Ruling {
    match locked && challenge.overdue == Overdue::Lock {
        true => Ruling::Locked,
        false => Ruling::Ordinary,
    }
}

fn shown(
    expected: &[String],
    evaluation: Evaluation,
    counts: impl Fn(&str) -> bool,
) -> ChallengeResult {
    let not_found: Vec<String> = expected.iter().filter(|c| !counts(c)).cloned().collect();
    let asked = match expected.is_empty() {
        true => Evaluation::OK,
        false => Evaluation::NotOK,
    };
    ChallengeResult {
        expected: expected.to_vec(),
        passed: not_found.is_empty() && evaluation == asked,
        not_found,
    }
}
