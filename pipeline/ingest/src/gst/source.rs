//! Opening and closing a camera's pipeline, always in the supervisor's thread.

use super::{
    bus::Ear,
    capture::Capture,
    outlet,
    plan::{Built, Plan},
};
use crate::{
    CameraContext,
    link::{Link, StopFlag},
    seat::Seat,
    session::{AtEnd, Session, Source, take_tap},
    state::Reason,
};
use gstreamer::{self as gst, prelude::*};
use sightline_frames::{
    AllocationError, FramePool, SlotAllocator, WhenNoSlot, offer_slots, tune_libav,
};
use sightline_threads::Place;
use std::sync::Arc;

pub(crate) struct GstSource {
    name: Arc<str>,
    place: Place,
    plan: Plan,
}

impl GstSource {
    pub(super) fn new(ctx: &CameraContext, plan: Plan) -> Self {
        Self {
            name: ctx.config.name.as_str().into(),
            place: ctx.place(),
            plan,
        }
    }
}

impl Source for GstSource {
    fn open(&mut self, seat: &Seat, link: Link) -> Result<Box<dyn Session>, Reason> {
        let Built { pipeline, out } = self.plan.build()?;
        let tap = take_tap(seat, &link)?;
        let (stats, pool) = (tap.stats_owned(), tap.pool.clone());
        tune_libav(pipeline.upcast_ref());
        let ear = Ear::new(Arc::clone(&self.name), self.place, link.clone(), stats);
        let bus = pipeline
            .bus()
            .ok_or("expected a bus in the pipeline, found none")?;
        ear.listen(&bus);
        let stop = StopFlag::default();
        let capture = Capture::new(tap, link.clone(), stop.clone(), &self.plan);
        let outlet = outlet::make(capture, link);
        offer(&outlet, pool, self.plan.lossless(), Arc::clone(&self.name))?;
        outlet
            .set_active(true)
            .map_err(|e| Reason::from(e.message.as_ref()))?;
        out.link(&outlet)
            .map_err(|e| Reason::from(format!("expected a pad for our pictures: {e}")))?;
        // From here on the drop of the session closes what was opened.
        let mut session = GstSession {
            pipeline,
            outlet,
            bus,
            stop,
            plan: self.plan.clone(),
            live: false,
            rewound_at: None,
        };
        let started = session.pipeline.set_state(gst::State::Playing);
        session.live = started == Ok(gst::StateChangeSuccess::NoPreroll);
        match started {
            Ok(_) => Ok(Box::new(session)),
            Err(_) => Err(ear
                .error()
                .unwrap_or_else(|| "the pipeline did not start and did not say why".into())),
        }
    }
}

/// Answers what elements ask about memory with our slots. A live camera never waits for one: that would make all its
/// later frames old.
fn offer(pad: &gst::Pad, pool: FramePool, lossless: bool, camera: Arc<str>) -> Result<(), Reason> {
    let allocator = SlotAllocator::new(pool);
    allocator.set_when_no_slot(if lossless {
        WhenNoSlot::Wait
    } else {
        WhenNoSlot::SystemMemory
    });
    let refused = move |error: AllocationError| {
        tracing::debug!(camera = &*camera, %error, "the element in front brings its own memory");
    };
    let probe = offer_slots(pad, allocator, refused);
    probe
        .map(|_| ())
        .ok_or_else(|| "expected our pad to take a probe".into())
}

/// A running pipeline.
struct GstSession {
    pipeline: gst::Pipeline,
    outlet: gst::Pad,
    bus: gst::Bus,
    stop: StopFlag,
    plan: Plan,
    live: bool,
    /// Frames that had been delivered when the file was last begun again.
    rewound_at: Option<u64>,
}

impl Session for GstSession {
    fn at_end(&mut self, frames: u64) -> AtEnd {
        if self.plan.repeats() {
            if self.rewound_at == Some(frames) {
                return AtEnd::Lost(
                    "expected frames in the file, found none from its beginning to its end".into(),
                );
            }
            self.rewound_at = Some(frames);
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
            let seek = gst::event::Seek::new(
                1.0,
                flags,
                gst::SeekType::Set,
                gst::ClockTime::ZERO,
                gst::SeekType::None,
                gst::ClockTime::NONE,
            );
            return if self.outlet.push_event(seek) {
                AtEnd::GoesOn
            } else {
                AtEnd::Lost(
                    "expected a file that can be begun again, found one that cannot be sought"
                        .into(),
                )
            };
        }
        if self.plan.may_end() && !self.live {
            AtEnd::Ended
        } else {
            AtEnd::Lost("expected a stream without end, found its end".into())
        }
    }
}

impl Drop for GstSession {
    fn drop(&mut self) {
        self.stop.raise();
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline did not go down as it should");
        }
        // The outlet holds the tap: with it gone, the next session can have it.
        let _ = self.outlet.set_active(false);
        if let Some(peer) = self.outlet.peer() {
            let _ = peer.unlink(&self.outlet);
        }
        self.bus.unset_sync_handler();
    }
}
