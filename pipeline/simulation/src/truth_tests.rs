//! What the book makes of facts, in any order.

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
        Fact::Decided(n) => book.decided(TrackId(n), decision(Evaluation::OK, Disposition::Pass)),
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
