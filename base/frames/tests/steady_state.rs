//! The frame path allocates nothing once it runs: not to open, seal, send, receive or drop.
#![allow(unsafe_code)]

mod common;

use common::{meta, plain_pool};
use sightline_domain::PixelFormat;
use sightline_frames::{FramePool, Lease};
use sightline_queue::{Receiver, Sender, bounded_weighed};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    thread,
    time::Duration,
};

/// Counts what each thread asks of the heap.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes every call on to the system's allocator unchanged; the counter is a plain cell of the thread that
// needs no heap and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises, passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises, passed on.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// What the closure asked of the heap on this thread.
fn asked_by(work: impl FnOnce()) -> u64 {
    let before = ASKED.get();
    work();
    ASKED.get() - before
}

const GRAY: PixelFormat = PixelFormat::Gray8;

fn queue(capacity: usize) -> (Sender<Lease>, Receiver<Lease>) {
    bounded_weighed("leases", capacity, 1 << 20, |lease: &Lease| {
        lease.meta().layout.len
    })
}

fn write(pool: &FramePool, frame: u64) -> Option<Lease> {
    let mut slot = pool.open()?;
    slot.bytes_mut()[0] = frame as u8;
    Some(slot.seal(meta(frame, GRAY, 64, 64)).unwrap())
}

#[test]
fn the_counter_counts() {
    assert_eq!(asked_by(|| drop(std::hint::black_box(Box::new(7)))), 1);
}

#[test]
fn open_seal_queue_and_drop_ask_nothing_of_the_heap() {
    let pool = plain_pool(4, 4096);
    let (tx, rx) = queue(2);
    let asked = asked_by(|| {
        for frame in 0..10_000 {
            tx.send(write(&pool, frame).unwrap()).unwrap();
            let lease = rx.recv().unwrap();
            assert_eq!(lease.bytes()[0], frame as u8);
            drop(lease);
        }
        // refusals too
        let full = [
            write(&pool, 0),
            write(&pool, 1),
            write(&pool, 2),
            write(&pool, 3),
        ];
        assert!(pool.open().is_none());
        for lease in full.into_iter().flatten() {
            let _ = tx.try_send(lease);
        }
        assert_eq!(rx.drain().count(), 2);
    });
    assert_eq!(asked, 0);
}

#[test]
fn two_threads_that_block_on_each_other_ask_nothing_of_the_heap() {
    const WARM: u64 = 2_000;
    const FRAMES: u64 = 20_000;
    let pool = plain_pool(4, 4096);
    let (tx, rx) = queue(1);
    // the first time a thread blocks on an empty queue it registers itself, once
    assert!(rx.recv_timeout(Duration::from_millis(1)).is_err());
    let camera = thread::spawn(move || {
        let send = |frame| {
            while write(&pool, frame)
                .map(|lease| tx.send(lease).unwrap())
                .is_none()
            {
                thread::yield_now();
            }
        };
        (0..WARM).for_each(send);
        asked_by(|| (WARM..FRAMES).for_each(send))
    });
    let receive = |frame: u64| assert_eq!(rx.recv().unwrap().meta().frame_id.0, frame);
    (0..WARM).for_each(receive);
    let asked = asked_by(|| (WARM..FRAMES).for_each(receive));
    assert_eq!((camera.join().unwrap(), asked), (0, 0));
}

#[cfg(feature = "gstreamer")]
#[test]
fn taking_a_gstreamer_buffer_asks_nothing_of_the_heap() {
    use gstreamer::prelude::*;
    gstreamer::init().unwrap();
    let pool = plain_pool(4, 4096);
    let allocator = sightline_frames::SlotAllocator::new(pool.clone());
    let caps = "video/x-raw,format=GRAY8,width=64,height=64,framerate=0/1";
    let caps: gstreamer::Caps = caps.parse().unwrap();
    let buffers = allocator.buffer_pool(&caps, 2, 3).unwrap();
    buffers.set_active(true).unwrap();
    let turn = |frame| {
        let buffer = buffers.acquire_buffer(None).unwrap();
        let meta = meta(frame, GRAY, 64, 64);
        let lease = sightline_frames::lease_from_buffer(&pool, buffer, meta).unwrap();
        assert_eq!(lease.meta().host_copies, 0);
        let foreign = gstreamer::Buffer::from_slice([7_u8; 4096]);
        let before = ASKED.get();
        let copied = sightline_frames::lease_from_buffer(&pool, foreign, meta).unwrap();
        assert_eq!(copied.meta().host_copies, 1);
        drop((lease, copied));
        ASKED.get() - before
    };
    turn(0);
    let copying: u64 = (1..1000).map(turn).sum();
    assert_eq!(copying, 0);
    let asked = asked_by(|| {
        for frame in 0..1000 {
            let buffer = buffers.acquire_buffer(None).unwrap();
            let meta = meta(frame, GRAY, 64, 64);
            drop(sightline_frames::lease_from_buffer(&pool, buffer, meta).unwrap());
        }
    });
    assert_eq!(asked, 0);
    buffers.set_active(false).unwrap();
    assert_eq!(pool.gauge().free, 4);
}
