//! Damage travels with the picture.
//!
//! Every encoded picture gets a number where it enters a decoder, written into a time stamp meta of ours that decoders,
//! queues and converters copy on. Our pad looks the number up: what is known of it by then, from lost packets, flags,
//! headers, the JPEG's own codes, messages and logs, decides. Decoders are watched however they were made.

use super::{
    bitstream::{Codec, Kind},
    ledger::{Entering, Ledger, Loss},
    libav_log,
    packets::{Packet, Packets, Seen},
};
use crate::{jpeg, proof::Proof};
use gstreamer::{self as gst, prelude::*};
use std::sync::{
    Arc, LazyLock, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
};

/// Marks our time stamp meta, which counts pictures instead of time.
static NUMBER: LazyLock<gst::Caps> =
    LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-sightline-picture"));

/// What is known of the pictures of one pipeline.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    stages: Mutex<Vec<Arc<Stage>>>,
    /// Packets have come that are numbered.
    numbered: AtomicBool,
    /// What its decoders prove, or the source where there are none.
    proof: AtomicU8,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A decoder.
#[derive(Debug)]
pub(super) struct Stage {
    shared: std::sync::Weak<Shared>,
    index: usize,
    /// The element's address: its name in logs.
    pub(super) element: usize,
    pub(super) is_libav: bool,
    intra: AtomicBool,
}

impl Stage {
    /// It could not decode what it was given last, or conceals it.
    pub(super) fn erred(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.ledger().erred(self.index, self.intra.load(Relaxed));
        }
    }
}

/// Hears decoders' logs, once a process.
pub(super) fn listen() {
    libav_log::listen();
}

/// A streaming thread begins.
pub(super) fn forget() {
    libav_log::forget();
}

/// What an element is to the pictures that pass it.
fn class(element: &gst::Element) -> String {
    let factory = element.factory();
    let class = factory.as_ref().and_then(|f| f.metadata("klass"));
    class.unwrap_or_default().to_owned()
}

impl Damage {
    /// What the source itself proves of pictures that nothing decodes.
    pub(super) fn expect(&self, raw: Proof) {
        self.0.proof.store(raw.number(), Relaxed);
    }

    /// What proves that these pictures are whole.
    pub(super) fn proof(&self) -> Proof {
        if self.0.numbered.load(Relaxed) {
            Proof::Packets
        } else {
            Proof::of_number(self.0.proof.load(Relaxed))
        }
    }

    /// Watches an element, if pictures can be damaged in it or before it.
    pub(super) fn watch(&self, element: &gst::Element) {
        let class = class(element);
        let is = |word: &str| class.split('/').any(|part| part == word);
        if is("Decoder") && (is("Video") || is("Image")) {
            self.watch_decoder(element);
        } else if is("Depayloader") && is("RTP") {
            self.watch_packets(element);
        } else if element.element_flags().contains(gst::ElementFlags::SOURCE) {
            self.watch_source(element);
        }
    }

    fn watch_decoder(&self, element: &gst::Element) {
        let pads = element.static_pad("sink").zip(element.static_pad("src"));
        let Some((sink, src)) = pads else {
            return;
        };
        let factory = element.factory().map(|f| f.name()).unwrap_or_default();
        let stage = Arc::new(Stage {
            shared: Arc::downgrade(&self.0),
            index: self.0.ledger().stage(),
            element: element.as_ptr() as usize,
            is_libav: factory.starts_with("avdec_"),
            intra: AtomicBool::new(false),
        });
        libav_log::register(&stage);
        self.0
            .stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&stage));
        let mut gate = Gate {
            shared: Arc::clone(&self.0),
            stage,
            codec: Codec::Other,
            jpeg: jpeg::Checker::default(),
        };
        each_buffer(&sink, move |what| match what {
            What::Caps(caps) => gate.caps(caps),
            What::Buffer(buffer) => gate.enter(buffer.make_mut()),
        });
        let shared = Arc::clone(&self.0);
        each_buffer(&src, move |what| {
            if let What::Buffer(buffer) = what {
                let mut ledger = shared.ledger();
                numbers(buffer).for_each(|number| ledger.leave(number));
            }
        });
    }

    /// Lost packets, seen before the depayloader; after `RtpTimes` has written the sender's time over theirs.
    fn watch_packets(&self, element: &gst::Element) {
        let Some(pad) = element.static_pad("sink") else {
            return;
        };
        let (shared, mut packets) = (Arc::clone(&self.0), Packets::default());
        each_buffer(&pad, move |what| {
            let What::Buffer(buffer) = what else {
                return;
            };
            let Some(packet) = packet(buffer) else {
                return;
            };
            shared.numbered.store(true, Relaxed);
            match packets.see(packet) {
                Seen::InOrder | Seen::Old => {}
                Seen::Lost(loss) => shared.ledger().lost(loss),
                Seen::Restarted(tail, between) => {
                    let mut ledger = shared.ledger();
                    ledger.forget_losses();
                    tail.into_iter().for_each(|loss| ledger.lost(loss));
                    ledger.lost(between);
                }
            }
        });
    }

    /// Drivers mark what did not come whole.
    fn watch_source(&self, element: &gst::Element) {
        let Some(pad) = element.static_pad("src") else {
            return;
        };
        let shared = Arc::clone(&self.0);
        each_buffer(&pad, move |what| {
            if let What::Buffer(buffer) = what
                && buffer.flags().contains(gst::BufferFlags::CORRUPTED)
            {
                let pts = buffer.pts().map_or(0, gst::ClockTime::nseconds);
                shared.ledger().lost(Loss {
                    from: pts,
                    to: pts,
                    whole: false,
                });
            }
        });
    }

    /// An element warned of the data that it was given, or could not go on with it.
    pub(super) fn warned(&self, source: Option<&gst::Object>, error: &gst::glib::Error) {
        let address = source.map_or(0, |s| s.as_ptr() as usize);
        let about_data = error.is::<gst::StreamError>();
        let stages = self.0.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let own = stages.iter().any(|stage| stage.element == address);
        stages
            .iter()
            .filter(|stage| stage.element == address || (about_data && !own))
            .for_each(|stage| stage.erred());
    }

    /// Whether a decoded picture may be damaged.
    pub(super) fn has(&self, buffer: &gst::BufferRef) -> bool {
        if buffer
            .flags()
            .intersects(gst::BufferFlags::CORRUPTED | gst::BufferFlags::GAP)
        {
            return true;
        }
        let mut ledger = self.0.ledger();
        let (mut damaged, mut numbered) = (false, false);
        for number in numbers(buffer) {
            numbered = true;
            damaged |= ledger.is_damaged(number);
        }
        if numbered {
            return damaged;
        }
        ledger.is_damaged_near(buffer.pts().map(gst::ClockTime::nseconds))
    }
}

