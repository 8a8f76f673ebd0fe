//! What happens while every slot is in use, and when caps change in mid-stream.

use super::{common::*, line::*};
use gstreamer::{self as gst, prelude::*};
use sightline_frames::*;

#[test]
fn when_we_hold_every_slot_the_source_waits_and_goes_on() {
    let pool = plain_pool(4, 1 << 20);
    let line = Line::start(&source(20, "GRAY8"), &pool);
    let all = line.allocator.offered_slots() as u64;
    let held: Vec<_> = (0..all)
        .map(|frame| line.lease(frame).unwrap().unwrap())
        .collect();
    let before: Vec<_> = held.iter().map(|lease| hash(lease.bytes())).collect();
    let wait = gst::ClockTime::from_mseconds(200);
    assert!(line.sink.try_pull_sample(wait).is_none() && !line.sink.is_eos());
    let after: Vec<_> = held.iter().map(|lease| hash(lease.bytes())).collect();
    assert_eq!(before, after);
    drop(held);
    let rest = std::iter::from_fn(|| line.lease(0)).map(Result::unwrap);
    assert_eq!(rest.map(|lease| lease.meta().host_copies).max(), Some(0));
}

#[test]
fn a_live_source_never_waits_and_finds_the_slots_again() {
    let pool = plain_pool(4, 1 << 20);
    let line = Line::start(&source(300, "GRAY8"), &pool);
    line.pipeline.set_state(gst::State::Null).unwrap();
    line.allocator.set_when_no_slot(WhenNoSlot::SystemMemory);
    line.pipeline.set_state(gst::State::Playing).unwrap();
    let mut held: Vec<_> = (0..4).map(|_| line.lease(0).unwrap().unwrap()).collect();
    let copies: Vec<_> = held.iter().map(|lease| lease.meta().host_copies).collect();
    assert_eq!(copies, [0, 0, 0, 1], "the reserve took the fourth");
    for frame in 4..40 {
        let missed = line.lease(frame).unwrap().unwrap_err();
        assert!(matches!(missed, LeaseError::NoFreeSlot { .. }), "{missed}");
    }
    held.clear();
    let rest = std::iter::from_fn(|| line.lease(0)).map(Result::unwrap);
    let copies: Vec<_> = rest.map(|lease| lease.meta().host_copies).collect();
    assert_eq!(copies.len(), 260);
    assert!(copies[20..].iter().all(|&copies| copies == 0), "{copies:?}");
}

#[test]
fn new_caps_in_mid_stream_keep_the_slots() {
    gst::init().unwrap();
    let pool = plain_pool(5, 1 << 20);
    let text = "videotestsrc name=src is-live=true ! capsfilter name=caps caps=video/x-raw,format=GRAY8,width=320,height=240,framerate=120/1";
    let line = Line::start(text, &pool);
    // a picture of the old size is still looked at when the new ones come
    let mut held = vec![line.lease(0).unwrap().unwrap()];
    let filter = line.pipeline.by_name("caps").unwrap();
    for width in [160, 322, 64] {
        let caps = format!("video/x-raw,format=GRAY8,width={width},height=100,framerate=120/1");
        filter.set_property("caps", caps.parse::<gst::Caps>().unwrap());
        let next = |count| {
            let leases = std::iter::from_fn(|| line.lease(0).map(Result::unwrap));
            let of_new_size = leases.skip_while(|lease| lease.meta().width != width);
            of_new_size
                .take(count)
                .map(|lease| lease.meta().host_copies)
                .collect::<Vec<_>>()
        };
        // one slot short: some are copied, none is missed
        assert_eq!(next(20).len(), 20);
        assert!(held[0].meta().width != width && held.len() == 1);
        held.clear();
        next(20);
        assert_eq!(next(20), [0; 20], "the pool went back to slots");
        held.push(line.lease(0).unwrap().unwrap());
    }
}
