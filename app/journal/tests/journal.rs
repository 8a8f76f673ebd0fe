//! What is put in comes out, in order, across restarts.

mod common;

use common::*;
use sightline_domain::{AlarmSeverity, Disposition, Evaluation, MockClock, MonoTime, UtcMicros};
use sightline_journal::{
    AlarmChange, AlarmRecord, JournalError, Query, Reader, Review, ReviewCounts,
};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

#[test]
fn results_come_back_byte_for_byte_with_what_was_read_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    assert_eq!(journal.first_seq(), 1);
    let mut results: Vec<_> = (1..=100).map(good).collect();
    results[41] = bad(42, "open", 2);
    results[41].part_id = Some("SN-42".into());
    results[42] = missed(43, 3);
    results.iter().for_each(|r| submit(&journal, r));
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    let stored = reader.results_after(0, 1_000).unwrap();
    assert_eq!(stored.len(), 100);
    for (stored, made) in stored.iter().zip(&results) {
        assert_eq!((stored.seq, stored.event_id), (made.seq, made.event_id));
        assert_eq!(stored.json, json(made));
        assert_eq!(
            (stored.evaluation, stored.disposition, stored.reason),
            (made.evaluation, made.disposition, made.disposition_reason)
        );
        assert_eq!(
            (stored.decided, stored.recipe.as_str()),
            (decided(made.seq), "demo-board")
        );
    }
    assert_eq!(reader.latest(2).unwrap()[0].seq, 100);
    assert_eq!(
        reader.result(42).unwrap().unwrap().part_id.as_deref(),
        Some("SN-42")
    );
    assert_eq!(reader.of_part("SN-42", 10).unwrap()[0].seq, 42);
    assert!(reader.result(101).unwrap().is_none());
}

#[test]
fn numbers_and_outbox_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    (1..=10).for_each(|seq| submit(&journal, &good(seq)));
    journal.acknowledge(4);
    drop(journal);
    let journal = open(folder.path());
    assert_eq!(journal.first_seq(), 11);
    let progress = journal.progress();
    assert_eq!(
        (
            progress.committed_to,
            progress.acknowledged_to,
            progress.pending
        ),
        (10, 4, 6)
    );
    (11..=12).for_each(|seq| submit(&journal, &good(seq)));
    // Acknowledged before it is committed: it counts from the commit on.
    journal.acknowledge(12);
    drop(journal);
    let stat = Reader::open(folder.path()).unwrap().stat().unwrap();
    assert_eq!(
        (stat.first_seq, stat.last_seq, stat.next_seq),
        (Some(1), Some(12), 13)
    );
    assert_eq!((stat.acknowledged_to, stat.pending, stat.runs), (12, 0, 2));
}

#[test]
fn a_clock_that_steps_back_changes_neither_order_nor_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    (1..=5).for_each(|seq| submit(&journal, &good(seq)));
    drop(journal);
    let day = 86_400_000_000;
    let mut stepped = settings(folder.path());
    stepped.clock = Arc::new(MockClock::new(MonoTime(0), UtcMicros(START.0 - day)));
    let journal = sightline_journal::Journal::open(stepped).unwrap();
    for seq in 6..=10 {
        let mut result = good(seq);
        result.times.decided = UtcMicros(decided(seq).0 - day).to_rfc3339();
        submit(&journal, &result);
    }
    assert!(journal.flush(PATIENCE));
    journal.acknowledge(7);
    drop(journal);
    let reader = Reader::open(folder.path()).unwrap();
    let order: Vec<u64> = reader
        .results_after(0, 100)
        .unwrap()
        .iter()
        .map(|r| r.seq)
        .collect();
    assert_eq!(order, (1..=10).collect::<Vec<_>>());
    let stat = reader.stat().unwrap();
    assert_eq!((stat.acknowledged_to, stat.pending, stat.lost), (7, 3, 0));
    assert!(reader.verify(|_| {}).unwrap().is_sound());
}

#[test]
fn without_delivery_nothing_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.deliver = false;
    let journal = sightline_journal::Journal::open(settings).unwrap();
    (1..=5).for_each(|seq| submit(&journal, &good(seq)));
    assert!(journal.flush(PATIENCE));
    let progress = journal.progress();
    assert_eq!((progress.committed_to, progress.pending), (5, 0));
}

