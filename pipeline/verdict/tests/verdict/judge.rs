//! Open parts, one situation a test.

use crate::common::*;
use sightline_domain::result::StagesUs;
use sightline_domain::{
    DispositionReason as Reason, Evaluation, Health, MissReason, TrackId, ViewId,
};
use sightline_verdict::{Judge, OpenError, Outcome, Undecided, ViewState, ViewVerdict};

fn missed(reason: MissReason) -> ViewState {
    ViewState::Judged(ViewVerdict::Undecided(Undecided::Missed(reason)))
}

#[test]
fn a_part_is_decided_the_moment_its_last_view_is_there() {
    let (plan, mut judge) = (plan(2), Judge::new(4));
    judge.open(&plan, &trigger(1, ms(5))).unwrap();
    assert_eq!(judge.next_deadline(), Some(ms(105)));
    see(&mut judge, 1, 1, &[], ms(20));
    assert!(judge.next_decided(ms(20)).is_none());
    see(&mut judge, 1, 0, &[finding(0, 0.4)], ms(30));
    assert_eq!(judge.next_deadline(), Some(ms(30)));
    let d = judge.next_decided(ms(31)).unwrap();
    assert_eq!(d.decision().evaluation, Evaluation::OK);
    assert_eq!(
        (d.decision().decided, d.decision().expired),
        (ms(30), false)
    );
    assert_eq!((d.findings(0).len(), d.findings(1).len()), (1, 0));
    assert_eq!((judge.open_parts(), judge.next_deadline()), (0, None));
}

#[test]
fn at_the_deadline_what_came_is_late_and_what_did_not_come_has_not_arrived() {
    let (plan, mut judge) = (plan(3), Judge::new(4));
    judge.open(&plan, &trigger(1, ms(0))).unwrap();
    see(&mut judge, 1, 0, &[], ms(10));
    judge.arrived(&tag(1, 1), &frame(1, Health::Ok), ms(10));
    assert!(
        judge
            .next_decided(sightline_domain::MonoTime(99_999_999))
            .is_none()
    );
    let d = judge.next_decided(ms(100)).unwrap();
    assert_eq!(d.views()[1].state, missed(MissReason::Late));
    assert_eq!(d.views()[1].frame.unwrap().frame_id.0, 77);
    assert_eq!(d.views()[2].state, missed(MissReason::NotArrived));
    assert_eq!(d.decision().evaluation, Evaluation::NotDecidable);
    assert_eq!(d.decision().asked, Outcome::reject(Reason::MissedAcq));
    assert!(d.decision().expired);
    assert_eq!((judge.counters().expired, judge.counters().decided), (1, 0));
}

#[test]
fn an_answer_at_the_deadline_is_late_even_if_nobody_looked_at_the_clock_before() {
    let (plan, mut judge) = (plan(1), Judge::new(4));
    judge.open(&plan, &trigger(1, ms(0))).unwrap();
    see(&mut judge, 1, 0, &[], ms(100));
    let d = judge.next_decided(ms(100)).unwrap();
    assert_eq!(d.decision().evaluation, Evaluation::NotDecidable);
    assert_eq!(d.decision().asked, Outcome::reject(Reason::NoVerdict));
    assert_eq!(judge.counters().late_views, 1);
    see(&mut judge, 1, 0, &[], ms(101));
    assert_eq!(judge.counters().late_views, 2);
}

#[test]
fn what_belongs_to_no_owed_view_is_counted_and_changes_nothing() {
    let (plan, mut judge) = (plan(2), Judge::new(4));
    judge.open(&plan, &trigger(1, ms(0))).unwrap();
    see(&mut judge, 9, 0, &[], ms(1));
    see(&mut judge, 1, 7, &[], ms(1));
    let other = sightline_domain::ViewTag {
        generation: sightline_domain::Generation(2),
        ..tag(1, 0)
    };
    let stages = StagesUs::default();
    let meta = frame(0, Health::Ok);
    judge.seen(&other, &meta, answer(&[]), stages, ms(1));
    // a picture of camera 1 is not the view of camera 0
    judge.seen(
        &tag(1, 0),
        &frame(1, Health::Ok),
        answer(&[]),
        stages,
        ms(1),
    );
    assert_eq!(judge.counters().unknown_views, 4);
    see(&mut judge, 1, 0, &[finding(0, 0.9)], ms(2));
    see(&mut judge, 1, 0, &[], ms(3));
    judge.missed(TrackId(1), ViewId(0), MissReason::CameraDown, None, ms(3));
    assert_eq!(judge.counters().duplicates, 2);
    see(&mut judge, 1, 1, &[], ms(4));
    let d = judge.next_decided(ms(4)).unwrap();
    assert_eq!(d.decision().evaluation, Evaluation::NotOK);
}

