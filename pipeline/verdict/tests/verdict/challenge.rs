//! Challenge parts: when nothing passes, and what ends that.

use crate::common::{ms, plan};
use proptest::prelude::*;
use sightline_configs::challenge::{Challenge, ChallengePart, Overdue};
use sightline_domain::{Evaluation, Generation, MonoTime};
use sightline_verdict::{ChallengeStanding, Challenges, InspectionPlan, Ruling};
use std::time::Duration;

fn challenge() -> Challenge {
    Challenge {
        after_change: true,
        every_parts: Some(10),
        every_hours: Some(8.0),
        grace_parts: 3,
        overdue: Overdue::Lock,
        parts: vec![
            ChallengePart {
                part_id: "BAD".into(),
                findings: vec!["open".into()],
            },
            ChallengePart {
                part_id: "GOOD".into(),
                findings: Vec::new(),
            },
        ],
    }
}

fn with(challenge: Challenge, generation: u32) -> InspectionPlan {
    InspectionPlan {
        generation: Generation(generation),
        challenge: Some(challenge),
        ..(*plan(1)).clone()
    }
}

/// A challenged line: what it says of a part.
struct Line {
    challenges: Challenges,
    plan: InspectionPlan,
    now: MonoTime,
}

impl Line {
    fn new(challenge: Challenge) -> Self {
        Self {
            challenges: Challenges::default(),
            plan: with(challenge, 1),
            now: ms(0),
        }
    }

    fn decide(&mut self, part_id: Option<&str>, evaluation: Evaluation, found: &[&str]) -> Ruling {
        let counts = |code: &str| found.contains(&code);
        self.challenges
            .decided(&self.plan, part_id, evaluation, counts, self.now)
    }

    fn good(&mut self) -> Ruling {
        self.decide(None, Evaluation::OK, &[])
    }

    /// Shows a challenge part; whether it passed.
    fn show(&mut self, part_id: &str, evaluation: Evaluation, found: &[&str]) -> bool {
        match self.decide(Some(part_id), evaluation, found) {
            Ruling::Challenge(result) => result.passed,
            other => panic!("{other:?}"),
        }
    }

    fn round(&mut self) {
        assert!(self.show("BAD", Evaluation::NotOK, &["open"]));
        assert!(self.show("GOOD", Evaluation::OK, &[]));
    }

    fn standing(&self) -> ChallengeStanding {
        self.challenges.standing(&self.plan)
    }
}

#[test]
fn after_a_change_nothing_passes_until_every_challenge_part_was_shown() {
    let mut line = Line::new(challenge());
    assert_eq!(line.standing(), ChallengeStanding::Overdue);
    assert_eq!(line.good(), Ruling::Locked);
    assert!(line.show("BAD", Evaluation::NotOK, &["open"]));
    assert_eq!(line.good(), Ruling::Locked, "the good one is missing");
    assert!(line.show("GOOD", Evaluation::OK, &[]));
    assert_eq!(line.good(), Ruling::Ordinary);
    line.plan.generation = Generation(2);
    assert_eq!(line.standing(), ChallengeStanding::Overdue);
    assert_eq!(line.good(), Ruling::Locked);
}

#[test]
fn parts_of_the_generation_before_are_held_to_what_that_had_shown() {
    let mut line = Line::new(challenge());
    line.round();
    line.plan.generation = Generation(2);
    assert_eq!(line.good(), Ruling::Locked);
    line.plan.generation = Generation(1);
    assert_eq!(line.good(), Ruling::Ordinary);
    // a challenge part that the old models judged says nothing of the new ones
    line.round();
    line.plan.generation = Generation(2);
    assert_eq!(line.good(), Ruling::Locked);
}

#[test]
fn by_number_there_is_a_grace_and_then_nothing_passes() {
    let mut line = Line::new(challenge());
    line.round();
    for n in 1..=10 {
        assert_eq!((line.good(), n), (Ruling::Ordinary, n));
        assert_eq!(line.standing(), ChallengeStanding::Good);
    }
    for n in 11..=13 {
        assert_eq!((line.good(), n), (Ruling::Ordinary, n));
        assert_eq!(line.standing(), ChallengeStanding::Due);
    }
    assert_eq!(line.good(), Ruling::Locked);
    line.round();
    assert_eq!(line.good(), Ruling::Ordinary);
}

#[test]
fn by_time_too() {
    let by_time = Challenge {
        every_parts: None,
        grace_parts: 0,
        ..challenge()
    };
    let mut line = Line::new(by_time);
    line.round();
    line.now = line.now + Duration::from_secs(8 * 3_600 - 1);
    assert_eq!(line.good(), Ruling::Ordinary);
    line.now = line.now + Duration::from_secs(1);
    assert_eq!(line.good(), Ruling::Locked);
}

#[test]
fn a_challenge_part_that_shows_something_else_locks_until_all_are_shown_again() {
    let cases: [(&str, Evaluation, &[&str]); 5] = [
        ("BAD", Evaluation::OK, &[]),
        ("BAD", Evaluation::NotOK, &["short"]),
        ("BAD", Evaluation::NotDecidable, &["open"]),
        ("GOOD", Evaluation::NotOK, &["open"]),
        ("GOOD", Evaluation::NotDecidable, &[]),
    ];
    for (part, evaluation, found) in cases {
        let mut line = Line::new(challenge());
        line.round();
        assert!(line.show("BAD", Evaluation::NotOK, &["open"]));
        assert!(!line.show(part, evaluation, found), "{part} {evaluation:?}");
        assert_eq!(line.standing(), ChallengeStanding::Failed(part.into()));
        assert_eq!(line.good(), Ruling::Locked);
        assert!(line.show("GOOD", Evaluation::OK, &[]));
        assert_eq!(
            line.good(),
            Ruling::Locked,
            "what was shown before counts no more"
        );
        line.round();
        assert_eq!(line.good(), Ruling::Ordinary);
    }
}

#[test]
fn a_recipe_that_only_wants_to_be_told_rejects_nothing() {
    let mut line = Line::new(Challenge {
        overdue: Overdue::Tell,
        ..challenge()
    });
    assert_eq!(line.good(), Ruling::Ordinary);
    assert_eq!(line.standing(), ChallengeStanding::Overdue);
    assert!(!line.show("BAD", Evaluation::OK, &[]));
    assert_eq!(line.good(), Ruling::Ordinary);
}

proptest! {
    #[test]
    fn no_more_parts_pass_than_were_allowed(steps in prop::collection::vec(0u8..8, 0..400)) {
        let mut line = Line::new(challenge());
        let (mut shown, mut passed) = ([false; 2], u64::MAX);
        for step in steps {
            match step {
                0 => { line.show("BAD", Evaluation::NotOK, &["open"]); shown[0] = true; }
                1 => { line.show("GOOD", Evaluation::OK, &[]); shown[1] = true; }
                2 => { line.show("BAD", Evaluation::OK, &[]); (shown, passed) = ([false; 2], u64::MAX); }
                _ => {
                    let ruling = line.good();
                    prop_assert_eq!(ruling == Ruling::Ordinary, passed < 13, "{}", passed);
                    passed = passed.saturating_add(1);
                }
            }
            if shown == [true; 2] {
                (shown, passed) = ([false; 2], 0);
            }
        }
    }
}
