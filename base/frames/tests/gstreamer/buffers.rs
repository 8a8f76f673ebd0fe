//! Buffers that do not come out of our pools, and what is refused.

use super::{common::*, line::*};
use gstreamer::{self as gst, prelude::*};
use sightline_domain::PixelFormat;
use sightline_frames::*;

#[test]
fn foreign_memory_is_copied_once_and_counted_or_missed() {
    gst::init().unwrap();
    let pool = plain_pool(1, 4096);
    let foreign = || gst::Buffer::from_slice(vec![5_u8; 64 * 64]);
    let meta = meta(0, PixelFormat::Gray8, 64, 64);
    let lease = lease_from_buffer(&pool, foreign(), meta).unwrap();
    assert_eq!(
        (lease.meta().host_copies, lease.bytes()),
        (1, &[5; 4096][..])
    );
    let missed = lease_from_buffer(&pool, foreign(), meta).unwrap_err();
    assert!(matches!(missed, LeaseError::NoFreeSlot { .. }), "{missed}");
    assert_eq!(pool.gauge().refused, 1);
    drop(lease);
    // in pieces, as some sources bring it
    let mut pieces = gst::Buffer::new();
    for value in [1_u8, 2] {
        let piece = gst::Memory::from_slice(vec![value; 2048]);
        pieces.get_mut().unwrap().append_memory(piece);
    }
    let lease = lease_from_buffer(&pool, pieces, meta).unwrap();
    assert_eq!((lease.bytes()[2047], lease.bytes()[2048]), (1, 2));
    assert_eq!(lease.meta().host_copies, 1);
}

#[test]
fn a_padded_foreign_picture_is_packed_when_the_slot_has_no_room_for_padding() {
    use gstreamer_video::{VideoFormat, VideoFrameFlags, VideoMeta};
    gst::init().unwrap();
    let format = PixelFormat::I420;
    let tight = format.default_layout(8, 4);
    let pool = plain_pool(1, tight.len);
    let mut buffer = gst::Buffer::from_mut_slice((0..240).collect::<Vec<u8>>());
    VideoMeta::add_full(
        buffer.get_mut().unwrap(),
        VideoFrameFlags::empty(),
        VideoFormat::I420,
        8,
        4,
        &[10, 110, 170],
        &[20, 20, 20],
    )
    .unwrap();
    let lease = lease_from_buffer(&pool, buffer, meta(0, format, 8, 4)).unwrap();
    assert_eq!(lease.meta().layout, tight);
    let expected: Vec<u8> = [(10, 4, 8), (110, 2, 4), (170, 2, 4)]
        .into_iter()
        .flat_map(|(at, rows, wide)| (0..rows).flat_map(move |r| at + 20 * r..at + 20 * r + wide))
        .collect();
    assert_eq!(visible(&lease), expected);
}

#[test]
fn wrong_buffers_are_refused_with_both_sides_shown() {
    gst::init().unwrap();
    let pool = plain_pool(1, 1 << 20);
    let gray = |width| meta(0, PixelFormat::Gray8, width, 64);
    let short = gst::Buffer::from_slice(vec![0_u8; 64 * 64 - 1]);
    let error = lease_from_buffer(&pool, short, gray(64)).unwrap_err();
    assert!(error.to_string().contains("4096") && error.to_string().contains("4095"));
    let with_meta = || {
        let mut buffer = gst::Buffer::from_mut_slice(vec![0_u8; 64 * 64]);
        let format = gstreamer_video::VideoFormat::Gray8;
        let flags = gstreamer_video::VideoFrameFlags::empty();
        let writable = buffer.get_mut().unwrap();
        gstreamer_video::VideoMeta::add(writable, flags, format, 64, 64).unwrap();
        buffer
    };
    let error = lease_from_buffer(&pool, with_meta(), gray(60)).unwrap_err();
    assert!(
        matches!(
            error,
            LeaseError::OtherPicture {
                found_width: 64,
                ..
            }
        ),
        "{error}"
    );
    let small = plain_pool(1, 4095);
    let error = lease_from_buffer(&small, with_meta(), gray(64)).unwrap_err();
    assert!(matches!(error, LeaseError::SlotTooSmall { .. }), "{error}");
    assert_eq!((pool.gauge().free, small.gauge().free), (1, 1));
}

#[test]
fn unfit_queries_are_let_pass_with_the_reason() {
    gst::init().unwrap();
    let allocator = SlotAllocator::new(plain_pool(4, 1000));
    for (caps, word) in [
        ("video/x-raw,format=GRAY8,width=100,height=100", "10000"),
        ("image/jpeg,width=10,height=10", "image/jpeg"),
        (
            "video/x-bayer,format=bggr16le,width=10,height=10",
            "bggr16le",
        ),
        ("video/x-bayer,format=bggr,width=-1,height=10", "x-bayer"),
    ] {
        let caps: gst::Caps = caps.parse().unwrap();
        let mut query = gst::query::Allocation::new(Some(&caps), true);
        let error = sightline_frames::answer_allocation(&mut query, &allocator).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(query.allocation_pools().count(), 0);
    }
    let caps: gst::Caps = "video/x-bayer,format=bggr,width=10,height=10"
        .parse()
        .unwrap();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    sightline_frames::answer_allocation(&mut query, &allocator).unwrap();
    let (pool, size, ..) = query.allocation_pools().next().unwrap();
    assert_eq!(size, 120);
    let pool = pool.unwrap();
    pool.set_active(true).unwrap();
    let buffer = pool.acquire_buffer(None).unwrap();
    let bayer = meta(0, PixelFormat::BayerBggr, 10, 10);
    let lease = lease_from_buffer(allocator.pool(), buffer, bayer).unwrap();
    assert_eq!((lease.meta().host_copies, lease.bytes().len()), (0, 120));
    pool.set_active(false).unwrap();
    drop(lease);
    assert_eq!(allocator.pool().gauge().free, 4);
}
