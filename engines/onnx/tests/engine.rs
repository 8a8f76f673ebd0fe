//! What a batch gets back from ONNX Runtime, and what it gets back when something fails.

mod common;

use common::{
    CLASSIFIER, Spec, engine, factory, lease, levels, pool, scores, shared_reference, view,
};
use sightline_domain::BoxView;
use sightline_engine::{Batch, Engine, EngineError, EngineSettings, Precision, Region};
use sightline_onnx::{Arrangement, measure, tune};
use std::time::Duration;

fn run(engine: &mut impl Engine, batch: Batch) -> Batch {
    engine.submit(batch).expect("room for one");
    engine.collect().expect("one in flight").expect("it runs")
}

fn close(found: &[(u16, f32)], expected: &[(u16, f32)]) -> bool {
    found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(f, e)| f.0 == e.0 && (f.1 - e.1).abs() < 1e-5)
}

#[test]
fn each_region_gets_its_own_answer_in_chunks_of_any_size() {
    let pool = pool(5, 32 * 32);
    for (model, max_batch, expected) in [
        ("v8-fixed", 1, 1),
        ("v8-fixed", 4, 1),
        ("v8-open", 1, 1),
        ("v8-open", 2, 2),
        ("v8-open", 4, 4),
        ("v8-fixed3", 1, 3),
    ] {
        let mut engine = engine(&Spec::of(model), max_batch).expect("a sound model");
        assert_eq!(engine.info().max_batch, expected, "{model}");
        let preferred = if model == "v8-fixed3" { 3 } else { 1 };
        assert_eq!(engine.info().preferred_batch, preferred, "{model}");
        let batch = run(&mut engine, levels(&pool, &[51, 255, 102, 0, 204]));
        let found: Vec<_> = batch.outputs.iter().map(scores).collect();
        let want =
            // the second class of each box has half the score of the first
            [0.2, 1.0, 0.4, 0.0, 0.8].map(|s: f32| if s > 0.05 { vec![(0, s), (1, s / 2.0)] } else { vec![] });
        for (found, want) in found.iter().zip(&want) {
            assert!(
                close(found, want),
                "{model} {max_batch}: {found:?} for {want:?}"
            );
        }
        let bbox = batch.outputs[0].detections[0].bbox_view;
        assert_eq!((bbox.x, bbox.y, bbox.w, bbox.h), (12.0, 12.0, 8.0, 8.0));
        assert_eq!(batch.views.len(), 5);
    }
}

#[test]
fn a_crop_is_looked_at_alone_and_its_boxes_are_in_view_pixels() {
    let pool = pool(1, 32 * 32);
    let mut pixels = vec![0; 32 * 32];
    for y in 8..24 {
        pixels[y * 32 + 16..y * 32 + 32].fill(255);
    }
    let lease = common::lease_of(&pool, 32, 32, sightline_domain::PixelFormat::Gray8, &pixels);
    let mut batch = Batch::default();
    batch.views.push(view(lease));
    let bright = BoxView {
        x: 16.0,
        y: 8.0,
        w: 16.0,
        h: 16.0,
    };
    for crop in [None, Some(bright)] {
        batch.regions.push(Region { view: 0, crop });
    }
    let mut engine = engine(&Spec::of("v8-fixed"), 1).expect("a sound model");
    let batch = run(&mut engine, batch);
    assert!(close(&scores(&batch.outputs[0]), &[(0, 0.25), (1, 0.125)]));
    assert!(close(&scores(&batch.outputs[1]), &[(0, 1.0), (1, 0.5)]));
    let found = batch.outputs[1].detections[0].bbox_view;
    assert_eq!((found.x, found.y, found.w, found.h), (22.0, 14.0, 4.0, 4.0));
}

