//! In steady state nothing is allocated from tap to judge, and nothing grows. It counts what the whole process
//! allocates, so it is a program of its own: the test harness's own thread allocates when it likes.

mod rig;

use rig::*;
use sightline_domain::InspectionResult;
use sightline_flow::ResultSink;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Stops the result thread when told, so that its own allocations (results are made for people) stay out of the count.
struct Stoppable {
    told: Arc<AtomicU64>,
    stop: Arc<Mutex<()>>,
}

impl ResultSink for Stoppable {
    fn submit(&mut self, _: InspectionResult, _: Box<[u8]>) {
        self.told.fetch_add(1, Ordering::SeqCst);
        drop(self.stop.lock());
    }
}

struct Line {
    rig: Rig,
    told: Arc<AtomicU64>,
    stop: Arc<Mutex<()>>,
}

fn line(batch: usize) -> Line {
    let first = build(plan(1, 2, Duration::from_secs(30)), 2, batch, &script());
    let options = Options {
        slots: 8,
        settings: Box::new(|s| {
            s.max_open_parts = 2_000;
            s.batch_wait = Duration::from_micros(200);
        }),
        gate: None,
    };
    let (told, stop) = (Arc::<AtomicU64>::default(), Arc::<Mutex<()>>::default());
    let sink = Stoppable {
        told: Arc::clone(&told),
        stop: Arc::clone(&stop),
    };
    let rig = Rig::with_sink(first, options, Box::new(sink));
    Line { rig, told, stop }
}

impl Line {
    /// So many parts, each when the slots of those before are mostly home again.
    fn run(&mut self, parts: u64) {
        for _ in 0..parts {
            self.rig.part(Picture {
                defects: 3,
                ..Picture::default()
            });
            self.wait_for_slots(1);
        }
        self.wait_for_slots(8);
    }

    fn wait_for_slots(&self, free: usize) {
        let until = Instant::now() + PATIENCE;
        while self.rig.pools.iter().any(|p| p.gauge().free < free) {
            assert!(Instant::now() < until, "slots did not come home");
            std::thread::yield_now();
        }
    }

    fn wait_told(&self, parts: u64) {
        let until = Instant::now() + PATIENCE;
        while self.told.load(Ordering::SeqCst) < parts || !self.rig.flow.idle() {
            assert!(Instant::now() < until, "not every part was told");
            std::thread::yield_now();
        }
    }
}

fn main() {
    let asked = |flag: &str| std::env::args().any(|a| a == flag);
    // A test runner asks what there is before it runs it.
    if asked("--list") {
        if !asked("--ignored") {
            println!("allocations: test");
        }
        return;
    }
    from_tap_to_judge_nothing_is_allocated(1);
    from_tap_to_judge_nothing_is_allocated(2);
    nothing_grows_over_a_hundred_thousand_parts();
}

fn from_tap_to_judge_nothing_is_allocated(batch: usize) {
    let mut line = line(batch);
    line.run(2_000);
    line.wait_told(2_000);
    // one more part takes the result thread into the stopped sink
    let stopped = Arc::clone(&line.stop);
    let hold = stopped.lock().unwrap();
    line.run(1);
    let until = Instant::now() + PATIENCE;
    while line.told.load(Ordering::SeqCst) < 2_001 {
        assert!(
            Instant::now() < until,
            "the result thread did not come to the sink"
        );
        std::thread::yield_now();
    }
    let region = Region::new(COUNTED);
    line.run(1_000);
    let change = region.change();
    drop(hold);
    assert_eq!(
        (change.allocations, change.reallocations),
        (0, 0),
        "batch {batch}, over 1,000 parts of 2 views: {change:?}"
    );
    line.wait_told(3_001);
    line.rig.assert_conserved(3_001);
    println!("batch {batch}: no allocation over 1,000 parts");
}

fn nothing_grows_over_a_hundred_thousand_parts() {
    let mut line = line(1);
    line.run(2_000);
    line.wait_told(2_000);
    let held = || {
        let s = COUNTED.stats();
        s.bytes_allocated as i64 - s.bytes_deallocated as i64
    };
    let before = held();
    line.run(100_000);
    line.wait_told(102_000);
    let grown = held() - before;
    assert!(
        grown.abs() < 16 * 1024,
        "{grown} bytes more after 100,000 parts"
    );
    line.rig.assert_conserved(102_000);
    println!("100,000 parts: {grown} bytes more than before");
}
