//! The truth book: what each part was, what the station decided, where the part went, and what follows from that.

use crate::gate::PhysicalEnd;
use serde::{Deserialize, Serialize};
use sightline_model::{ClassId, Disposition, DispositionReason, Evaluation, TrackId};
use std::collections::{BTreeMap, BTreeSet};

/// What a part really is: how many defects it has and of which classes (a bit each, classes above 63 share the last).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartTruth {
    /// Number of defects over all its views.
    pub defects: u32,
    /// Bit `n` is set when class `n` is among them.
    pub classes: u64,
}

impl PartTruth {
    /// Adds a defect.
    pub fn add(&mut self, class: ClassId) {
        self.defects += 1;
        self.classes |= 1 << class.0.min(63);
    }

    /// True for a part that must not pass.
    pub fn is_defective(&self) -> bool {
        self.defects > 0
    }
}

/// What the station decided about a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationDecision {
    /// Its evaluation.
    pub evaluation: Evaluation,
    /// What it told the gate.
    pub disposition: Disposition,
    /// Why.
    pub reason: DispositionReason,
    /// True when every expected view was seen and healthy.
    pub all_views_healthy: bool,
}

/// Sums over all parts that have reached their end, and what is not in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthCounts {
    /// Parts told to the book.
    pub parts: u64,
    /// Parts with all of truth, decision and end.
    pub finished: u64,
    /// Finished parts that really were defective.
    pub defective: u64,
    /// Evaluated OK.
    pub ok: u64,
    /// Evaluated NotOK.
    pub not_ok: u64,
    /// Evaluated NotDecidable (or not at all).
    pub not_decidable: u64,
    /// Disposition pass.
    pub dispositions_pass: u64,
    /// Disposition reject.
    pub dispositions_reject: u64,
    /// Physically passed.
    pub passed: u64,
    /// Physically rejected.
    pub rejected: u64,
    /// Passed the gate wrongly and taken off while the line was held.
    pub contained: u64,
    /// Good parts evaluated NotOK.
    pub overkill: u64,
    /// Defective parts that physically passed.
    pub escapes: u64,
    /// Escapes the model alone caused: evaluated OK on views that were all there and healthy, and told to pass.
    pub escapes_by_model: u64,
    /// All other escapes. Must be 0.
    pub escapes_by_other: u64,
    /// Good parts not evaluated NotOK that did not pass: the price of faults.
    pub good_rejected_for_faults: u64,
    /// Parts that went another way than the station told the gate.
    pub disobeyed: u64,
    /// Parts told, decided or ended that the book did not know.
    pub unknown: u64,
    /// Second tellings, decisions or ends of a part.
    pub repeated: u64,
    /// Parts told that lack a decision or an end.
    pub unfinished: u64,
    /// Every part has exactly one decision and one end, and nothing else was told.
    pub conserved: bool,
}

impl TruthCounts {
    /// True when the line kept its promise: conserved, and nothing defective passed but what the model called good.
    pub fn promise_kept(&self) -> bool {
        self.conserved && self.escapes_by_other == 0
    }

    /// True when besides that every part went where it was told.
    pub fn clean(&self) -> bool {
        self.promise_kept() && self.disobeyed == 0
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    truth: PartTruth,
    decision: Option<StationDecision>,
    end: Option<PhysicalEnd>,
}

/// The book. Decisions and ends may come in any order; a finished part is summed up and forgotten, so that the book does
/// not grow with the run.
#[derive(Clone, Debug, Default)]
pub struct TruthBook {
    open: BTreeMap<u64, Entry>,
    /// All parts up to this number are finished.
    finished_to: u64,
    /// Finished parts beyond that.
    finished: BTreeSet<u64>,
    counts: TruthCounts,
}

impl TruthBook {
    /// A part arrived that is as `truth` says.
    pub fn part(&mut self, track: TrackId, truth: PartTruth) {
        if self.was_finished(track) || self.open.contains_key(&track.0) {
            self.counts.repeated += 1;
            return;
        }
        self.counts.parts += 1;
        self.open.insert(
            track.0,
            Entry {
                truth,
                ..Entry::default()
            },
        );
    }

    /// The station decided.
    pub fn decided(&mut self, track: TrackId, decision: StationDecision) {
        self.note(track, |entry| entry.decision.replace(decision).is_some());
    }