#[test]
fn a_second_writer_is_refused_and_a_folder_without_a_journal_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = sightline_journal::Journal::open(settings(folder.path()));
    assert!(matches!(second.err(), Some(JournalError::InUse { .. })));
    drop(first);
    open(folder.path());
    let empty = tempfile::tempdir().unwrap();
    let absent = Reader::open(empty.path()).err().unwrap();
    assert!(
        absent
            .to_string()
            .contains(&empty.path().display().to_string()),
        "{absent}"
    );
}

#[test]
fn waiting_for_a_commit_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let theirs = journal.clone();
    let waiter = std::thread::spawn(move || theirs.wait_committed(0, PATIENCE));
    submit(&journal, &good(1));
    assert_eq!(waiter.join().unwrap(), 1);
    assert_eq!(journal.wait_committed(1, Duration::ZERO), 1);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn figures_over_time_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    // Three minutes at ten a second; every tenth part is bad, every hundredth has lost a view.
    for seq in 1..=1_800 {
        let result = match seq {
            s if s % 100 == 0 => missed(s, 4),
            s if s % 10 == 0 => bad(
                s,
                if s % 20 == 0 { "open" } else { "short" },
                1 + (s / 20 % 2) as usize,
            ),
            s => good(s),
        };
        submit(&journal, &result);
    }
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    let all = reader.counts(&Query::default()).unwrap();
    assert_eq!(
        (
            all.parts,
            all.ok,
            all.not_ok,
            all.not_decidable,
            all.rejected
        ),
        (1_800, 1_620, 162, 18, 180)
    );
    assert_eq!(all.first_pass_yield(), Some(0.9));
    let minutes = reader
        .counts_by_time(&Query::default(), Duration::from_secs(60))
        .unwrap();
    assert_eq!(
        minutes.iter().map(|b| b.counts.parts).collect::<Vec<_>>(),
        [599, 600, 600, 1]
    );
    let second = Query {
        from: Some(UtcMicros(START.0 + 60_000_000)),
        to: Some(UtcMicros(START.0 + 120_000_000)),
        ..Query::default()
    };
    assert_eq!(reader.counts(&second).unwrap().parts, 600);
    assert_eq!(
        reader.counts_by_recipe(&second).unwrap(),
        [("demo-board".to_string(), reader.counts(&second).unwrap())]
    );
    let unknown = Query {
        recipe: Some("other".into()),
        ..Query::default()
    };
    assert_eq!(reader.counts(&unknown).unwrap().first_pass_yield(), None);

    let pareto = reader.pareto(&Query::default(), 10).unwrap();
    let parts = |cause: &str| {
        pareto
            .iter()
            .filter(|b| b.cause == cause)
            .map(|b| b.parts)
            .sum::<u64>()
    };
    assert_eq!(
        (parts("short"), parts("open"), parts("missed:not_arrived")),
        (90, 72, 18)
    );
    assert_eq!(pareto.iter().map(|b| b.findings).sum::<u64>(), 162 * 2 + 18);
    assert!(pareto.is_sorted_by_key(|b| std::cmp::Reverse(b.parts)));
    let on_camera = Query {
        camera: Some("cam4".into()),
        ..Query::default()
    };
    assert_eq!(reader.pareto(&on_camera, 10).unwrap().len(), 1);

    let rejects = reader.rejects(&Query::default(), 3).unwrap();
    assert_eq!(
        rejects.iter().map(|r| r.seq).collect::<Vec<_>>(),
        [1_800, 1_790, 1_780]
    );
    let filtered = Query {
        cause: Some("short".into()),
        camera: Some("cam1".into()),
        ..second
    };
    let rejects = reader.rejects(&filtered, 1_000).unwrap();
    assert!(
        rejects
            .iter()
            .all(|r| r.seq % 20 == 10 && r.seq / 20 % 2 == 0)
    );
    assert_eq!(rejects.len(), 15);
    assert!(reader.rejects(&unknown, 10).unwrap().is_empty());
}

#[test]
fn alarms_and_reviews_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let raised = AlarmRecord {
        at: START,
        alarm: "camera.cam1.down".into(),
        change: AlarmChange::Raised,
        severity: AlarmSeverity::High,
        by: None,
        message: "expected frames from cam1".into(),
    };
    let seen = AlarmRecord {
        change: AlarmChange::Acknowledged,
        by: Some("anna".into()),
        ..raised.clone()
    };
    journal.alarm(raised.clone()).unwrap();
    journal.alarm(seen.clone()).unwrap();
    let review = Review {
        id: 0,
        at: UtcMicros(0),
        seq: 3,
        event_id: event_id(3),
        by: "anna".into(),
        evaluation: Evaluation::OK,
        comment: "dust".into(),
    };
    journal.review(review.clone()).unwrap();
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    assert_eq!(reader.alarms(10).unwrap(), [seen, raised]);
    let stored = Review {
        id: 1,
        at: START,
        ..review
    };
    assert_eq!(reader.reviews_of(3).unwrap(), std::slice::from_ref(&stored));
    assert_eq!(reader.reviews_after(0, 10).unwrap(), [stored]);
    assert!(reader.reviews_after(1, 10).unwrap().is_empty());
}

