//! In steady state a batch allocates nothing on our side of the library.

mod common;

use common::{Spec, engine, pool, shared_reference, view};
use sightline_engine::{Batch, Engine};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what Rust code asks for; ONNX Runtime has its own allocator.
struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises about `at`, `layout` and `size` are passed on.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises about `at` and `layout` are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn batch_of(pool: &sightline_frames::FramePool, levels: &[u8], mut batch: Batch) -> Batch {
    for &level in levels {
        let mut view = view(common::lease(pool, level));
        view.reference = Some(shared_reference(255 - level));
        batch.push_whole(view);
    }
    batch
}

/// The only test of this binary: another thread's allocations would be counted too.
#[test]
fn a_warm_engine_allocates_nothing_for_a_batch() {
    let pool = pool(4, 32 * 32);
    let spec = Spec {
        channels: "[\"image\", \"reference\"]",
        ..Spec::of("v8-reference")
    };
    let mut engine = engine(&spec, 4).expect("a sound model");
    let mut batch = Batch::with_capacity(4, 4);
    let mut asked = [0; 20];
    for round in &mut asked {
        batch = batch_of(&pool, &[250, 130, 90, 70], batch);
        let before = ASKED.load(Ordering::Relaxed);
        engine.submit(batch).expect("room");
        batch = engine.collect().expect("in flight").expect("it runs");
        *round = ASKED.load(Ordering::Relaxed) - before;
        assert!(batch.outputs.iter().all(|o| !o.detections.is_empty()));
        batch.clear();
    }
    assert!(asked[0] > 0, "the counter counts");
    assert_eq!(asked[1..], [0; 19]);
}