    /// The part reached its end.
    pub fn ended(&mut self, track: TrackId, end: PhysicalEnd) {
        self.note(track, |entry| entry.end.replace(end).is_some());
    }

    /// The sums so far.
    pub fn counts(&self) -> TruthCounts {
        let c = self.counts;
        let unfinished = self.open.len() as u64;
        TruthCounts {
            unfinished,
            conserved: unfinished == 0 && c.unknown == 0 && c.repeated == 0,
            ..c
        }
    }

    /// Notes one fact about an open part; `fact` says whether it was known before. The first fact stands.
    fn note(&mut self, track: TrackId, fact: impl FnOnce(&mut Entry) -> bool) {
        let Some(entry) = self.open.get_mut(&track.0) else {
            if self.was_finished(track) {
                self.counts.repeated += 1;
            } else {
                self.counts.unknown += 1;
            }
            return;
        };
        let before = *entry;
        if fact(entry) {
            *entry = before;
            self.counts.repeated += 1;
        }
        if let Entry {
            truth,
            decision: Some(decision),
            end: Some(end),
        } = *entry
        {
            self.open.remove(&track.0);
            self.finish(track);
            self.counts.sum(truth, decision, end);
        }
    }

    fn finish(&mut self, track: TrackId) {
        self.finished.insert(track.0);
        while self.finished.remove(&(self.finished_to + 1)) {
            self.finished_to += 1;
        }
    }

