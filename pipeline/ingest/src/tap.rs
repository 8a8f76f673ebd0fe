//! The tap: where a frame gets its identity, its time and its health, and leaves for the sink.
//!
//! One a camera. Whoever captures (a GStreamer streaming thread or a source's own thread) holds it, so it takes no
//! lock; between two sessions it lies in its [`SharedTap`](crate::source::SharedTap), and two sessions can never deliver at once.

use crate::{
    fitness::{Fitness, Unfit},
    health::{HealthMonitor, Origin},
    link::Link,
    status::Stats,
};
use sightline_configs::station::HealthLimits;
use sightline_domain::{
    CameraId, Clock, FrameId, FrameMeta, Health, Levels, MissReason, MonoTime, PictureRef,
    PixelFormat, PlaneLayout, Timing, UtcMicros,
};
use sightline_frames::{FramePool, Lease, Missed, OpenSlot, TapSink, Tapped, View};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// How long a lossless source sleeps before it offers again what the sink had no room for.
const SINK_FULL_PAUSE: Duration = Duration::from_micros(500);

/// The moment of capture.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// When, for arithmetic.
    pub at: MonoTime,
    /// When, for people.
    pub utc: UtcMicros,
    /// How exactly that is known, and from what.
    pub timing: Timing,
}

/// Shape of a captured picture.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How a pixel is written.
    pub format: PixelFormat,
    /// Range and matrix of its values.
    pub levels: Levels,
    /// Where its planes lie in the slot.
    pub layout: PlaneLayout,
}

/// What is known of a captured frame besides its pixels.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its number; losses are counted from the gaps of numbers that are the source's own.
    pub frame_id: FrameId,
    /// The number is the source's own.
    pub numbered: bool,
    /// When it was captured.
    pub stamp: Stamp,
    /// Its shape.
    pub shape: Shape,
    /// How often the host copied it on its way into the slot.
    pub host_copies: u8,
    /// What the source itself says of the picture.
    pub origin: Origin,
}

/// Where a source delivers: it stamps, judges and counts what was captured, and hands it to the sink.
pub struct Tap {
    pub(crate) camera: CameraId,
    /// The camera's slots.
    pub pool: FramePool,
    sink: Arc<dyn TapSink>,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    health: HealthMonitor,
    fitness: Fitness,
    why: Option<String>,
    last_id: Option<FrameId>,
    link: Option<Link>,
}

impl Tap {
    pub(crate) fn new(
        camera: CameraId,
        pool: FramePool,
        sink: Arc<dyn TapSink>,
        clock: Arc<dyn Clock>,
        stats: Arc<Stats>,
        limits: &HealthLimits,
    ) -> Self {
        Self {
            camera,
            pool,
            sink,
            clock,
            stats,
            health: HealthMonitor::new(limits.clone()),
            fitness: Fitness::default(),
            why: None,
            last_id: None,
            link: None,
        }
    }

    /// A new session has it: frame numbers start over.
    pub(crate) fn begin_session(&mut self, link: Link) {
        self.link = Some(link);
        self.last_id = None;
        self.health.numbers_restart();
    }

