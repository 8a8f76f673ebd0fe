//! A fault at every call in turn: every batch comes back, whole, with the reason; nothing reads its bytes any more.

use super::rig::{batch, engine, info, manifest, mixed, network, pool};
use crate::device::scripted::Scripted;
use crate::engine::GpuEngine;
use sightline_engine::{Engine, EngineError};

#[test]
fn building_reports_the_call_that_failed() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let network = network(&manifest, false);
    let built = |fail_at| {
        let mut device = Scripted::new(network.clone(), mixed, 1);
        device.fail_at = fail_at;
        GpuEngine::new(device, network.clone(), &manifest, info(&manifest))
    };
    let calls = built(None).expect("nothing fails").device().calls;
    assert!(calls > 50, "{calls}");
    for call in 1..=calls {
        let fault = built(Some(call)).err().expect("a call failed");
        assert_eq!(fault.reason, "fails by script");
    }
}

#[test]
fn a_fault_at_any_call_hands_every_batch_back_and_the_engine_says_that_it_is_broken() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\", \"reference\"]");
    let first = engine(&manifest, mixed, 1).device().calls + 1;
    let mut failed = 0;
    for call in first.. {
        let mut engine = engine(&manifest, mixed, call as u64);
        engine.device().fail_at = Some(call);
        let pool = pool(32);
        let (mut back, mut sound, mut reasons) = (0, 0, Vec::new());
        // four views and a crop: two chunks
        for seed in [10, 20] {
            if let Err(rejected) =
                engine.submit(batch(&pool, &[seed, seed + 1, seed + 2, seed + 3], true))
            {
                assert_eq!(rejected.batch.views.len(), 4);
                assert!(rejected.batch.outputs.is_empty());
                reasons.push(rejected.error.to_string());
                back += 1;
            }
        }
        while let Some(answer) = engine.collect() {
            match answer {
                Ok(done) => {
                    assert_eq!(done.outputs.len(), 5);
                    sound += 1;
                }
                Err(rejected) => {
                    assert_eq!(rejected.batch.views.len(), 4);
                    assert!(rejected.batch.outputs.is_empty());
                    reasons.push(rejected.error.to_string());
                    back += 1;
                }
            }
        }
        assert_eq!(back + sound, 2, "call {call}");
        assert_eq!(pool.gauge().leased, 0, "call {call}");
        if back == 0 {
            break;
        }
        failed += 1;
        assert!(
            reasons.iter().any(|r| r.contains("fails by script")),
            "{reasons:?}"
        );
        let again = engine
            .submit(batch(&pool, &[1], true))
            .expect_err("it is broken");
        let EngineError::Run { reason } = &*again.error else {
            panic!("{again}")
        };
        assert!(reason.contains("must be built again"), "{reason}");
        assert!(engine.collect().is_none());
    }
    assert!(failed > 60, "only {failed} calls were made");
}

#[test]
fn an_engine_dropped_with_batches_under_way_waits_for_them() {
    let manifest = manifest("yolo-v8", "gray", "letterbox", "[\"image\"]");
    let mut engine = engine(&manifest, mixed, 1);
    let pool = pool(8);
    engine.submit(batch(&pool, &[1], false)).expect("room");
    // uploads that ran after this would read memory that is another frame's
    drop(engine);
    assert_eq!(pool.gauge().leased, 0);
}