    fn was_finished(&self, track: TrackId) -> bool {
        (1..=self.finished_to).contains(&track.0) || self.finished.contains(&track.0)
    }
}

impl TruthCounts {
    fn sum(&mut self, truth: PartTruth, decision: StationDecision, end: PhysicalEnd) {
        let bad = truth.is_defective();
        self.finished += 1;
        self.defective += u64::from(bad);
        match decision.evaluation {
            Evaluation::OK => self.ok += 1,
            Evaluation::NotOK => self.not_ok += 1,
            Evaluation::NotDecidable | Evaluation::Undefined => self.not_decidable += 1,
        }
        let told_pass = decision.disposition == Disposition::Pass;
        if told_pass {
            self.dispositions_pass += 1;
        } else {
            self.dispositions_reject += 1;
        }
        match end {
            PhysicalEnd::Passed => self.passed += 1,
            PhysicalEnd::Rejected => self.rejected += 1,
            PhysicalEnd::Contained => self.contained += 1,
        }
        let passed = end == PhysicalEnd::Passed;
        // A contained part went past the gate too, against what it was told.
        let went_on = end != PhysicalEnd::Rejected;
        self.disobeyed += u64::from(told_pass != went_on);
        if bad && passed {
            self.escapes += 1;
            let by_model =
                decision.evaluation == Evaluation::OK && decision.all_views_healthy && told_pass;
            *(if by_model {
                &mut self.escapes_by_model
            } else {
                &mut self.escapes_by_other
            }) += 1;
        }
        if !bad && decision.evaluation == Evaluation::NotOK {
            self.overkill += 1;
        } else if !bad && !passed {
            self.good_rejected_for_faults += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: PartTruth = PartTruth {
        defects: 0,
        classes: 0,
    };
    const BAD: PartTruth = PartTruth {
        defects: 2,
        classes: 0b101,
    };

    fn decision(evaluation: Evaluation, disposition: Disposition) -> StationDecision {
        let reason = DispositionReason::Verdict;
        StationDecision {
            evaluation,
            disposition,
            reason,
            all_views_healthy: true,
        }
    }

    fn one(truth: PartTruth, decided: StationDecision, end: PhysicalEnd) -> TruthCounts {
        let mut book = TruthBook::default();
        book.part(TrackId(1), truth);
        book.decided(TrackId(1), decided);
        book.ended(TrackId(1), end);
        book.counts()
    }

    #[test]
    fn an_escape_is_the_models_only_when_everything_else_worked() {
        let ok = decision(Evaluation::OK, Disposition::Pass);
        let model = one(BAD, ok, PhysicalEnd::Passed);
        assert_eq!(
            (
                model.escapes,
                model.escapes_by_model,
                model.escapes_by_other
            ),
            (1, 1, 0)
        );
        assert!(model.promise_kept() && model.clean());
        let others = [
            StationDecision {
                all_views_healthy: false,
                ..ok
            },
            decision(Evaluation::NotOK, Disposition::Reject),
            decision(Evaluation::NotDecidable, Disposition::Pass),
            decision(Evaluation::OK, Disposition::Reject),
        ];
        for other in others {
            let counts = one(BAD, other, PhysicalEnd::Passed);
            assert_eq!(
                (counts.escapes_by_model, counts.escapes_by_other),
                (0, 1),
                "{other:?}"
            );
            assert!(!counts.promise_kept());
        }
    }

    #[test]
    fn overkill_and_the_price_of_faults_are_told_apart() {
        let overkill = one(
            GOOD,
            decision(Evaluation::NotOK, Disposition::Reject),
            PhysicalEnd::Rejected,
        );
        assert_eq!(
            (overkill.overkill, overkill.good_rejected_for_faults),
            (1, 0)
        );
        let fault = one(
            GOOD,
            decision(Evaluation::NotDecidable, Disposition::Reject),
            PhysicalEnd::Rejected,
        );
        assert_eq!(
            (
                fault.overkill,
                fault.good_rejected_for_faults,
                fault.disobeyed
            ),
            (0, 1, 0)
        );
        let gate = one(
            GOOD,
            decision(Evaluation::OK, Disposition::Pass),
            PhysicalEnd::Rejected,
        );
        assert_eq!((gate.good_rejected_for_faults, gate.disobeyed), (1, 1));
    }

    #[test]
    fn a_contained_part_is_no_escape_and_not_clean() {
        let counts = one(
            BAD,
            decision(Evaluation::NotOK, Disposition::Reject),
            PhysicalEnd::Contained,
        );
        assert_eq!(
            (counts.escapes, counts.contained, counts.disobeyed),
            (0, 1, 1)
        );
        assert!(counts.promise_kept() && !counts.clean());
    }

    #[derive(Clone, Copy, Debug)]
    enum Fact {
        Decided(u64),
        Ended(u64),
    }

    fn tell(book: &mut TruthBook, fact: Fact) {
        match fact {
            Fact::Decided(n) => {
                book.decided(TrackId(n), decision(Evaluation::OK, Disposition::Pass))
            }
            Fact::Ended(n) => book.ended(TrackId(n), PhysicalEnd::Passed),
        }
    }

    proptest! {
        #[test]
        fn in_any_order_every_part_counts_once(
            order in (1u64..40).prop_flat_map(|n| {
                let facts: Vec<Fact> = (1..=n).flat_map(|i| [Fact::Decided(i), Fact::Ended(i)]).collect();
                Just(facts).prop_shuffle()
            }),
            flaw in 0usize..5, at in any::<proptest::sample::Index>(),
        ) {
            let parts = order.len() as u64 / 2;
            let mut book = TruthBook::default();
            for track in 1..=parts {
                book.part(TrackId(track), if track % 3 == 0 { BAD } else { GOOD });
            }
            let which = at.index(order.len());
            for (i, fact) in order.iter().enumerate() {
                if flaw == 1 && i == which {
                    continue;
                }
                tell(&mut book, *fact);
            }
            match flaw {
                2 => tell(&mut book, order[which]),
                3 => tell(&mut book, Fact::Ended(parts + 1)),
                4 => book.part(TrackId(parts), GOOD),
                _ => {}
            }
            let counts = book.counts();
            prop_assert_eq!(counts.conserved, flaw == 0);
            prop_assert_eq!(counts.parts, parts);
            prop_assert_eq!(counts.finished + counts.unfinished, parts);
            prop_assert_eq!(counts.passed + counts.rejected + counts.contained, counts.finished);
            prop_assert_eq!(counts.ok + counts.not_ok + counts.not_decidable, counts.finished);
            let (unfinished, repeated, unknown) = match flaw {
                1 => (1, 0, 0),
                2 | 4 => (0, 1, 0),
                3 => (0, 0, 1),
                _ => (0, 0, 0),
            };
            prop_assert_eq!((counts.unfinished, counts.repeated, counts.unknown), (unfinished, repeated, unknown));
            if flaw == 0 {
                prop_assert_eq!(counts.escapes, parts / 3);
                prop_assert!(book.open.is_empty() && book.finished.is_empty(), "a finished book keeps nothing");
            }
        }
    }
}
