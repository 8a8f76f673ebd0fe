//! Opening and closing a camera's pipeline, always in the supervisor's thread.

use super::{
    bus::Ear,
    capture::Capture,
    outlet,
    plan::{Built, Plan},
    rtsp::{self, Explain},
    timing::{Running, Timer},
};
use crate::{
    CameraContext,
    link::{Link, StopFlag},
    session::{AtEnd, Session, Source, take_tap},
    shared_tap::SharedTap,
    state::Reason,
};
use gstreamer::{self as gst, prelude::*};
use sightline_configs::station::{Expects, Source as Kind};
use sightline_frames::{
    AllocationError, FramePool, SlotAllocator, WhenNoSlot, offer_slots, tune_libav,
};
use sightline_threads::Place;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

pub(crate) struct GstSource {
    name: Arc<str>,
    place: Place,
    plan: Plan,
    /// The size the source had at first, where its pictures are scaled.
    first_size: Arc<Mutex<Option<(i32, i32)>>>,
    /// Attempts since the last frame, and the frames until then.
    attempts: (u32, u64),
}

impl GstSource {
    pub(super) fn new(ctx: &CameraContext, plan: Plan) -> Self {
        Self {
            name: ctx.config.name.as_str().into(),
            place: ctx.place(),
            plan,
            first_size: Arc::default(),
            attempts: (0, 0),
        }
    }

    /// A network camera that does not answer gets more time with every attempt.
    fn give_time(&mut self, pipeline: &gst::Pipeline, frames: u64) {
        let Kind::Rtsp { timeout_ms, .. } = self.plan.source() else {
            return;
        };
        if frames > self.attempts.1 {
            self.attempts = (0, frames);
        }
        if let Some(source) = pipeline.by_name("sightline_source") {
            rtsp::set_timeout(&source, rtsp::answer_ms(self.attempts.0, *timeout_ms));
        }
        self.attempts.0 += 1;
    }

    /// Where pictures are scaled, one of another size than the first must not pass as the same view, and none is stretched.
    fn watch_size(&self, pipeline: &gst::Pipeline) -> Arc<AtomicBool> {
        let resized = Arc::new(AtomicBool::new(false));
        let scale = pipeline.by_name("sightline_scale");
        let pad = scale.and_then(|scale| scale.static_pad("sink"));
        if let Some(pad) = pad.filter(|_| self.plan.scales()) {
            let (first, resized) = (Arc::clone(&self.first_size), Arc::clone(&resized));
            let wanted = self.plan.size();
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
                if let Some(gst::PadProbeData::Event(event)) = &info.data
                    && let gst::EventView::Caps(caps) = event.view()
                    && let Some(s) = caps.caps().structure(0)
                    && let (Ok(width), Ok(height)) = (s.get::<i32>("width"), s.get::<i32>("height"))
                {
                    if let (Some(scale), Some(why)) =
                        (pad.parent_element(), stretched((width, height), wanted))
                    {
                        gst::element_error!(scale, gst::CoreError::Negotiation, ["{why}"]);
                    }
                    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                    let same = *first.get_or_insert((width, height)) == (width, height);
                    resized.store(!same, Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
        }
        resized
    }
}

/// Why pictures of a size may not be scaled to what the configuration wants: another shape would stretch every part.
fn stretched(found: (i32, i32), wanted: (Option<u32>, Option<u32>)) -> Option<String> {
    let (from_w, from_h) = (i64::from(found.0), i64::from(found.1));
    let (w, h) = (i64::from(wanted.0?), i64::from(wanted.1?));
    let kept = from_w * h;
    // One pixel is rounding.
    if (kept - from_h * w).abs() <= from_w {
        return None;
    }
    let fitting = (w * from_h + from_w / 2) / from_w;
    Some(format!(
        "expected pictures that can be scaled to {w}x{h} without stretching them, found {from_w}x{from_h}; write width = {w} and \
         height = {fitting}, or crop with a `pipeline` (videocrop, aspectratiocrop)"
    ))
}

impl Source for GstSource {
    fn open(&mut self, shared_tap: &SharedTap, link: Link) -> Result<Box<dyn Session>, Reason> {
        let Built {
            pipeline,
            out,
            rtp,
            damage,
            basis,
            offered,
            words,
        } = self.plan.build()?;
        let tap = take_tap(shared_tap, &link)?;
        self.give_time(&pipeline, tap.stats().frames.load(Relaxed));
        let (stats, pool) = (tap.stats_owned(), tap.pool.clone());
        tune_libav(pipeline.upcast_ref());
        let ear = Ear::new(
            Arc::clone(&self.name),
            self.place,
            link.clone(),
            stats,
            Explain::new(self.plan.source(), &offered),
            damage.clone(),
            self.plan.expects == Expects::Trigger,
        );
        let bus = pipeline
            .bus()
            .ok_or("expected a bus in the pipeline, found none")?;
        ear.listen(&bus);
        let stop = StopFlag::default();
        let running = Running::default();
        let timer = Timer::new(
            basis,
            rtp,
            Arc::clone(&running),
            self.plan.expects,
            self.plan.arrival_uncertainty,
        );
        let resized = self.watch_size(&pipeline);
        let capture = Capture::new(
            tap,
            link.clone(),
            stop.clone(),
            &self.plan,
            timer,
            resized,
            (damage, words.0, words.1),
        );
        let outlet = outlet::make(capture, link);
        offer(&outlet, pool, &self.plan, Arc::clone(&self.name))?;
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
        if let (Some(clock), Some(base)) = (session.pipeline.clock(), session.pipeline.base_time())
        {
            let _ = running.set((clock, base));
        }
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
fn offer(pad: &gst::Pad, pool: FramePool, plan: &Plan, camera: Arc<str>) -> Result<(), Reason> {
    let allocator = SlotAllocator::new(pool);
    allocator.set_format(plan.target.format());
    allocator.set_when_no_slot(if plan.lossless() {
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

#[cfg(test)]
mod tests {
    use super::stretched;

    #[test]
    fn pictures_are_scaled_and_never_stretched() {
        for (found, wanted) in [
            ((1920, 1080), (Some(640), Some(360))),
            ((1366, 768), (Some(640), Some(360))),
            ((1366, 768), (Some(640), Some(359))),
            ((640, 480), (Some(640), Some(480))),
            ((1280, 720), (Some(640), None)),
        ] {
            assert_eq!(stretched(found, wanted), None, "{found:?} {wanted:?}");
        }
        for (found, height) in [((1280, 720), 360), ((640, 480), 480), ((480, 640), 853)] {
            let why = stretched(found, (Some(640), Some(640))).expect("stretched");
            assert!(why.contains(&format!("height = {height}")), "{why}");
        }
    }
}
