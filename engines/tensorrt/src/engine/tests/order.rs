//! Whatever order streams and events allow, the answers are the CPU's; and what may overlap does.

use super::rig::{batch, engine, expected, manifest, mixed, network, noise, pool};
use crate::device::Kernel;
use crate::device::scripted::Did;
use proptest::prelude::*;
use sightline_domain::PixelFormat;
use sightline_engine::{Batch, Engine, EngineError};

fn check(manifest: &sightline_engine::Manifest, done: &Batch) {
    let want = expected(manifest, &network(manifest, false), done);
    assert_eq!(done.outputs.len(), want.len());
    for (got, want) in done.outputs.iter().zip(&want) {
        assert_eq!(got, want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_order_of_work_gives_the_cpu_s_answers(
        seed in any::<u64>(),
        head in prop::sample::select(&["yolo-v8", "yolo-v5", "yolo-v10", "classifier"][..]),
        reference in any::<bool>(),
        sizes in prop::collection::vec(0_usize..6, 1..5),
    ) {
        let channels = if reference { "[\"image\", \"reference\"]" } else { "[\"image\"]" };
        let manifest = manifest(head, "gray", "letterbox", channels);
        let mut engine = engine(&manifest, mixed, seed);
        let pool = pool(64);
        let mut waiting = sizes.iter().enumerate().map(|(n, &views)| {
            let seeds: Vec<u64> = (0..views as u64).map(|v| seed % 1_000 + 10 * n as u64 + v).collect();
            batch(&pool, &seeds, reference)
        });
        let mut answered = 0;
        loop {
            while engine.order.len() < 2 && let Some(next) = waiting.next() {
                prop_assert!(engine.submit(next).is_ok());
            }
            let Some(done) = engine.collect() else { break };
            check(&manifest, &done.expect("nothing fails"));
            answered += 1;
        }
        prop_assert_eq!(answered, sizes.len());
        prop_assert_eq!(pool.gauge().leased, 0);
    }
}

#[test]
fn uploads_of_a_batch_run_while_the_network_of_the_one_before_is_held_up() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 3);
    let pool = pool(8);
    let network = engine.streams.network;
    engine.device().last = Some(network);
    engine.device().did.clear();
    engine.submit(batch(&pool, &[1], false)).expect("room");
    engine.submit(batch(&pool, &[2], false)).expect("room");
    engine.collect().expect("one").expect("no fault");
    let did = &engine.device().did;
    let first_network = did.iter().position(|d| *d == Did::Network);
    let uploads = |d: &&Did| matches!(d, Did::Upload | Did::Kernel(Kernel::Preprocess));
    let before = did[..first_network.expect("it ran")].iter().filter(uploads);
    // an upload and two regions each
    assert_eq!(before.count(), 6, "{did:?}");
}

#[test]
fn what_was_uploaded_beside_a_network_is_told_with_its_batch() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 3);
    let pool = pool(8);
    let network = engine.streams.network;
    // everything else comes first, so that the second upload begins before the first network
    engine.device().last = Some(network);
    engine.submit(batch(&pool, &[1], false)).expect("room");
    engine.submit(batch(&pool, &[2], false)).expect("room");
    let first = engine.collect().expect("one").expect("no fault");
    let second = engine.collect().expect("two").expect("no fault");
    assert_eq!(first.times.overlap_us, 0, "nothing ran before it");
    let times = second.times;
    assert!(
        times.overlap_us > 0 && times.overlap_us <= times.preprocess_us,
        "{times:?}"
    );
    engine.submit(first).expect("room");
    let alone = engine.collect().expect("one").expect("no fault");
    assert_eq!(alone.times.overlap_us, 0, "nothing ran beside it");
}

#[test]
fn an_idle_engine_keeps_warm_without_waiting_and_a_busy_or_broken_one_is_left_alone() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 7);
    let pool = pool(8);
    let waits = engine.device().waits;
    engine.keep_warm();
    assert_eq!(engine.device().waits, waits, "it does not wait");
    engine.device().did.clear();
    engine.submit(batch(&pool, &[1], false)).expect("room");
    engine.keep_warm();
    let done = engine.collect().expect("one").expect("no fault");
    check(&manifest, &done);
    let networks = engine.device().did.iter().filter(|d| **d == Did::Network);
    assert_eq!(
        networks.count(),
        2,
        "one to keep warm before, one for the batch"
    );

    // making the device current, then the graph
    engine.device().fail_at = Some(engine.device().calls + 2);
    engine.keep_warm();
    let refused = engine.submit(done).expect_err("it broke while it was idle");
    assert!(
        refused.error.to_string().contains("built again"),
        "{}",
        refused.error
    );
    engine.keep_warm();
}

#[test]
fn in_steady_state_nothing_is_made_and_one_call_a_batch_waits() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 5);
    let pool = pool(16);
    let turn = |engine: &mut super::super::GpuEngine<_>, seed: u64| {
        engine.submit(batch(&pool, &[seed], false)).expect("room");
        engine
            .submit(batch(&pool, &[seed + 1], false))
            .expect("room");
        for _ in 0..2 {
            engine.collect().expect("one").expect("no fault");
        }
    };
    turn(&mut engine, 1);
    let (made, waits) = (engine.device().made, engine.device().waits);
    for seed in 2..12 {
        turn(&mut engine, seed);
    }
    assert_eq!(engine.device().made, made);
    assert_eq!(engine.device().waits - waits, 20);
}

#[test]
fn a_third_batch_and_a_bad_picture_come_back_and_the_engine_goes_on() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 5);
    let pool = pool(16);
    for seed in 0..2 {
        engine.submit(batch(&pool, &[seed], false)).expect("room");
    }
    let full = engine.submit(batch(&pool, &[9], false)).expect_err("full");
    assert!(matches!(*full.error, EngineError::Full { depth: 2 }));
    drop(full);
    for _ in 0..2 {
        check(
            &manifest,
            &engine.collect().expect("one").expect("no fault"),
        );
    }
    let mut bad = batch(&pool, &[3], false);
    bad.regions[1].crop = Some(sightline_domain::BoxView {
        x: 90.0,
        y: 0.0,
        w: 4.0,
        h: 4.0,
    });
    let bad = engine.submit(bad).expect_err("outside the view");
    assert!(matches!(*bad.error, EngineError::Picture { view: 0, .. }));
    engine.submit(batch(&pool, &[4], false)).expect("room");
    check(
        &manifest,
        &engine.collect().expect("one").expect("no fault"),
    );
    assert!(engine.collect().is_none());
}

#[test]
fn larger_pictures_get_larger_memory_and_the_same_answers() {
    let manifest = manifest("yolo-v8", "rgb", "stretch", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 11);
    let pool = pool(4);
    for (width, height, format) in [
        (8, 8, PixelFormat::Nv12),
        (120, 90, PixelFormat::Rgb),
        (160, 120, PixelFormat::I420),
        (20, 10, PixelFormat::Yuy2),
    ] {
        let mut one = batch(&pool, &[1], false);
        one.views[0].lease = super::rig::lease(&pool, 21, &noise(77, width, height, format));
        one.regions.truncate(1);
        engine.submit(one).expect("room");
        check(
            &manifest,
            &engine.collect().expect("one").expect("no fault"),
        );
    }
}