#[test]
fn the_last_word_on_a_part_is_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    for seq in 1..=4 {
        submit(&journal, &bad(seq, "open", 1));
        submit(&journal, &good(seq + 4));
    }
    let words = [
        (1, Evaluation::NotOK),
        (2, Evaluation::NotOK),
        (2, Evaluation::OK),
        (5, Evaluation::OK),
        (6, Evaluation::OK),
        (7, Evaluation::NotOK),
        // Of a part that is not stored.
        (99, Evaluation::OK),
    ];
    for (seq, evaluation) in words {
        let review = Review {
            id: 0,
            at: UtcMicros(0),
            seq,
            event_id: event_id(seq),
            by: "anna".into(),
            evaluation,
            comment: String::new(),
        };
        journal.review(review).unwrap();
    }
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    let counts = reader.review_counts(&Query::default()).unwrap();
    let expected = ReviewCounts {
        rejects_bad: 1,
        rejects_good: 1,
        passes_good: 2,
        passes_bad: 1,
    };
    assert_eq!(counts, expected);
    let seqs = |disposition, reviewed| {
        let query = Query {
            reviewed,
            ..Query::default()
        };
        let parts = reader.parts(disposition, &query, 10).unwrap();
        parts.iter().map(|p| p.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(Disposition::Reject, Some(true)), [2, 1]);
    assert_eq!(seqs(Disposition::Reject, Some(false)), [4, 3]);
    assert_eq!(seqs(Disposition::Pass, Some(true)), [7, 6, 5]);
    assert_eq!(seqs(Disposition::Pass, None), [8, 7, 6, 5]);
}

#[test]
fn a_changed_link_of_the_audit_trail_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    for i in 1..=5 {
        let (old, new) = (format!("v{}", i - 1), format!("v{i}"));
        journal
            .audit("anna", "recipe.activate", Some(&old), Some(&new), "trial")
            .unwrap();
    }
    drop(journal);
    let reader = Reader::open(folder.path()).unwrap();
    let report = reader.verify_audit().unwrap();
    assert_eq!((report.links, report.broken), (5, None));
    assert_eq!(
        reader
            .audit_after(3, 10)
            .unwrap()
            .iter()
            .map(|e| e.id)
            .collect::<Vec<_>>(),
        [4, 5]
    );
    let latest = reader.audit_latest(2).unwrap();
    assert_eq!(latest.iter().map(|e| e.id).collect::<Vec<_>>(), [5, 4]);

    let file = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    let refused = file
        .execute("UPDATE audit SET actor = 'bob' WHERE id = 3", [])
        .unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    assert!(file.execute("DELETE FROM audit WHERE id = 3", []).is_err());
    // Someone who takes the trigger away first is still found out.
    file.execute_batch(
        "DROP TRIGGER audit_is_not_changed; UPDATE audit SET actor = 'bob' WHERE id = 3",
    )
    .unwrap();
    let report = reader.verify_audit().unwrap();
    assert_eq!((report.links, report.broken.unwrap().0), (2, 3));
    file.execute_batch("DROP TRIGGER audit_is_not_shortened; UPDATE audit SET actor = 'anna' WHERE id = 3; DELETE FROM audit WHERE id = 2").unwrap();
    assert_eq!(
        reader.verify_audit().unwrap().broken.unwrap().0,
        3,
        "2 is missing"
    );
}

#[test]
fn a_result_whose_time_is_none_is_refused_and_a_taken_number_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let mut wrong = good(1);
    wrong.times.decided = "yesterday".into();
    assert!(matches!(
        journal.submit(&wrong, json(&wrong)),
        Err(JournalError::Time { seq: 1, .. })
    ));
    submit(&journal, &good(1));
    let mut again = bad(1, "open", 1);
    again.event_id = Uuid::from_u128(1);
    submit(&journal, &again);
    assert!(journal.flush(PATIENCE));
    let reader = journal.reader().unwrap();
    assert_eq!(reader.result(1).unwrap().unwrap().event_id, event_id(1));
    assert_eq!(reader.counts(&Query::default()).unwrap().parts, 1);
    assert_eq!(journal.progress().pending, 1);
}
