//! The scripted engine keeps the trait's promises, so that flow's tests can trust it.

use sightline_domain::{BoxView, CameraId, ClassId, Clock, Detection, FrameId, FrameMeta, Timing};
use sightline_domain::{Generation, Health, MockClock, MonoTime, PixelFormat, TrackId, UtcMicros};
use sightline_domain::{ViewId, ViewTag};
use sightline_engine::scripted::{Latency, Script, ScriptedEngine};
use sightline_engine::{Batch, BatchView, Engine, EngineError, EngineInfo, Region, Task};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};
use std::sync::Arc;
use std::time::Duration;

fn info(depth: usize) -> EngineInfo {
    EngineInfo {
        name: "scripted/fp32".into(),
        bundle: "test".into(),
        version: "1.0.0".into(),
        digest: String::new(),
        task: Task::Detect,
        classes: Arc::new([]),
        input_size: (4, 4),
        wants_reference: false,
        preferred_batch: 1,
        max_batch: 4,
        depth,
    }
}

fn batch(pool: &FramePool, part: u64) -> Batch {
    let layout = PixelFormat::Gray8.default_layout(4, 4);
    let lease = pool
        .open()
        .expect("a free slot")
        .seal(FrameMeta {
            camera: CameraId(0),
            frame_id: FrameId(part),
            captured: MonoTime(0),
            captured_utc: UtcMicros(0),
            timing: Timing::default(),
            numbered: true,
            width: 4,
            height: 4,
            format: PixelFormat::Gray8,
            levels: sightline_domain::Levels::default(),
            layout,
            health: Health::Ok,
            host_copies: 0,
        })
        .expect("it fits");
    let tag = ViewTag {
        track_id: TrackId(part),
        view: ViewId(0),
        generation: Generation(1),
        deadline: MonoTime(0),
        enqueued: MonoTime(0),
    };
    let mut batch = Batch::default();
    batch.push_whole(BatchView {
        lease,
        reference: None,
        tag,
    });
    batch
}

fn pool() -> FramePool {
    FramePool::new(PoolConfig {
        name: "test".into(),
        slots: 4,
        slot_bytes: 16,
        memory: MemoryWish::Plain,
    })
    .expect("a small pool")
}

#[test]
fn batches_come_back_in_order_with_answers_time_and_faults_by_script() {
    let clock = Arc::new(MockClock::default());
    let script = Script {
        answer: Arc::new(|view, _, out| {
            out.detections.push(Detection {
                class: ClassId(view.tag.track_id.0 as u16),
                score: 0.9,
                bbox_view: BoxView::default(),
                area: None,
                verifier: None,
            });
        }),
        latency: Latency::Mock(Arc::clone(&clock), Duration::from_millis(7)),
        faults: [1].into(),
        build_fault: None,
    };
    let (pool, mut engine) = (pool(), ScriptedEngine::new(info(2), script));
    engine.submit(batch(&pool, 1)).expect("room");
    engine.submit(batch(&pool, 2)).expect("room for two");
    let full = engine
        .submit(batch(&pool, 3))
        .expect_err("two are in flight");
    assert!(matches!(*full.error, EngineError::Full { depth: 2 }));
    let first = engine.collect().expect("in flight").expect("no fault");
    assert_eq!(first.outputs[0].detections[0].class, ClassId(1));
    assert_eq!((first.times.infer_us, clock.now().0), (7_000, 7_000_000));
    let second = engine.collect().expect("in flight").expect_err("a fault");
    assert_eq!(second.batch.views[0].tag.track_id, TrackId(2));
    assert!(second.batch.outputs.is_empty());
    assert!(engine.collect().is_none());
    engine.submit(full.batch).expect("it goes on after a fault");
    assert!(engine.collect().expect("in flight").is_ok());
    drop((first, second));
    assert_eq!(pool.gauge().free, 4);
}

#[test]
fn a_region_without_its_view_is_handed_back() {
    let (pool, mut engine) = (pool(), ScriptedEngine::new(info(1), Script::default()));
    let mut wrong = batch(&pool, 1);
    wrong.regions.push(Region {
        view: 3,
        crop: None,
    });
    let rejected = engine.submit(wrong).expect_err("there is no view 3");
    assert!(matches!(
        *rejected.error,
        EngineError::NoSuchView {
            region: 1,
            view: 3,
            views: 1
        }
    ));
}
