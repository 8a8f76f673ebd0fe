//! Each rule by itself.

use crate::common::*;
use sightline_configs::recipe::Combine;
use sightline_domain::{
    BoxView, Detection, DispositionReason as Reason, Evaluation, Health, MissReason, ResultState,
    Suppressed, VerifierOutcome,
};
use sightline_verdict::rules::{MAX_FINDINGS_PER_VIEW, judge_part, judge_view};
use sightline_verdict::{
    Answer, Finding, Outcome, PlannedModel, PlannedView, Undecided, ViewVerdict,
};

fn judged(model: &PlannedModel, view: &PlannedView, a: Answer<'_>) -> (ViewVerdict, Vec<Finding>) {
    let (mut tally, mut kept) = (vec![9; 3], Vec::new());
    let verdict = judge_view(view, model, &frame(0, Health::Ok), a, &mut tally, &mut kept);
    (verdict, kept)
}

fn one(
    model: &PlannedModel,
    view: &PlannedView,
    d: Detection,
) -> (ViewVerdict, Option<Suppressed>) {
    let (verdict, kept) = judged(model, view, answer(&[d]));
    (verdict, kept[0].suppressed)
}

#[test]
fn a_finding_counts_from_its_limit_on() {
    let (m, v) = (detector(), view(0));
    assert_eq!(one(&m, &v, finding(0, 0.5)), (ViewVerdict::Failed, None));
    let below = (ViewVerdict::Clean, Some(Suppressed::BelowScore));
    assert_eq!(one(&m, &v, finding(0, 0.499)), below);
}

#[test]
fn a_finding_counts_from_its_smallest_area_on() {
    let (mut m, v) = (detector(), view(0));
    m.classes[0].min_area_px = 200.0;
    assert_eq!(one(&m, &v, finding(0, 0.9)), (ViewVerdict::Failed, None));
    m.classes[0].min_area_px = 200.1;
    let below = (ViewVerdict::Clean, Some(Suppressed::BelowArea));
    assert_eq!(one(&m, &v, finding(0, 0.9)), below);
}

#[test]
fn a_few_findings_that_cover_too_much_fail_and_an_allowed_class_is_allowed_up_to_an_area() {
    // each covers 200 square pixels
    let (mut m, v) = (detector(), view(0));
    m.classes[0].count = 3;
    let two = [finding(0, 0.9), finding(0, 0.8), finding(0, 0.1)];
    for (count, most, verdict) in [
        (3, None, ViewVerdict::Clean),
        (3, Some(400.0), ViewVerdict::Clean),
        (3, Some(399.0), ViewVerdict::Failed),
        (0, Some(400.0), ViewVerdict::Clean),
        (0, Some(399.0), ViewVerdict::Failed),
        (2, Some(1e9), ViewVerdict::Failed),
    ] {
        (m.classes[0].count, m.classes[0].max_area_px) = (count, most);
        let (found, kept) = judged(&m, &v, answer(&two));
        assert_eq!(found, verdict, "{count} {most:?}");
        let counted = kept.iter().filter(|f| f.suppressed.is_none()).count();
        assert_eq!(counted, if verdict == ViewVerdict::Failed { 2 } else { 0 });
        assert_eq!(kept[2].suppressed, Some(Suppressed::BelowScore));
    }
}

#[test]
fn the_centre_says_whether_a_finding_is_in_a_region() {
    let (m, mut v) = (detector(), view(0));
    let region = |x, w| BoxView {
        x,
        y: 0.0,
        w,
        h: 400.0,
    };
    let outside = (ViewVerdict::Clean, Some(Suppressed::Region));
    let counts = (ViewVerdict::Failed, None);
    // the finding's centre is at x = 110
    v.include = vec![region(0.0, 110.0)];
    assert_eq!(one(&m, &v, finding(0, 0.9)), outside);
    v.include = vec![region(0.0, 50.0), region(110.0, 1.0)];
    assert_eq!(one(&m, &v, finding(0, 0.9)), counts);
    v.exclude = vec![region(105.0, 10.0)];
    assert_eq!(one(&m, &v, finding(0, 0.9)), outside);
    v.include.clear();
    assert_eq!(one(&m, &v, finding(0, 0.9)), outside);
    v.exclude = vec![region(115.0, 10.0)];
    assert_eq!(one(&m, &v, finding(0, 0.9)), counts);
}

