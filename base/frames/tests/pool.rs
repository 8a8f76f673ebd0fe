//! The pool as its users see it.

mod common;

use common::{meta, plain_pool};
use sightline_domain::{Health, PixelFormat};
use sightline_frames::{FramePool, FramesError, MemoryKind, MemoryWish, PoolConfig};
use std::thread;

const GRAY: PixelFormat = PixelFormat::Gray8;

fn config(slots: usize, slot_bytes: usize, memory: MemoryWish) -> PoolConfig {
    PoolConfig {
        name: "cam-1".into(),
        slots,
        slot_bytes,
        memory,
    }
}

#[test]
fn a_picture_is_written_sealed_read_and_its_slot_comes_home() {
    let pool = plain_pool(2, 5000);
    let mut slot = pool.open().unwrap();
    let bytes = slot.bytes_mut();
    assert_eq!(bytes.len(), 5000);
    assert_eq!(bytes.as_ptr().align_offset(4096), 0);
    bytes[..64].fill(9);
    let mut lease = slot.seal(meta(7, GRAY, 8, 8)).unwrap();
    assert_eq!(
        (lease.bytes(), lease.memory()),
        (&[9; 64][..], MemoryKind::Plain)
    );
    assert_eq!((lease.meta().frame_id.0, lease.picture().width), (7, 8));
    lease.set_health(Health::Frozen);
    assert_eq!(lease.meta().health, Health::Frozen);
    let seen = pool.gauge();
    assert_eq!((seen.free, seen.leased, seen.slot_bytes), (1, 1, 5000));
    drop(lease);
    assert_eq!((pool.gauge().free, pool.gauge().leased), (2, 0));
}

#[test]
fn none_free_is_counted_and_an_unsealed_slot_comes_home() {
    let pool = plain_pool(2, 64);
    let (first, second) = (pool.open().unwrap(), pool.open().unwrap());
    assert_ne!(first.slot(), second.slot());
    assert!(pool.open().is_none());
    drop(first);
    assert!(pool.open().is_some());
    let seen = pool.gauge();
    assert_eq!((seen.refused, seen.low_water, seen.free), (1, 0, 1));
}

#[test]
fn slots_do_not_overlap() {
    let pool = plain_pool(3, 4097);
    let mut slots: Vec<_> = (0..3).map(|_| pool.open().unwrap()).collect();
    for slot in &mut slots {
        let value = slot.slot() as u8 + 1;
        slot.bytes_mut().fill(value);
    }
    for slot in &mut slots {
        let value = slot.slot() as u8 + 1;
        assert!(slot.bytes_mut().iter().all(|&byte| byte == value));
    }
}

#[test]
fn a_layout_longer_than_the_slot_is_refused_and_hands_the_slot_back() {
    let pool = plain_pool(1, 64);
    let refused = pool.open().unwrap().seal(meta(0, GRAY, 8, 9)).unwrap_err();
    assert_eq!((refused.layout_len, refused.slot_bytes), (72, 64));
    let text = refused.to_string();
    assert!(text.contains("at most 64") && text.contains("found a layout of 72"));
    assert_eq!(pool.gauge().free, 0);
    refused.slot.seal(meta(0, GRAY, 8, 8)).unwrap();
    assert_eq!(pool.gauge().free, 1);
}

#[test]
fn impossible_pools_say_what_was_asked() {
    for (slots, slot_bytes) in [(0, 64), (4, 0)] {
        let error = FramePool::new(config(slots, slot_bytes, MemoryWish::Plain)).unwrap_err();
        assert!(matches!(error, FramesError::Empty { .. }), "{error}");
    }
    for (slots, slot_bytes) in [(1, usize::MAX), (usize::MAX, 4096), (1 << 20, 1 << 40)] {
        let error = FramePool::new(config(slots, slot_bytes, MemoryWish::Plain)).unwrap_err();
        assert!(matches!(error, FramesError::OutOfMemory { .. }), "{error}");
        assert!(error.to_string().contains("cam-1"));
    }
}

#[test]
fn pinned_memory_is_pinned_or_a_loud_error_and_auto_takes_what_is_there() {
    let pinned = FramePool::new(config(2, 1 << 20, MemoryWish::CudaPinned));
    let auto = FramePool::new(config(2, 1 << 20, MemoryWish::Auto)).unwrap();
    let mut slot = auto.open().unwrap();
    slot.bytes_mut().fill(3);
    let lease = slot.seal(meta(0, GRAY, 1024, 1024)).unwrap();
    assert!(lease.bytes().iter().all(|&byte| byte == 3));
    match pinned {
        Ok(pool) => {
            assert_eq!(pool.gauge().memory, MemoryKind::CudaPinned);
            assert_eq!(lease.memory(), MemoryKind::CudaPinned);
            assert!(pool.gauge().locked);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(matches!(error, FramesError::NoGpu { .. }), "{text}");
            assert!(
                text.contains("libcuda.so.1") && text.contains("device 0"),
                "{text}"
            );
            assert_eq!(lease.memory(), MemoryKind::Plain);
        }
    }
}

#[test]
fn pictures_survive_many_threads() {
    const THREADS: u8 = 4;
    const EACH: u64 = 5_000;
    let pool = plain_pool(3, 4096);
    let (tx, rx) = sightline_queue::bounded::<sightline_frames::Lease>("leases", 2);
    let writers: Vec<_> = (0..THREADS)
        .map(|writer| {
            let (pool, tx) = (pool.clone(), tx.clone());
            thread::spawn(move || {
                let mut missed = 0;
                for frame in 0..EACH {
                    let Some(mut slot) = pool.open() else {
                        missed += 1;
                        thread::yield_now();
                        continue;
                    };
                    slot.bytes_mut().fill(frame as u8 ^ writer);
                    let mut meta = meta(frame, GRAY, 64, 64);
                    meta.camera.0 = writer.into();
                    tx.send(slot.seal(meta).unwrap()).unwrap();
                }
                missed
            })
        })
        .collect();
    drop(tx);
    let mut seen = 0;
    while let Ok(lease) = rx.recv() {
        let value = lease.meta().frame_id.0 as u8 ^ lease.meta().camera.0 as u8;
        assert!(
            lease.bytes().iter().all(|&byte| byte == value),
            "overwritten"
        );
        seen += 1;
    }
    let missed: u64 = writers.into_iter().map(|w| w.join().unwrap()).sum();
    assert_eq!(seen + missed, u64::from(THREADS) * EACH);
    let gauge = pool.gauge();
    assert_eq!((gauge.free, gauge.leased, gauge.refused), (3, 0, missed));
    assert!(gauge.leased_high_water <= 3);
}