#[test]
fn the_reference_is_the_second_plane_and_must_be_there() {
    let pool = pool(2, 32 * 32);
    let spec = Spec {
        channels: "[\"image\", \"reference\"]",
        ..Spec::of("v8-reference")
    };
    let mut engine = engine(&spec, 1).expect("a sound model");
    assert!(engine.info().wants_reference);
    let mut batch = levels(&pool, &[51, 204]);
    batch.views[0].reference = Some(shared_reference(255));
    batch.views[1].reference = Some(shared_reference(102));
    let mut batch = run(&mut engine, batch);
    assert!(close(&scores(&batch.outputs[0]), &[(1, 1.0), (0, 0.2)]));
    assert!(close(&scores(&batch.outputs[1]), &[(0, 0.8), (1, 0.4)]));
    batch.views[1].reference = None;
    let rejected = engine.submit(batch).expect_err("nothing to compare with");
    assert!(matches!(
        *rejected.error,
        EngineError::NoReference { view: 1 }
    ));
    assert_eq!(rejected.batch.views.len(), 2);
}

#[test]
fn a_classifier_answers_all_crops_of_a_batch() {
    let pool = pool(2, 32 * 32);
    let spec = Spec {
        decoder: CLASSIFIER,
        classes: 3,
        ..Spec::of("classifier")
    };
    let mut engine = engine(&spec, 8).expect("a sound model");
    let batch = run(&mut engine, levels(&pool, &[255, 0]));
    let bright: Vec<f64> = [1.0_f64, 2.0, 0.0].map(f64::exp).to_vec();
    let sum: f64 = bright.iter().sum();
    for (found, want) in batch.outputs[0].class_scores.iter().zip(bright) {
        assert!((f64::from(*found) - want / sum).abs() < 1e-5);
    }
    assert_eq!(batch.outputs[1].best_class().map(|(c, _)| c.0), Some(2));
}

#[test]
fn an_int8_file_is_named_as_such_and_agrees_to_a_step() {
    let pool = pool(1, 32 * 32);
    let spec = Spec {
        precision: "int8",
        ..Spec::of("v8-int8")
    };
    let (_dir, bundle) = common::bundle(&spec);
    let mut engine = factory()
        .engine(&bundle, &EngineSettings::default())
        .expect("a sound model");
    assert_eq!(engine.info().name, "onnx-cpu/int8");
    let batch = run(&mut engine, levels(&pool, &[77]));
    let found = scores(&batch.outputs[0]);
    assert!((found[0].1 - 77.0 / 255.0).abs() < 1.0 / 255.0, "{found:?}");
    let other = EngineSettings {
        precision: Some(Precision::Fp32),
        ..EngineSettings::default()
    };
    let text = factory()
        .engine(&bundle, &other)
        .err()
        .expect("there is none")
        .to_string();
    assert!(
        text.contains("precision fp32; the bundle has int8"),
        "{text}"
    );
}

#[test]
fn not_a_number_is_counted_for_its_region_alone() {
    let pool = pool(3, 32 * 32);
    let mut engine = engine(&Spec::of("v8-nan"), 1).expect("it runs on zeros, if badly");
    let batch = run(&mut engine, levels(&pool, &[255, 20, 255]));
    let dropped: Vec<u32> = batch.outputs.iter().map(|o| o.dropped_nonfinite).collect();
    assert_eq!(dropped, [0, 21, 0]);
    assert!(batch.outputs[1].detections.is_empty());
    assert_eq!(scores(&batch.outputs[2]).len(), 2, "both classes");
}

