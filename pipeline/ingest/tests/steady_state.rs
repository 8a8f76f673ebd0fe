//! In steady state a frame costs no allocation on its way from a camera to the sink. Counted over the whole process,
//! which is why this test has a program of its own.

use sightline_configs::station::{Camera, Expects, HealthLimits, Retry, Source};
use sightline_domain::{CameraId, PixelFormat, SystemClock};
use sightline_frames::{MemoryWish, TapSink, Tapped};
use sightline_ingest::{CameraContext, start};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator that counts cannot be written without"
)]
// SAFETY: every call goes unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Counts views and lets them go.
#[derive(Default)]
struct Count(AtomicU64);

impl TapSink for Count {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        if let Tapped::View(_) = item {
            self.0.fetch_add(1, Relaxed);
        }
        Ok(())
    }
}

fn reach(count: &Count, frames: u64) {
    let begun = Instant::now();
    while count.0.load(Relaxed) < frames {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no {frames} frames came"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn frames_of_a_gstreamer_camera_allocate_nothing() {
    let count = Arc::new(Count::default());
    let camera = start(CameraContext {
        id: CameraId(0),
        config: Camera {
            name: "cam1".into(),
            source: Source::Pipeline {
                description:
                    "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=500/1"
                        .into(),
                ends: false,
            },
            format: PixelFormat::Gray8,
            width: None,
            height: None,
            slot_bytes: Some(320 * 240),
            slots: 8,
            core: None,
            expects: Expects::Stream,
            stall_ms: 2_000,
            arrival_uncertainty_ms: 10.0,
            integrity: sightline_configs::station::Integrity::Proved,
            range: None,
            matrix: None,
            bits: None,
            window: None,
            retry: Retry::default(),
            health: HealthLimits {
                frozen_after: 2,
                ..HealthLimits::default()
            },
        },
        memory: MemoryWish::Plain,
        sink: Arc::clone(&count) as Arc<dyn TapSink>,
        clock: Arc::new(SystemClock::default()),
        source: None,
        base_dir: PathBuf::new(),
        wants_reference: false,
        raised: false,
    })
    .unwrap();
    reach(&count, 100);
    std::thread::sleep(Duration::from_millis(500));
    let warm = count.0.load(Relaxed);
    let before = ALLOCATIONS.load(Relaxed);
    reach(&count, warm + 300);
    let after = ALLOCATIONS.load(Relaxed);
    // The supervisor's waits may take a few when the machine is busy; one a frame would be 300.
    assert!(
        after - before < 10,
        "{} allocations over 300 frames",
        after - before
    );
    assert_eq!(camera.status().counts.host_copies, 0);
}
