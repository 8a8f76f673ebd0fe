//! A buffer becomes a view.

use super::{
    convert,
    damage::Damage,
    keys::Keys,
    levels::Said,
    numbering::{Marks, Numbering},
    pace::Pace,
    plan::Plan,
    shape::{self, Incoming, Target},
    timing::Timer,
};
use crate::{
    health::Origin,
    link::{Link, StopFlag},
    shared_tap::TapGuard,
    status::Stats,
    tap::{Arrival, Shape, Stamp},
};
use gstreamer as gst;
use sightline_domain::{FrameMeta, MissReason, UtcMicros};
use sightline_frames::{Lease, LeaseError, Tapped, View, lease_from_buffer};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// How long a lossless source sleeps before it looks for a free slot again.
const NO_SLOT_PAUSE: Duration = Duration::from_micros(500);

/// Held by the outlet, dropped with it.
pub(super) struct Capture {
    pub(super) tap: TapGuard,
    pub(super) link: Link,
    pub(super) stop: StopFlag,
    pub(super) lossless: bool,
    /// For files played at their own pace.
    pace: Option<Pace>,
    numbering: Numbering,
    timer: Timer,
    damage: Damage,
    /// What comes, and its shape in a slot.
    shape: Option<(Incoming, Shape)>,
    target: Target,
    said: Said,
    keys: Keys,
    /// The source's own size is another than at first.
    resized: Arc<AtomicBool>,
    is_stale: bool,
}

impl Capture {
    pub(super) fn new(
        tap: TapGuard,
        link: Link,
        stop: StopFlag,
        plan: &Plan,
        timer: Timer,
        resized: Arc<AtomicBool>,
        (damage, said, keys): (Damage, Said, Keys),
    ) -> Self {
        Self {
            tap,
            link,
            stop,
            lossless: plan.lossless(),
            pace: plan.paced().then(Pace::default),
            numbering: Numbering::default(),
            timer,
            damage,
            shape: None,
            target: plan.target,
            said,
            keys,
            resized,
            is_stale: false,
        }
    }

    /// The frames that follow have these caps.
    pub(super) fn caps(&mut self, caps: &gst::CapsRef) {
        let made = shape::of_caps(caps, &self.target, &self.said);
        self.shape =
            made.map_err(|why| self.link.lost(why))
                .ok()
                .map(|(incoming, shape, known)| {
                    self.tap.stats().show_levels(known);
                    (incoming, shape)
                });
    }

    /// Takes a frame. The buffer is this call's alone, so that its memory goes back where it came from with the lease.
    pub(super) fn take(&mut self, buffer: gst::Buffer) {
        let marks = Marks::of(&buffer);
        if let Some(pace) = &mut self.pace {
            pace.keep(marks.pts_ns, &self.stop);
        }
        let stamp = self.stamp(&marks);
        self.tap.stats().saw_proof(self.damage.proof());
        let Some((incoming, mut shape)) = self.shape else {
            return;
        };
        shape.layout = incoming.planes(&buffer);
        let (frame_id, numbered) = self.numbering.number(marks);
        if self.resized.load(Relaxed) {
            let id = numbered.then_some(frame_id);
            return self.tap.miss(id, stamp.at, MissReason::Geometry);
        }
        let arrival = Arrival {
            frame_id,
            numbered,
            stamp,
            shape,
            host_copies: 0,
            origin: Origin {
                damaged: self.damage.has(&buffer),
                predicted: self.keys.predict(),
            },
        };
        let meta = self.tap.meta(&arrival);
        match self.lease(buffer, &incoming, meta) {
            Ok(lease) => self.deliver(lease, &arrival),
            Err(error) => self.refuse(&error, &arrival),
        }
    }

    /// When the frame was captured, and how well that is known.
    fn stamp(&mut self, marks: &Marks) -> Stamp {
        let now = self.tap.stamp();
        let moment = self.timer.moment(marks, now.at);
        self.tap.stats().saw_timing(&moment);
        if moment.is_stale && !std::mem::replace(&mut self.is_stale, true) {
            let late = moment.late.as_millis();
            self.link.lost(format!(
                "expected pictures as they are taken, found them {late} ms late for seconds; the source is opened anew"
            ));
        }
        let late_us = now.at.since(moment.captured).as_micros() as i64;
        Stamp {
            at: moment.captured,
            utc: UtcMicros(now.utc.0.saturating_sub(late_us)),
            timing: moment.timing,
        }
    }

    fn lease(
        &self,
        mut buffer: gst::Buffer,
        incoming: &Incoming,
        meta: FrameMeta,
    ) -> Result<Lease, LeaseError> {
        loop {
            let taken = if incoming.as_is {
                lease_from_buffer(&self.tap.pool, buffer, meta)
            } else {
                convert::convert(&self.tap.pool, buffer, incoming, meta)
            };
            match taken {
                Err(LeaseError::NoFreeSlot { buffer: back, .. })
                    if self.lossless && !self.stop.sleep(NO_SLOT_PAUSE) =>
                {
                    buffer = back;
                }
                done => return done,
            }
        }
    }

    fn deliver(&mut self, mut lease: Lease, arrival: &Arrival) {
        if lease.meta().host_copies > 0 {
            Stats::count(&self.tap.stats().foreign);
        }
        let health = self
            .tap
            .judge(arrival.frame_id, &lease.picture(), arrival.origin);
        lease.set_health(health);
        let view = View {
            lease,
            reference: None,
        };
        if self.lossless {
            let stop = &self.stop;
            self.tap
                .deliver_waiting(Tapped::View(view), |time| stop.sleep(time));
        } else {
            self.tap.deliver(view);
        }
    }

    fn refuse(&mut self, error: &LeaseError, arrival: &Arrival) {
        let (id, at) = (arrival.own_number(), arrival.stamp.at);
        match error {
            LeaseError::NoFreeSlot { .. } => self.tap.miss(id, at, MissReason::NoFreeSlot),
            LeaseError::SlotTooSmall {
                slot_bytes,
                needed_bytes,
                ..
            } => {
                self.tap.explain(error);
                self.tap.miss(id, at, MissReason::Undecodable);
                let Shape {
                    width,
                    height,
                    format,
                    ..
                } = arrival.shape;
                self.link.lost(format!(
                    "expected pictures of at most {slot_bytes} bytes, found {width}x{height} {} of {needed_bytes} \
                     bytes; raise `slot_bytes`, or set `width` and `height` to have it scaled",
                    format.name()
                ));
            }
            other => {
                tracing::debug!(error = %other, "a frame is left out");
                self.tap.explain(other);
                self.tap.miss(id, at, MissReason::Undecodable);
            }
        }
    }
}