#[test]
fn a_class_fails_at_its_count_and_an_allowed_class_never() {
    let (mut m, v) = (detector(), view(0));
    let allowed = (ViewVerdict::Clean, Some(Suppressed::Allowed));
    assert_eq!(one(&m, &v, finding(1, 0.9)), allowed);
    let (verdict, kept) = judged(&m, &v, answer(&[finding(1, 0.9), finding(1, 0.8)]));
    assert_eq!(verdict, ViewVerdict::Failed);
    assert!(kept.iter().all(|f| f.suppressed.is_none()));
    m.classes[1].count = 0;
    let many = [finding(1, 0.9); 50];
    assert_eq!(judged(&m, &v, answer(&many)).0, ViewVerdict::Clean);
}

#[test]
fn what_the_verifier_dismissed_does_not_count_and_what_it_renamed_counts_as_that() {
    let (mut m, v) = (detector(), view(0));
    m.classes[1].count = 0;
    let with = |class, verifier| Detection {
        verifier: Some(verifier),
        ..finding(class, 0.9)
    };
    let dismissed = with(0, VerifierOutcome::Dismissed { score: 0.8 });
    let clean = (ViewVerdict::Clean, Some(Suppressed::Dismissed));
    assert_eq!(one(&m, &v, dismissed), clean);
    let from = sightline_domain::ClassId(0);
    let renamed = with(1, VerifierOutcome::Renamed { from, score: 0.8 });
    let allowed = (ViewVerdict::Clean, Some(Suppressed::Allowed));
    assert_eq!(one(&m, &v, renamed), allowed);
}

fn scores(class_scores: &[f32]) -> Answer<'_> {
    Answer {
        class_scores,
        ..Answer::default()
    }
}

#[test]
fn a_classifier_is_clean_only_if_an_allowed_class_wins_surely() {
    let (m, v) = (classifier(), view(0));
    assert_eq!(judged(&m, &v, scores(&[0.6, 0.4])).0, ViewVerdict::Clean);
    let (verdict, kept) = judged(&m, &v, scores(&[0.4, 0.6]));
    assert_eq!((verdict, kept[0].suppressed), (ViewVerdict::Failed, None));
    assert_eq!(kept[0].detection.bbox_view.w, 640.0);
    for unsure in [[0.5, 0.5], [0.59, 0.41], [0.41, 0.59]] {
        let unsure = judged(&m, &v, scores(&unsure)).0;
        assert_eq!(unsure, ViewVerdict::Undecided(Undecided::Unsure));
    }
}

#[test]
fn an_answer_that_cannot_be_read_decides_nothing_even_beside_a_defect() {
    let v = view(0);
    let nan = Detection {
        score: f32::NAN,
        ..finding(0, 0.0)
    };
    let endless = Detection {
        bbox_view: BoxView {
            w: f32::INFINITY,
            ..finding(0, 0.0).bbox_view
        },
        ..finding(0, 0.9)
    };
    let nonfinite = |n| ViewVerdict::Undecided(Undecided::Nonfinite(n));
    let malformed = ViewVerdict::Undecided(Undecided::Malformed);
    let found = [finding(0, 0.9), nan, endless];
    let (verdict, kept) = judged(&detector(), &v, answer(&found));
    assert_eq!((verdict, kept.len()), (nonfinite(2), 1));
    let counted = Answer {
        nonfinite: 3,
        ..answer(&found[..1])
    };
    assert_eq!(judged(&detector(), &v, counted).0, nonfinite(3));
    assert_eq!(
        judged(&detector(), &v, answer(&[finding(2, 0.9)])).0,
        malformed
    );
    for (class_scores, expected) in [
        (&[][..], malformed),
        (&[1.0][..], malformed),
        (&[1.0, 0.0, 0.0][..], malformed),
        (&[1.0, f32::NAN][..], nonfinite(1)),
    ] {
        let a = Answer {
            class_scores,
            ..Answer::default()
        };
        assert_eq!(judged(&classifier(), &v, a).0, expected);
    }
}