#[test]
fn a_batch_that_cannot_run_comes_back_whole_and_the_next_one_runs() {
    let pool = pool(3, 32 * 32);
    let mut engine = engine(&Spec::of("v8-fixed"), 1).expect("a sound model");
    let mut batch = levels(&pool, &[255]);
    batch.regions.push(Region {
        view: 7,
        crop: None,
    });
    let rejected = engine.submit(batch).expect_err("there is no view 7");
    assert_eq!(
        rejected.error.to_string(),
        "region 1 names view 7, but the batch has 1 views"
    );
    let mut batch = rejected.batch;
    // a crop outside is only found while the batch runs
    batch.regions[1] = Region {
        view: 0,
        crop: Some(BoxView {
            x: 40.0,
            y: 0.0,
            w: 5.0,
            h: 5.0,
        }),
    };
    engine.submit(batch).expect("it looks sound");
    let full = engine
        .submit(levels(&pool, &[1]))
        .expect_err("one is in flight");
    assert!(matches!(*full.error, EngineError::Full { depth: 1 }));
    let rejected = engine
        .collect()
        .expect("one in flight")
        .expect_err("no such pixels");
    assert!(matches!(
        *rejected.error,
        EngineError::Picture { view: 0, .. }
    ));
    assert!(rejected.batch.outputs.is_empty());
    let mut batch = rejected.batch;
    batch.regions.truncate(1);
    assert_eq!(run(&mut engine, batch).outputs[0].detections.len(), 2);
    assert!(engine.collect().is_none());
    drop(full);
    assert_eq!(pool.gauge().free, 3);
}

#[test]
fn two_engines_of_one_bundle_give_the_same_bytes() {
    let pool = pool(2, 32 * 32);
    let spec = Spec::of("v8-open");
    let answers: Vec<Vec<_>> = (0..2)
        .map(|_| {
            let mut engine = engine(&spec, 2).expect("a sound model");
            let batch = run(&mut engine, levels(&pool, &[51, 255]));
            batch.outputs.to_vec()
        })
        .collect();
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn the_bare_loop_measures_each_arrangement() {
    let (_dir, bundle) = common::bundle(&Spec::of("v8-fixed"));
    let settings = EngineSettings::default();
    let each = Duration::from_millis(30);
    let tuning = tune(&factory(), &bundle, &settings, 2, each).expect("it runs");
    assert_eq!(tuning.tried.len(), 3);
    let best = tuning
        .tried
        .iter()
        .map(|m| m.regions_per_s)
        .fold(0.0, f64::max);
    assert_eq!(tuning.throughput.regions_per_s, best);
    assert!(
        tuning
            .tried
            .iter()
            .all(|m| m.latency_ms >= tuning.latency.latency_ms)
    );
    let one = Arrangement {
        instances: 1,
        threads: 1,
    };
    let measured = measure(&factory(), &bundle, &settings, one, each).expect("it runs");
    assert!(measured.regions_per_s > 0.0 && measured.latency_ms > 0.0);
}

#[test]
fn a_lease_is_home_when_its_batch_is_cleared() {
    let pool = pool(1, 32 * 32);
    let mut batch = Batch::with_capacity(1, 1);
    batch.push_whole(view(lease(&pool, 9)));
    assert_eq!(pool.gauge().free, 0);
    batch.clear();
    assert_eq!(pool.gauge().free, 1);
}

#[test]
fn the_threads_of_a_session_are_known_and_can_be_demoted_while_it_works() {
    let (_dir, bundle) = common::bundle(&Spec::of("v8-fixed"));
    let settings = EngineSettings {
        threads: 3,
        ..EngineSettings::default()
    };
    let mut engine = factory().engine(&bundle, &settings).expect("a sound model");
    let team = engine.threads();
    assert_eq!(team.members().len(), 2, "the first is the caller's");
    for thread in team.members() {
        let name = std::fs::read_to_string(format!("/proc/self/task/{}/comm", thread.id()));
        assert_eq!(name.expect("it runs").trim(), "sl-onnx");
    }
    team.demote().expect("everybody may");
    let pool = pool(1, 32 * 32);
    let batch = run(&mut engine, levels(&pool, &[204]));
    assert!(close(&scores(&batch.outputs[0]), &[(0, 0.8), (1, 0.4)]));
    drop(engine);
    let task = |t: &sightline_threads::Thread| format!("/proc/self/task/{}", t.id());
    for thread in team.members() {
        assert!(
            !std::path::Path::new(&task(&thread)).exists(),
            "it ends with the engine"
        );
    }
}
