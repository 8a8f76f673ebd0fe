//! Real elements of the GStreamer on this machine write into our slots.

mod common;

use common::{meta, plain_pool};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSink;
use gstreamer_video::VideoInfo;
use sightline_frames::{
    FramePool, Lease, LeaseError, SlotAllocator, WhenNoSlot, lease_from_buffer, offer_slots,
    slot_bytes_for_decoders,
};
use sightline_model::PixelFormat;
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

const WIDTH: u32 = 322;
const HEIGHT: u32 = 242;

/// A pipeline that ends in an appsink which offers `pool`'s slots.
struct Line {
    pipeline: gst::Pipeline,
    sink: AppSink,
    allocator: SlotAllocator,
}

impl Line {
    fn start(description: &str, pool: &FramePool) -> Self {
        gst::init().unwrap();
        let allocator = SlotAllocator::new(pool.clone());
        let text = format!(
            "{description} ! appsink name=sink sync=false max-buffers=1 enable-last-sample=false"
        );
        let pipeline = gst::parse::launch(&text).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("sink").unwrap();
        let sink = sink.downcast::<AppSink>().unwrap();
        let pad = sink.static_pad("sink").unwrap();
        offer_slots(&pad, allocator.clone(), |error| panic!("{error}")).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            sink,
            allocator,
        }
    }

    /// The next buffer and the caps' idea of it; `None` at the end of the stream.
    fn next(&self) -> Option<(gst::Buffer, PixelFormat, VideoInfo)> {
        let sample = self.sink.try_pull_sample(gst::ClockTime::from_seconds(20));
        if sample.is_none() {
            assert!(self.sink.is_eos(), "{:?}", self.error());
        }
        let sample = sample?;
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let format = match info.format().to_str().as_str() {
            "GRAY8" => PixelFormat::Gray8,
            "I420" => PixelFormat::I420,
            "NV12" => PixelFormat::Nv12,
            "RGB" => PixelFormat::Rgb,
            other => panic!("unexpected {other}"),
        };
        Some((sample.buffer_owned().unwrap(), format, info))
    }

    fn lease(&self, frame: u64) -> Option<Result<Lease, LeaseError>> {
        let (buffer, format, info) = self.next()?;
        let meta = meta(frame, format, info.width(), info.height());
        Some(lease_from_buffer(self.allocator.pool(), buffer, meta))
    }

    fn error(&self) -> Option<gst::Message> {
        let bus = self.pipeline.bus().unwrap();
        bus.pop_filtered(&[gst::MessageType::Error])
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// The visible pixels, without padding.
fn visible(lease: &Lease) -> Vec<u8> {
    let (picture, mut pixels) = (lease.picture(), Vec::new());
    let (w, h) = (picture.width as usize, picture.height as usize);
    let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
    let planes = match picture.format {
        PixelFormat::I420 => vec![(h, w), (h2, w2), (h2, w2)],
        PixelFormat::Nv12 => vec![(h, w), (h2, 2 * w2)],
        PixelFormat::Rgb => vec![(h, 3 * w)],
        _ => vec![(h, w)],
    };
    for (plane, (rows, row_bytes)) in planes.into_iter().enumerate() {
        for row in 0..rows {
            let start = picture.layout.offsets[plane] + row * picture.layout.strides[plane];
            pixels.extend_from_slice(&picture.bytes[start..start + row_bytes]);
        }
    }
    pixels
}

fn hash(pixels: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    pixels.hash(&mut hasher);
    hasher.finish()
}

/// The visible pixels of every frame of a stream whose buffers are GStreamer's own.
fn reference(description: &str) -> Vec<u64> {
    gst::init().unwrap();
    let pool = plain_pool(2, 1 << 20);
    let text = format!("{description} ! appsink name=sink sync=false max-buffers=1");
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap();
    let line = Line {
        allocator: SlotAllocator::new(pool.clone()),
        sink: sink.downcast::<AppSink>().unwrap(),
        pipeline,
    };
    line.pipeline.set_state(gst::State::Playing).unwrap();
    let mut hashes = Vec::new();
    while let Some(lease) = line.lease(hashes.len() as u64) {
        let lease = lease.unwrap();
        assert_eq!(lease.meta().host_copies, 1, "this is the foreign path");
        hashes.push(hash(&visible(&lease)));
    }
    hashes
}

fn source(frames: u32, format: &str) -> String {
    sized_source(frames, format, WIDTH, HEIGHT)
}

fn sized_source(frames: u32, format: &str, width: u32, height: u32) -> String {
    format!(
        "videotestsrc num-buffers={frames} pattern=ball animation-mode=frames ! \
         video/x-raw,format={format},width={width},height={height},framerate=30/1"
    )
}

/// `slots` slots serve the whole stream without one copy, `held` leases are held at any time and stay as they were,
/// and every picture is the one GStreamer makes in memory of its own.
fn serves_without_copies(description: &str, frames: usize, slots: usize, held: usize) {
    // RGB is the largest format here
    let slot_bytes = slot_bytes_for_decoders(PixelFormat::Rgb, WIDTH, HEIGHT);
    serves_from_slots_of(slot_bytes, description, frames, slots, held);
}

fn serves_from_slots_of(
    slot_bytes: usize,
    description: &str,
    frames: usize,
    slots: usize,
    held: usize,
) {
    let expected = reference(description);
    assert_eq!(expected.len(), frames);
    let pool = plain_pool(slots, slot_bytes);
    let line = Line::start(description, &pool);
    let mut leases: VecDeque<(Lease, u64)> = VecDeque::new();
    let mut seen = 0;
    while let Some(lease) = line.lease(seen as u64) {
        let lease = lease.unwrap();
        assert_eq!(
            lease.meta().host_copies,
            0,
            "frame {seen} of {description}: {:?}",
            pool.gauge()
        );
        let now = hash(&visible(&lease));
        assert_eq!(
            now, expected[seen],
            "frame {seen} of {description} is another picture"
        );
        leases.push_back((lease, now));
        if leases.len() > held {
            let (oldest, as_it_was) = leases.pop_front().unwrap();
            assert_eq!(
                hash(&visible(&oldest)),
                as_it_was,
                "a held lease was overwritten"
            );
        }
        seen += 1;
    }
    assert_eq!(seen, frames);
    assert_eq!(line.allocator.foreign_allocations(), 0);
    assert!(pool.gauge().leased_high_water <= held + 1);
    drop((line, leases));
    assert_eq!(pool.gauge().free, slots, "every slot is home");
}

#[test]
fn a_source_writes_into_slots() {
    serves_without_copies(&source(300, "GRAY8"), 300, 4, 1);
    serves_without_copies(&source(60, "NV12"), 60, 6, 3);
}

#[test]
fn a_source_behind_a_queue_writes_into_slots() {
    let text = format!("{} ! queue max-size-buffers=2", source(300, "I420"));
    serves_without_copies(&text, 300, 7, 2);
}

#[test]
fn a_converter_writes_into_slots() {
    let text = format!(
        "{} ! videoconvert ! video/x-raw,format=GRAY8",
        source(300, "I420")
    );
    serves_without_copies(&text, 300, 4, 1);
    let text = format!(
        "{} ! videoconvert ! video/x-raw,format=RGB",
        source(60, "I420")
    );
    serves_without_copies(&text, 60, 5, 2);
}

#[test]
fn decoders_write_into_slots() {
    // whole blocks only: jpegenc fills the rest of the last ones with whatever it finds
    let jpeg = format!(
        "{} ! jpegenc ! jpegdec",
        sized_source(200, "I420", 320, 240)
    );
    serves_without_copies(&jpeg, 200, 6, 2);
    let png = format!("{} ! pngenc ! pngdec", source(60, "RGB"));
    serves_without_copies(&png, 60, 6, 2);
    let encode = "x264enc tune=zerolatency speed-preset=ultrafast threads=1 ! \
                  video/x-h264,profile=constrained-baseline ! h264parse";
    let openh264 = format!("{} ! {encode} ! openh264dec", source(200, "I420"));
    serves_without_copies(&openh264, 200, 6, 2);
}

#[test]
fn libav_decodes_h264_into_slots_and_keeps_none_of_them() {
    for (kind, width, height) in [
        ("tune=zerolatency", 640, 480),
        ("bframes=2", 640, 480),
        ("bframes=2", 322, 242),
        ("bframes=2", 720, 578),
    ] {
        let source = sized_source(100, "I420", width, height);
        let encode = format!("x264enc speed-preset=ultrafast {kind} threads=1 ! h264parse");
        let slot_bytes = slot_bytes_for_decoders(PixelFormat::I420, width, height);
        for decoder in ["avdec_h264 max-threads=2", "decodebin"] {
            let text = format!("{source} ! {encode} ! {decoder}");
            serves_from_slots_of(slot_bytes, &text, 100, 8, 2);
        }
    }
}

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