#[test]
fn a_hundred_thousand_findings_are_all_counted_and_few_are_kept() {
    let mut m = detector();
    m.classes[0].count = 100_000;
    let found = vec![finding(0, 0.9); 100_000];
    let (verdict, kept) = judged(&m, &view(0), answer(&found));
    assert_eq!(
        (verdict, kept.len()),
        (ViewVerdict::Failed, MAX_FINDINGS_PER_VIEW)
    );
    assert_eq!(
        judged(&m, &view(0), answer(&found[1..])).0,
        ViewVerdict::Clean
    );
}

#[test]
fn an_unhealthy_picture_shows_its_findings_and_decides_nothing() {
    let (mut tally, mut kept) = (Vec::new(), Vec::new());
    let meta = frame(0, Health::Frozen);
    let found = [finding(0, 0.9)];
    let verdict = judge_view(
        &view(0),
        &detector(),
        &meta,
        answer(&found),
        &mut tally,
        &mut kept,
    );
    let unhealthy = ViewVerdict::Undecided(Undecided::Unhealthy(Health::Frozen));
    assert_eq!((verdict, kept.len()), (unhealthy, 1));
}

#[test]
fn views_combine_to_a_part() {
    use ViewVerdict::{Clean, Failed};
    let lost = ViewVerdict::Undecided(Undecided::Missed(MissReason::CameraDown));
    let late = ViewVerdict::Undecided(Undecided::Missed(MissReason::Late));
    let full = ViewVerdict::Undecided(Undecided::Missed(MissReason::NoFreeSlot));
    let engine = ViewVerdict::Undecided(Undecided::Missed(MissReason::EngineFault));
    let dark = ViewVerdict::Undecided(Undecided::Unhealthy(Health::TooDark));
    let unsure = ViewVerdict::Undecided(Undecided::Unsure);
    let not_ok = (Evaluation::NotOK, Outcome::reject(Reason::Verdict));
    let ok = (Evaluation::OK, Outcome::PASS);
    let unknown = |reason| (Evaluation::NotDecidable, Outcome::reject(reason));
    let two = Combine::AtLeast { views: 2 };
    let any = Combine::AnyFails;
    use ResultState::{Complete, Failed as Broken, Incomplete};
    let cases = [
        (any, [Clean, Clean, Clean], ok, Complete),
        (any, [Clean, Failed, Clean], not_ok, Complete),
        (any, [lost, Failed, Clean], not_ok, Incomplete),
        (any, [engine, Failed, Clean], not_ok, Incomplete),
        (
            any,
            [Clean, lost, Clean],
            unknown(Reason::MissedAcq),
            Incomplete,
        ),
        (
            any,
            [late, Clean, Clean],
            unknown(Reason::NoVerdict),
            Incomplete,
        ),
        (
            any,
            [late, full, Clean],
            unknown(Reason::Overflow),
            Incomplete,
        ),
        (
            any,
            [late, full, lost],
            unknown(Reason::MissedAcq),
            Incomplete,
        ),
        (any, [lost, dark, full], unknown(Reason::Fault), Incomplete),
        (any, [dark, engine, lost], unknown(Reason::Fault), Broken),
        (
            any,
            [unsure, Clean, Clean],
            unknown(Reason::NoVerdict),
            Incomplete,
        ),
        (two, [Failed, Clean, Clean], ok, Complete),
        (two, [Failed, Clean, Failed], not_ok, Complete),
        (two, [Failed, lost, Failed], not_ok, Incomplete),
        (
            two,
            [Failed, lost, Clean],
            unknown(Reason::MissedAcq),
            Incomplete,
        ),
        (
            two,
            [Clean, lost, Clean],
            unknown(Reason::MissedAcq),
            Incomplete,
        ),
    ];
    for (combine, views, expected, state) in cases {
        let plan = plan_of(detector(), 3, combine);
        let j = judge_part(&plan, views.into_iter());
        assert_eq!(
            ((j.evaluation, j.asked), j.result_state),
            (expected, state),
            "{views:?}"
        );
    }
}