#[test]
fn a_full_table_still_gives_the_part_its_one_verdict() {
    let (plan, mut judge) = (plan(1), Judge::new(2));
    for track in 1..=2 {
        judge.open(&plan, &trigger(track, ms(0))).unwrap();
    }
    let third = trigger(3, ms(1));
    let full = judge.open(&plan, &third).unwrap_err();
    let (track, open, max) = (TrackId(3), 2, 2);
    assert_eq!(full, OpenError::Full { track, open, max });
    assert!(
        full.to_string().contains("2 of at most 2 parts are open"),
        "{full}"
    );
    let d = judge.overflow_dossier(&plan, &third, ms(1)).unwrap();
    assert_eq!(d.decision().evaluation, Evaluation::NotDecidable);
    assert_eq!(d.decision().asked, Outcome::reject(Reason::Overflow));
    assert_eq!(d.views()[0].state, missed(MissReason::Overflow));
    // neither a second verdict nor a view can change it, also when there is room again
    assert!(judge.overflow_dossier(&plan, &third, ms(2)).is_none());
    see(&mut judge, 3, 0, &[], ms(2));
    see(&mut judge, 1, 0, &[], ms(2));
    assert!(judge.next_decided(ms(2)).is_some());
    assert_eq!(
        judge.open(&plan, &third),
        Err(OpenError::Duplicate { track })
    );
    let c = judge.counters();
    assert_eq!(
        (c.opened, c.overflowed, c.late_views, c.duplicate_triggers),
        (2, 1, 1, 2)
    );
}

#[test]
fn a_decided_but_untaken_part_keeps_its_room() {
    let (plan, mut judge) = (plan(1), Judge::new(1));
    judge.open(&plan, &trigger(1, ms(0))).unwrap();
    see(&mut judge, 1, 0, &[], ms(1));
    assert!(judge.open(&plan, &trigger(2, ms(1))).is_err());
    let dossier = judge.next_decided(ms(1)).unwrap();
    judge.recycle(dossier);
    judge.open(&plan, &trigger(2, ms(2))).unwrap();
    assert!(judge.open(&plan, &trigger(1, ms(2))).is_err());
}

#[test]
fn parts_come_by_the_moment_that_decided_them_then_by_track() {
    let (plan, mut judge) = (plan(1), Judge::new(8));
    let slow = std::sync::Arc::new(sightline_verdict::InspectionPlan {
        deadline: std::time::Duration::from_millis(30),
        ..(*plan).clone()
    });
    for track in [4, 2, 3, 6] {
        judge.open(&plan, &trigger(track, ms(0))).unwrap();
    }
    judge.open(&slow, &trigger(5, ms(0))).unwrap();
    judge.open(&slow, &trigger(1, ms(0))).unwrap();
    for (track, at) in [(6, 20), (4, 40), (3, 40), (2, 40)] {
        see(&mut judge, track, 0, &[], ms(at));
    }
    let order: Vec<u64> = std::iter::from_fn(|| judge.next_decided(ms(50)))
        .map(|d| d.trigger().track_id.0)
        .collect();
    assert_eq!(order, [6, 1, 5, 2, 3, 4]);
}

#[test]
fn the_end_of_the_run_decides_what_is_open_and_what_still_opens() {
    let (plan, mut judge) = (plan(2), Judge::new(8));
    judge.open(&plan, &trigger(1, ms(0))).unwrap();
    see(&mut judge, 1, 0, &[finding(0, 0.9)], ms(1));
    judge.open(&plan, &trigger(2, ms(1))).unwrap();
    judge.close();
    judge.open(&plan, &trigger(3, ms(2))).unwrap();
    let all: Vec<_> = std::iter::from_fn(|| judge.next_decided(ms(2)))
        .map(|d| d.decision().evaluation)
        .collect();
    use Evaluation::{NotDecidable, NotOK};
    assert_eq!(all, [NotOK, NotDecidable, NotDecidable]);
}
