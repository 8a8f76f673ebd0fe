//! The sender's clock: RTP time stamps, written over the buffers' own where packets become pictures.
//!
//! Buffer time stamps behind a jitter buffer follow arrivals, are begun anew after a long hold, and are the same for what
//! comes in a burst; what the camera wrote into its packets does neither. Nothing behind needs the others: our pad takes
//! pictures as they come.

use gstreamer::{self as gst, prelude::*};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// RFC 3551: video runs by 90 kHz where nobody says otherwise.
const VIDEO_RATE: u32 = 90_000;
/// The first time stamp, so that earlier ones can come, too.
const FIRST: u64 = 1 << 40;

/// Whether the time stamps of a pipeline are its sender's.
#[derive(Clone, Debug, Default)]
pub(super) struct RtpTimes(Arc<AtomicBool>);

/// One stream's packets.
#[derive(Debug)]
struct Packets {
    rate: u32,
    /// Source identifier and extended time stamp of the last one.
    last: Option<(u32, u64)>,
}

impl RtpTimes {
    /// Stamps packets that go into `element`, if it is one that takes pictures out of RTP.
    pub(super) fn watch(&self, element: &gst::Element) {
        let depays = element.factory().is_some_and(|f| {
            let class = f.metadata("klass").unwrap_or_default();
            class.contains("Depayloader") && class.contains("RTP")
        });
        let Some(pad) = element.static_pad("sink").filter(|_| depays) else {
            return;
        };
        let (there, mut packets) = (Arc::clone(&self.0), Packets::default());
        let kinds = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM;
        let probe = move |info: &mut gst::PadProbeInfo<'_>| match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                there.fetch_or(packets.stamp(buffer.make_mut()), Relaxed);
            }
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|mut buffer, _| {
                    there.fetch_or(packets.stamp(buffer.make_mut()), Relaxed);
                    ControlFlow::Continue(Some(buffer))
                });
            }
            Some(gst::PadProbeData::Event(event)) => packets.event(event),
            _ => {}
        };
        // Only the one streaming thread ever takes this lock.
        let probe = std::sync::Mutex::new(probe);
        pad.add_probe(kinds, move |_, info| {
            let mut probe = probe
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            (*probe)(info);
            gst::PadProbeReturn::Ok
        });
    }

    /// Whether this stream comes by RTP, so that its time stamps are the sender's.
    pub(super) fn are_there(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Default for Packets {
    fn default() -> Self {
        Self {
            rate: VIDEO_RATE,
            last: None,
        }
    }
}

impl Packets {
    fn event(&mut self, event: &gst::Event) {
        if let gst::EventView::Caps(caps) = event.view() {
            let rate = caps
                .structure()
                .and_then(|s| s.get::<i32>("clock-rate").ok());
            let rate = rate.and_then(|rate| u32::try_from(rate).ok());
            self.rate = rate.filter(|rate| *rate > 0).unwrap_or(VIDEO_RATE);
        }
    }

    /// Writes the sender's time over the buffer's; false for what is no RTP packet.
    fn stamp(&mut self, buffer: &mut gst::BufferRef) -> bool {
        let mut head = [0u8; 12];
        if buffer.copy_to_slice(0, &mut head).is_err() || head[0] >> 6 != 2 {
            return false;
        }
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let ns = self.extend(word(8), word(4));
        buffer.set_pts(gst::ClockTime::from_nseconds(ns));
        buffer.set_dts(gst::ClockTime::NONE);
        true
    }

    /// The time of this 32-bit stamp, ns. The stamp that is nearest to the last one is meant (RFC 3550, 5.1); another source
    /// begins anew.
    fn extend(&mut self, source: u32, stamp: u32) -> u64 {
        let extended = match self.last {
            Some((same, last)) if same == source => {
                last.wrapping_add_signed(i64::from(stamp.wrapping_sub(last as u32).cast_signed()))
            }
            _ => FIRST + u64::from(stamp),
        };
        self.last = Some((source, extended));
        (u128::from(extended) * 1_000_000_000 / u128::from(self.rate)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_run_on_over_the_end_of_their_32_bits_and_back_a_little() {
        let mut packets = Packets::default();
        let first = packets.extend(7, u32::MAX - 4_499);
        assert_eq!(packets.extend(7, 0) - first, 50_000_000);
        assert_eq!(packets.extend(7, 4_500) - first, 100_000_000);
        assert_eq!(packets.extend(7, 0) - first, 50_000_000);
        assert!(
            packets.extend(8, 0) < first,
            "another camera has another clock"
        );
    }
}