    /// Now, as the time of something that this station does itself.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            at: self.clock.now(),
            utc: self.clock.utc(),
            timing: Timing::default(),
        }
    }

    fn saw_frame(&self) {
        if self.stats.saw_frame(self.clock.now())
            && let Some(link) = &self.link
        {
            link.alive();
        }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn stats_owned(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// The identity record of an arrival.
    pub fn meta(&self, arrival: &Arrival) -> FrameMeta {
        let Shape {
            width,
            height,
            format,
            levels,
            layout,
        } = arrival.shape;
        FrameMeta {
            camera: self.camera,
            frame_id: arrival.frame_id,
            captured: arrival.stamp.at,
            captured_utc: arrival.stamp.utc,
            timing: arrival.stamp.timing,
            numbered: arrival.numbered,
            width,
            height,
            format,
            levels,
            layout,
            health: Health::Ok,
            host_copies: arrival.host_copies,
        }
    }

    /// Judges and seals a picture that was written into a slot of ours. `None`, counted as undecodable, when its
    /// layout does not fit the slot.
    pub fn seal(&mut self, slot: OpenSlot, arrival: &Arrival) -> Option<Lease> {
        match slot.seal(self.meta(arrival)) {
            Ok(mut lease) => {
                let health = self.judge(arrival.frame_id, &lease.picture(), arrival.origin);
                lease.set_health(health);
                Some(lease)
            }
            Err(error) => {
                tracing::warn!(camera = %self.camera, %error, "a picture did not fit its slot");
                self.explain(&error);
                self.miss(
                    arrival.own_number(),
                    arrival.stamp.at,
                    MissReason::Undecodable,
                );
                None
            }
        }
    }

    /// The health of a picture, counted.
    pub fn judge(&mut self, id: FrameId, picture: &PictureRef<'_>, origin: Origin) -> Health {
        let health = self.health.judge(id, picture, origin);
        self.stats.count_health(health);
        self.weigh(Unfit::of(health), |tap| {
            let seen = tap.health.seen();
            let number = |of: fn(&crate::Measured) -> f32| seen.map_or(0.0, of);
            format!(
                "picture {id}: mean level {:.1}, contrast {:.1}, white {:.0} %, sharpness {:.1} of {:.1}",
                number(|s| s.level),
                number(|s| s.contrast),
                number(|s| s.white * 100.0),
                number(|s| s.sharpness),
                tap.health.focus_baseline().unwrap_or_default(),
                id = id.0,
            )
        });
        health
    }

    /// Why the miss that is told next is one.
    pub fn explain(&mut self, why: impl std::fmt::Display) {
        self.why = Some(why.to_string());
    }

    /// Weighs one more picture; the words are asked for only when they are to be shown.
    fn weigh(&mut self, what: Option<Unfit>, words: impl FnOnce(&Self) -> String) {
        if self.fitness.saw(what) {
            let cause = what.map(|kind| (kind, words(self)));
            self.stats.show_fitness(self.fitness.shown(), cause);
        }
    }

    /// Hands a view on; when the sink has no room, its miss instead.
    pub fn deliver(&mut self, view: View) {
        let meta = *view.lease.meta();
        self.note(own_number(&meta));
        self.stats
            .host_copies
            .fetch_add(meta.host_copies.into(), Relaxed);
        match self.sink.deliver(Tapped::View(view)) {
            Ok(()) => Stats::count(&self.stats.frames),
            Err(back) => {
                drop(back);
                self.hand_on_miss(own_number(&meta), meta.captured, MissReason::Overflow);
            }
        }
    }

    /// Hands an item on, waiting for room; false when `stopped` says so first.
    pub fn deliver_waiting(&mut self, item: Tapped, stopped: impl Fn(Duration) -> bool) -> bool {
        match &item {
            Tapped::View(view) => {
                let meta = view.lease.meta();
                self.note(own_number(meta));
                self.stats
                    .host_copies
                    .fetch_add(meta.host_copies.into(), Relaxed);
                Stats::count(&self.stats.frames);
            }
            Tapped::Missed(missed) => {
                self.count_miss(missed.reason);
                self.note(missed.frame_id);
            }
        }
        let mut item = item;
        while let Err(back) = self.sink.deliver(item) {
            if stopped(SINK_FULL_PAUSE) {
                return false;
            }
            item = back;
        }
        true
    }

    /// Tells the sink of a frame that was due and is not there.
    pub fn miss(&mut self, frame_id: Option<FrameId>, at: MonoTime, reason: MissReason) {
        self.note(frame_id);
        self.hand_on_miss(frame_id, at, reason);
    }

    /// The record of a frame that is not there; counted when it is delivered.
    pub fn missed(&self, frame_id: Option<FrameId>, at: MonoTime, reason: MissReason) -> Missed {
        Missed {
            camera: self.camera,
            frame_id,
            at,
            reason,
        }
    }

    fn hand_on_miss(&mut self, frame_id: Option<FrameId>, at: MonoTime, reason: MissReason) {
        self.count_miss(reason);
        let missed = self.missed(frame_id, at, reason);
        // With no room even for this the part's deadline closes it: it is NotDecidable either way.
        if self.sink.deliver(Tapped::Missed(missed)).is_err() && reason != MissReason::Overflow {
            Stats::count(&self.stats.missed_overflow);
        }
    }

    fn count_miss(&mut self, reason: MissReason) {
        let why = self.why.take();
        match reason {
            MissReason::NoFreeSlot => Stats::count(&self.stats.missed_no_slot),
            MissReason::Overflow => Stats::count(&self.stats.missed_overflow),
            MissReason::Undecodable => {
                Stats::count(&self.stats.undecodable);
                let words = |_: &Self| why.unwrap_or_else(|| "it cannot be decoded".into());
                self.weigh(Some(Unfit::Undecodable), words);
            }
            MissReason::Geometry => {
                Stats::count(&self.stats.wrong_size);
                let words = |_: &Self| why.unwrap_or_else(|| "another size than before".into());
                self.weigh(Some(Unfit::Size), words);
            }
            _ => {}
        }
    }

    /// Counts the gap before a frame number of the source's own and notes that the camera lives.
    fn note(&mut self, id: Option<FrameId>) {
        if let Some(id) = id
            && let Some(last) = self.last_id.replace(id)
        {
            let gap = id.0.saturating_sub(last.0).saturating_sub(1);
            self.stats.lost.fetch_add(gap, Relaxed);
        }
        self.saw_frame();
    }
}

fn own_number(meta: &FrameMeta) -> Option<FrameId> {
    meta.numbered.then_some(meta.frame_id)
}

impl Arrival {
    /// The frame's number, where the source itself counts.
    pub(crate) fn own_number(&self) -> Option<FrameId> {
        self.numbered.then_some(self.frame_id)
    }
}
