//! Every interleaving of threads that open, seal and drop, under loom.

use crate::{FramePool, MemoryWish, PoolConfig, sync::Arc};
use loom::{cell::UnsafeCell, thread};
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Health, MonoTime, PixelFormat, PlaneLayout, Timing, UtcMicros,
};

fn pool(slots: usize) -> FramePool {
    FramePool::new(PoolConfig {
        name: "loom".into(),
        slots,
        slot_bytes: 64,
        memory: MemoryWish::Plain,
    })
    .unwrap()
}

fn meta(frame: u64) -> FrameMeta {
    FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(frame),
        captured: MonoTime(0),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: true,
        width: 8,
        height: 8,
        format: PixelFormat::Gray8,
        levels: sightline_domain::Levels::default(),
        layout: PlaneLayout {
            offsets: [0; 3],
            strides: [8, 0, 0],
            len: 64,
        },
        health: Health::Ok,
        host_copies: 0,
    }
}

/// One cell a slot, which loom watches: two threads with the same slot out would race on it, and a slot that came
/// home without the writer's work being visible would too.
struct Watched(Vec<UnsafeCell<u64>>);

impl Watched {
    fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self((0..slots).map(|_| UnsafeCell::new(0)).collect()))
    }

    #[allow(unsafe_code)]
    fn touch(&self, slot: u32, value: u64) {
        // SAFETY: the claim under test is that the caller, who has this slot out, is the only one; loom checks it.
        self.0[slot as usize].with_mut(|cell| unsafe { *cell = value });
    }
}

fn one_picture(pool: &FramePool, watched: &Watched, value: u8) -> bool {
    let Some(mut slot) = pool.open() else {
        return false;
    };
    watched.touch(slot.slot(), u64::from(value));
    slot.bytes_mut().fill(value);
    let lease = slot.seal(meta(u64::from(value))).unwrap();
    thread::yield_now();
    assert!(lease.bytes().iter().all(|&byte| byte == value));
    watched.touch(lease.slot(), u64::from(value));
    true
}

#[test]
fn no_slot_is_out_twice_and_none_is_lost() {
    // three threads have too many interleavings to try all: all those with two forced switches
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let (pool, watched) = (pool(2), Watched::new(2));
        let threads: Vec<_> = (1..3)
            .map(|value| {
                let (pool, watched) = (pool.clone(), Arc::clone(&watched));
                thread::spawn(move || u64::from(!one_picture(&pool, &watched, value)))
            })
            .collect();
        let mut missed = u64::from(!one_picture(&pool, &watched, 9));
        missed += threads.into_iter().map(|t| t.join().unwrap()).sum::<u64>();
        assert!(missed <= 1, "two slots, three threads");
        let seen = pool.gauge();
        assert_eq!((seen.free, seen.leased, seen.refused), (2, 0, missed));
        assert!(seen.leased_high_water <= 2);
    });
}

#[test]
fn with_fewer_slots_than_threads_each_gets_one_or_is_counted() {
    loom::model(|| {
        let (pool, watched) = (pool(1), Watched::new(1));
        let threads: Vec<_> = (1..3)
            .map(|value| {
                let (pool, watched) = (pool.clone(), Arc::clone(&watched));
                thread::spawn(move || u64::from(!one_picture(&pool, &watched, value)))
            })
            .collect();
        let missed: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
        let seen = pool.gauge();
        assert_eq!(seen.refused, missed);
        assert!(missed < 2, "with a free slot somebody gets it");
        assert_eq!((seen.free, seen.low_water), (1, 0));
    });
}

#[test]
fn a_lease_dropped_on_another_thread_frees_its_slot_for_the_writer() {
    loom::model(|| {
        let (pool, watched) = (pool(1), Watched::new(1));
        let mut slot = pool.open().unwrap();
        watched.touch(slot.slot(), 1);
        slot.bytes_mut().fill(1);
        let lease = slot.seal(meta(1)).unwrap();
        let reader = {
            let watched = Arc::clone(&watched);
            thread::spawn(move || {
                assert!(lease.bytes().iter().all(|&byte| byte == 1));
                watched.touch(lease.slot(), 2);
            })
        };
        one_picture(&pool, &watched, 3);
        reader.join().unwrap();
        assert_eq!(pool.gauge().free, 1);
    });
}

#[test]
fn the_memory_outlives_the_pool_as_long_as_a_lease_does() {
    loom::model(|| {
        let pool = pool(1);
        let mut slot = pool.open().unwrap();
        slot.bytes_mut().fill(7);
        let lease = slot.seal(meta(7)).unwrap();
        let reader = thread::spawn(move || assert_eq!(lease.bytes(), [7; 64]));
        drop(pool);
        reader.join().unwrap();
    });
}