/// The numbers that a picture carries: one a decoder on its way.
fn numbers(buffer: &gst::BufferRef) -> impl Iterator<Item = u64> {
    buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .filter(|meta| meta.reference() == NUMBER.as_ref())
        .map(|meta| meta.timestamp().nseconds())
}

/// What passes a pad.
enum What<'a> {
    Caps(&'a gst::CapsRef),
    Buffer(&'a mut gst::Buffer),
}

/// Calls with every buffer and all caps that pass, in the thread that brings them.
fn each_buffer(pad: &gst::Pad, see: impl FnMut(What<'_>) + Send + 'static) {
    let kinds = gst::PadProbeType::BUFFER
        | gst::PadProbeType::BUFFER_LIST
        | gst::PadProbeType::EVENT_DOWNSTREAM;
    // Only the one streaming thread ever takes this lock.
    let see = Mutex::new(see);
    pad.add_probe(kinds, move |_, info| {
        let mut see = see.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => see(What::Buffer(buffer)),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|mut buffer, _| {
                    see(What::Buffer(&mut buffer));
                    std::ops::ControlFlow::Continue(Some(buffer))
                });
            }
            Some(gst::PadProbeData::Event(event)) => {
                if let gst::EventView::Caps(caps) = event.view() {
                    see(What::Caps(caps.caps()));
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn packet(buffer: &gst::BufferRef) -> Option<Packet> {
    let mut head = [0u8; 12];
    buffer.copy_to_slice(0, &mut head).ok()?;
    (head[0] >> 6 == 2).then(|| Packet {
        source: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        sequence: u16::from_be_bytes([head[2], head[3]]),
        pts: buffer.pts().map_or(0, gst::ClockTime::nseconds),
        marker: head[1] >> 7 == 1,
    })
}

/// The way into a decoder.
struct Gate {
    shared: Arc<Shared>,
    stage: Arc<Stage>,
    codec: Codec,
    jpeg: jpeg::Checker,
}

impl Gate {
    fn caps(&mut self, caps: &gst::CapsRef) {
        self.codec = Codec::of(caps);
        self.stage.intra.store(self.codec.is_intra(), Relaxed);
        // libav says nothing of wrong bits in H.265, other decoders nothing at all
        let proof = match self.codec {
            codec if codec.is_intra() => Proof::Codes,
            Codec::H264(_) | Codec::Mpeg4 | Codec::Mpeg2 if self.stage.is_libav => Proof::Decoder,
            _ => Proof::Nothing,
        };
        self.shared.proof.store(proof.number(), Relaxed);
    }

    fn enter(&mut self, buffer: &mut gst::BufferRef) {
        libav_log::enter(&self.stage);
        let flags = buffer.flags();
        let delta = flags.contains(gst::BufferFlags::DELTA_UNIT);
        let mut damaged = flags.contains(gst::BufferFlags::CORRUPTED);
        let mut kind = Kind::Headers;
        if let Ok(data) = buffer.map_readable() {
            kind = self.codec.kind(&data, delta);
            damaged |= self.codec == Codec::Jpeg && !self.is_whole(&data);
        } else {
            damaged = true;
        }
        let before: Vec<_> = numbers(buffer).collect();
        let mut ledger = self.shared.ledger();
        damaged |= before.iter().any(|number| ledger.is_damaged(*number));
        let number = ledger.enter(
            self.stage.index,
            Entering {
                pts: buffer.pts().map(gst::ClockTime::nseconds),
                kind,
                intra: self.codec.is_intra(),
                damaged,
                discont: flags.contains(gst::BufferFlags::DISCONT),
            },
        );
        drop(ledger);
        gst::ReferenceTimestampMeta::add(
            buffer,
            &NUMBER,
            gst::ClockTime::from_nseconds(number),
            gst::ClockTime::NONE,
        );
    }

    /// One JPEG, or the two fields of a picture. Walked also where RTP's sequence numbers have no gap: they prove that all
    /// that was sent came, not that the sender's encoder had finished, nor that no bit fell over on the way (UDP may go
    /// without a checksum).
    fn is_whole(&mut self, mut data: &[u8]) -> bool {
        loop {
            match self.jpeg.check(data) {
                Ok(end) if data[end..].starts_with(&[0xFF, 0xD8]) => data = &data[end..],
                checked => return checked.is_ok(),
            }
        }
    }
}
