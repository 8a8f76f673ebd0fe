//! A pipeline that ends in our slots, and what it should bring.

use super::common::{meta, plain_pool};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSink;
use gstreamer_video::VideoInfo;
use sightline_domain::PixelFormat;
use sightline_frames::{
    FramePool, Lease, LeaseError, SlotAllocator, lease_from_buffer, offer_slots,
    slot_bytes_for_decoders,
};
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

const WIDTH: u32 = 322;
const HEIGHT: u32 = 242;

/// A pipeline that ends in an appsink which offers `pool`'s slots.
pub struct Line {
    pub pipeline: gst::Pipeline,
    pub sink: AppSink,
    pub allocator: SlotAllocator,
}

impl Line {
    pub fn start(description: &str, pool: &FramePool) -> Self {
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

    pub fn lease(&self, frame: u64) -> Option<Result<Lease, LeaseError>> {
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
pub fn visible(lease: &Lease) -> Vec<u8> {
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

pub fn hash(pixels: &[u8]) -> u64 {
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

pub fn source(frames: u32, format: &str) -> String {
    sized_source(frames, format, WIDTH, HEIGHT)
}

pub fn sized_source(frames: u32, format: &str, width: u32, height: u32) -> String {
    format!(
        "videotestsrc num-buffers={frames} pattern=ball animation-mode=frames ! \
         video/x-raw,format={format},width={width},height={height},framerate=30/1"
    )
}

/// `slots` slots serve the whole stream without one copy, `held` leases are held at any time and stay as they were,
/// and every picture is the one GStreamer makes in memory of its own.
pub fn serves_without_copies(description: &str, frames: usize, slots: usize, held: usize) {
    // RGB is the largest format here
    let slot_bytes = slot_bytes_for_decoders(PixelFormat::Rgb, WIDTH, HEIGHT);
    serves_from_slots_of(slot_bytes, description, frames, slots, held);
}

pub fn serves_from_slots_of(
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
