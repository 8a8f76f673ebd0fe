//! What must hold for whatever views come: unknown is never OK, and more defects never make a part better.

use crate::common::*;
use proptest::prelude::*;
use sightline_configs::recipe::Combine;
use sightline_domain::result::StagesUs;
use sightline_domain::{
    BoxView, ClassId, Detection, Evaluation, Health, MissReason, VerifierOutcome,
};
use sightline_verdict::{Answer, Decision, InspectionPlan, Judge};
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Came {
    Seen {
        health: Health,
        nonfinite: u32,
        found: Vec<Detection>,
    },
    Missed(MissReason),
    Nothing,
}

fn detection() -> impl Strategy<Value = Detection> {
    let score = prop_oneof![8 => 0f32..1.0, 1 => Just(f32::NAN), 1 => Just(0.5)];
    (0u16..3, score, 0f32..600.0, 0f32..60.0, any::<bool>()).prop_map(|(c, score, x, w, gone)| {
        Detection {
            class: ClassId(c),
            score,
            bbox_view: BoxView {
                x,
                y: 40.0,
                w,
                h: w,
            },
            verifier: gone.then_some(VerifierOutcome::Dismissed { score: 0.9 }),
            area: None,
        }
    })
}

fn came() -> impl Strategy<Value = Came> {
    let health =
        prop_oneof![6 => Just(Health::Ok), 1 => Just(Health::Frozen), 1 => Just(Health::TooDark)];
    let nonfinite = prop_oneof![6 => Just(0u32), 1 => 1u32..5];
    let seen = (health, nonfinite, prop::collection::vec(detection(), 0..4));
    let seen = seen.prop_map(|(health, nonfinite, found)| Came::Seen {
        health,
        nonfinite,
        found,
    });
    let missed = prop_oneof![
        Just(MissReason::CameraDown),
        Just(MissReason::EngineFault),
        Just(MissReason::Overflow),
        Just(MissReason::Late)
    ];
    prop_oneof![8 => seen, 1 => missed.prop_map(Came::Missed), 1 => Just(Came::Nothing)]
}

fn plan_strategy() -> impl Strategy<Value = Arc<InspectionPlan>> {
    (1usize..5, 0u32..5, any::<bool>(), 0u32..3).prop_map(|(views, at_least, regions, count)| {
        let combine = match at_least {
            0 => Combine::AnyFails,
            n => Combine::AtLeast {
                views: n.min(views as u32),
            },
        };
        let mut model = detector();
        model.classes[1].count = count;
        model.classes[0].min_area_px = 100.0;
        let mut plan = Arc::unwrap_or_clone(plan_of(model, views, combine));
        if regions {
            plan.views[0].exclude = vec![BoxView {
                x: 0.0,
                y: 0.0,
                w: 300.0,
                h: 480.0,
            }];
        }
        Arc::new(plan)
    })
}

fn decide(plan: &Arc<InspectionPlan>, views: &[Came]) -> Decision {
    let mut judge = Judge::new(4);
    judge.open(plan, &trigger(1, ms(0))).expect("room");
    for (i, came) in views.iter().enumerate().take(plan.views.len()) {
        let i = i as u16;
        match came {
            Came::Seen {
                health,
                nonfinite,
                found,
            } => {
                let a = Answer {
                    nonfinite: *nonfinite,
                    ..answer(found)
                };
                let meta = frame(i, *health);
                judge.seen(&tag(1, i), &meta, a, StagesUs::default(), ms(10));
            }
            Came::Missed(reason) => {
                let t = tag(1, i);
                judge.missed(t.track_id, t.view, *reason, None, ms(10));
            }
            Came::Nothing => {}
        }
    }
    let dossier = judge.next_decided(ms(100)).expect("the deadline is over");
    assert!(judge.next_decided(ms(1_000)).is_none());
    dossier.decision()
}

proptest! {
    #[test]
    fn unknown_is_never_ok(
        plan in plan_strategy(),
        views in prop::collection::vec(came(), 4),
    ) {
        let d = decide(&plan, &views);
        let certain = views[..plan.views.len()].iter().all(|v| matches!(
            v,
            Came::Seen { health: Health::Ok, nonfinite: 0, found }
                if found.iter().all(|f| f.score.is_finite() && f.class.index() < 2)
        ));
        prop_assert!(certain || d.evaluation != Evaluation::OK, "{d:?}");
        prop_assert!(!certain || d.evaluation != Evaluation::NotDecidable, "{d:?}");
        let passes = d.asked.disposition == sightline_domain::Disposition::Pass;
        prop_assert_eq!(passes, d.evaluation == Evaluation::OK);
        prop_assert_ne!(d.evaluation, Evaluation::Undefined);
    }

    #[test]
    fn a_defect_more_never_makes_a_part_better(
        plan in plan_strategy(),
        views in prop::collection::vec(came(), 4),
        at in any::<prop::sample::Index>(),
        more in detection(),
    ) {
        let before = decide(&plan, &views).evaluation;
        let mut worse = views.clone();
        let seen = at.index(plan.views.len());
        if let Came::Seen { found, .. } = &mut worse[seen] {
            found.push(more);
        }
        let after = decide(&plan, &worse).evaluation;
        prop_assert!(before == Evaluation::OK || after != Evaluation::OK, "{before:?} became {after:?}");
        let readable = more.score.is_finite() && more.class.index() < 2;
        prop_assert!(!readable || before != Evaluation::NotOK || after == Evaluation::NotOK);
    }

    #[test]
    fn a_certain_defect_on_a_healthy_view_fails_the_part_whatever_is_missing(
        plan in plan_strategy(),
        views in prop::collection::vec(came(), 4),
        at in any::<prop::sample::Index>(),
    ) {
        let mut plan = Arc::unwrap_or_clone(plan);
        plan.combine = Combine::AnyFails;
        let mut views = views;
        let big = Detection { bbox_view: BoxView { x: 400.0, y: 40.0, w: 50.0, h: 50.0 }, ..finding(0, 0.99) };
        views[at.index(plan.views.len())] = Came::Seen { health: Health::Ok, nonfinite: 0, found: vec![big] };
        prop_assert_eq!(decide(&Arc::new(plan), &views).evaluation, Evaluation::NotOK);
    }
}
