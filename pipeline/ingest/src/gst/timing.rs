//! Which clock a pipeline's pictures run by, and when each was captured.

use super::{numbering::Marks, rtp_time::RtpTimes};
use crate::{
    capture_time::{CaptureTime, Moment, Reach},
    proof::Proof,
};
use gstreamer::{self as gst, prelude::*};
use sightline_configs::station::{Expects, Source};
use sightline_domain::{MonoTime, TimeSource, Timing};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// A frame by the machine's own clock cannot be older than this, ns.
const OLDEST: u64 = 2_000_000_000;
/// What drivers' and GStreamer's clocks differ by.
const DRIVER_GRAIN: Duration = Duration::from_millis(1);

/// How the time of a pipeline's pictures is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// A file: it is played here.
    Station,
    /// A device of this machine, whose time stamps are those of the pipeline's clock.
    Driver,
    /// Somebody else's time stamps.
    Stream,
    /// Time stamps are made on arrival, or there are none.
    Arrival,
}

impl Basis {
    /// What such a source proves of raw pictures.
    pub(super) fn proof(self) -> Proof {
        match self {
            Self::Station => Proof::Files,
            Self::Driver => Proof::Driver,
            Self::Stream | Self::Arrival => Proof::Nothing,
        }
    }

    /// Looks at the source and at the elements it brings.
    pub(super) fn of(source: &Source, pipeline: &gst::Pipeline) -> (Self, Reach) {
        match source {
            Source::Rtsp { .. } => (Self::Stream, Reach::Network),
            Source::V4l2 { .. } => (Self::Driver, Reach::Here),
            Source::Pipeline { .. } => Self::of_elements(pipeline),
            _ => (Self::Station, Reach::Here),
        }
    }

    fn of_elements(pipeline: &gst::Pipeline) -> (Self, Reach) {
        let sources = pipeline.iterate_recurse().into_iter().flatten();
        let mut sources = sources.filter(|e| e.element_flags().contains(gst::ElementFlags::SOURCE));
        let Some(source) = sources.next() else {
            return (Self::Stream, Reach::Network);
        };
        let factory = source.factory();
        let class = factory
            .as_ref()
            .and_then(|f| f.metadata("klass"))
            .unwrap_or_default();
        let name = factory.as_ref().map(|f| f.name()).unwrap_or_default();
        let is = |property: &str| {
            source.has_property(property)
                && source
                    .property_value(property)
                    .get::<bool>()
                    .unwrap_or(false)
        };
        // what comes through a pipe or from the application may have come over a network before
        let is_file = class.contains("File") && !name.starts_with("fd");
        let is_here = is_file || class.contains("Video") || class.contains("Device");
        match (is_here, is_file) {
            (true, true) => (Self::Station, Reach::Here),
            (true, false) if source.has_property("is-live") && !is("is-live") => {
                (Self::Station, Reach::Here)
            }
            (true, false) => (Self::Driver, Reach::Here),
            (false, _) if is("do-timestamp") => (Self::Arrival, Reach::Network),
            (false, _) => (Self::Stream, Reach::Network),
        }
    }
}

/// The pipeline's clock and when it began, known once it runs.
pub(super) type Running = Arc<OnceLock<(gst::Clock, gst::ClockTime)>>;

/// Says when frames of one session were captured.
pub(super) struct Timer {
    basis: Basis,
    rtp: RtpTimes,
    running: Running,
    time: CaptureTime,
    last_pts: Option<u64>,
}

impl Timer {
    pub(super) fn new(
        (basis, reach): (Basis, Reach),
        rtp: RtpTimes,
        running: Running,
        expects: Expects,
        arrival_uncertainty: Duration,
    ) -> Self {
        Self {
            basis,
            rtp,
            running,
            time: CaptureTime::new(reach, arrival_uncertainty, expects == Expects::Stream),
            last_pts: None,
        }
    }

    pub(super) fn moment(&mut self, marks: &Marks, arrival: MonoTime) -> Moment {
        let at_once = |uncertainty, source, late| Moment {
            captured: arrival - late,
            timing: Timing {
                uncertainty,
                source,
            },
            late,
            is_stale: false,
        };
        // a time stamp that stands still is none
        let last = std::mem::replace(&mut self.last_pts, marks.pts_ns);
        let pts = marks.pts_ns.filter(|pts| last != Some(*pts));
        if self.rtp.are_there() && self.basis != Basis::Station {
            return match pts {
                Some(sent) => self.time.stamped(sent, TimeSource::Rtp, arrival),
                None => self.time.arrived(arrival),
            };
        }
        match (self.basis, pts) {
            (Basis::Station, _) => at_once(Duration::ZERO, TimeSource::Station, Duration::ZERO),
            (Basis::Driver, Some(pts)) => match self.age(pts) {
                Some(age) => at_once(DRIVER_GRAIN, TimeSource::Driver, age),
                None => self.time.stamped(pts, TimeSource::Stream, arrival),
            },
            (Basis::Stream, Some(pts)) => self.time.stamped(pts, TimeSource::Stream, arrival),
            _ => self.time.arrived(arrival),
        }
    }

    /// How long ago this was by the pipeline's clock.
    fn age(&self, pts: u64) -> Option<Duration> {
        let (clock, base) = self.running.get()?;
        let now = clock.time().checked_sub(*base)?.nseconds();
        let age = now.checked_sub(pts).filter(|age| *age <= OLDEST)?;
        Some(Duration::from_nanos(age))
    }
}
