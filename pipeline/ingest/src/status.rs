//! What a camera shows of itself: counters its threads keep without locks, and the supervisor's standing.

use crate::capture_time::Moment;
use crate::proof::Proof;
use crate::state::{CameraState, Reason, Standing};
use sightline_model::{Health, MonoTime, TimeSource, Timing};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A camera at one moment. Counters run from the camera's start, over all reconnections.
#[derive(Clone, Debug)]
pub struct CameraStatus {
    /// What it is doing.
    pub state: CameraState,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: MonoTime,
    /// Attempts to open the source since its last frame.
    pub attempts: u32,
    /// When it will be opened again, while retrying.
    pub next_retry: Option<MonoTime>,
    /// When the last frame arrived.
    pub last_frame: Option<MonoTime>,
    /// Frames per second, an average over about the last 16.
    pub fps: f64,
    /// How the time of the last frame was known, and how late it arrived beyond the least delay.
    pub timing: Option<(Timing, Duration)>,
    /// Mean distance of the frames' intervals from their average.
    pub jitter: Duration,
    /// What proves that its pictures are whole.
    pub proof: Proof,
    /// Everything that is counted.
    pub counts: CameraCounts,
}

/// Counters of a camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CameraCounts {
    /// Views handed to the sink.
    pub frames: u64,
    /// Frames the source numbered and never gave (gaps in frame numbers or time stamps).
    pub lost: u64,
    /// Frames that found no free slot.
    pub missed_no_slot: u64,
    /// Frames the sink had no room for.
    pub missed_overflow: u64,
    /// Frames or pictures that could not be decoded or did not fit.
    pub undecodable: u64,
    /// Frames that came in another size than the camera's first.
    pub wrong_size: u64,
    /// Times the host copied a frame's pixels on the way into its slot.
    pub host_copies: u64,
    /// Frames that arrived in memory that is not ours and had to be copied.
    pub foreign: u64,
    /// Warnings of the source (decoder errors it recovered from).
    pub warnings: u64,
    /// Views unfit to be judged, by reason.
    pub unhealthy: UnhealthyCounts,
}

/// Views unfit to be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnhealthyCounts {
    /// The same picture or number again.
    pub frozen: u64,
    /// Too dark.
    pub dark: u64,
    /// Too bright.
    pub bright: u64,
    /// Out of focus.
    pub out_of_focus: u64,
    /// Damaged.
    pub corrupt: u64,
}

/// The counters, shared by the camera's threads.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) frames: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) missed_no_slot: AtomicU64,
    pub(crate) missed_overflow: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) wrong_size: AtomicU64,
    pub(crate) host_copies: AtomicU64,
    pub(crate) foreign: AtomicU64,
    pub(crate) warnings: AtomicU64,
    frozen: AtomicU64,
    dark: AtomicU64,
    bright: AtomicU64,
    out_of_focus: AtomicU64,
    corrupt: AtomicU64,
    /// Nanoseconds, plus one so that 0 means never.
    last_frame: AtomicU64,
    /// Smoothed distance of frames, ns; written by the one thread that delivers.
    interval_ns: AtomicU64,
    jitter_ns: AtomicU64,
    /// Of the last frame: uncertainty, lateness, ns, and the number of its source plus one.
    uncertainty_ns: AtomicU64,
    late_ns: AtomicU64,
    time_source: AtomicU8,
    proof: AtomicU8,
    /// The supervisor wants to hear of the next frame.
    announce: AtomicBool,
}

impl Stats {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_health(&self, health: Health) {
        let counter = match health {
            Health::Ok | Health::Misaligned => return,
            Health::Frozen => &self.frozen,
            Health::TooDark => &self.dark,
            Health::TooBright => &self.bright,
            Health::OutOfFocus => &self.out_of_focus,
            Health::Corrupt => &self.corrupt,
        };
        Self::count(counter);
    }

    /// Notes a frame; true when the supervisor asked to hear of it.
    pub(crate) fn saw_frame(&self, at: MonoTime) -> bool {
        let before = self.last_frame.swap(at.0.saturating_add(1), Relaxed);
        if before != 0 {
            let step = (at.0 + 1).saturating_sub(before);
            let old = self.interval_ns.load(Relaxed);
            let new = if old == 0 {
                step
            } else {
                old - old / 16 + step / 16
            };
            self.interval_ns.store(new, Relaxed);
            let (off, jitter) = (step.abs_diff(new), self.jitter_ns.load(Relaxed));
            let jitter = jitter - jitter / 16 + off / 16;
            self.jitter_ns.store(jitter, Relaxed);
        }
        self.announce.load(Relaxed) && self.announce.swap(false, Relaxed)
    }

    pub(crate) fn saw_proof(&self, proof: Proof) {
        self.proof.store(proof.number(), Relaxed);
    }

    pub(crate) fn saw_timing(&self, moment: &Moment) {
        let ns = |d: Duration| d.as_nanos() as u64;
        self.uncertainty_ns
            .store(ns(moment.timing.uncertainty), Relaxed);
        self.late_ns.store(ns(moment.late), Relaxed);
        self.time_source
            .store(moment.timing.source as u8 + 1, Relaxed);
    }

    fn timing(&self) -> Option<(Timing, Duration)> {
        let source = self.time_source.load(Relaxed).checked_sub(1)?;
        let ns = |of: &AtomicU64| Duration::from_nanos(of.load(Relaxed));
        let timing = Timing {
            uncertainty: ns(&self.uncertainty_ns),
            source: *TimeSource::ALL.get(usize::from(source))?,
        };
        Some((timing, ns(&self.late_ns)))
    }

    pub(crate) fn ask_to_announce(&self) {
        self.announce.store(true, Relaxed);
    }

    pub(crate) fn last_frame(&self) -> Option<MonoTime> {
        self.last_frame.load(Relaxed).checked_sub(1).map(MonoTime)
    }

    fn fps(&self) -> f64 {
        match self.interval_ns.load(Relaxed) {
            0 => 0.0,
            ns => 1e9 / ns as f64,
        }
    }

    fn counts(&self) -> CameraCounts {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        CameraCounts {
            frames: get(&self.frames),
            lost: get(&self.lost),
            missed_no_slot: get(&self.missed_no_slot),
            missed_overflow: get(&self.missed_overflow),
            undecodable: get(&self.undecodable),
            wrong_size: get(&self.wrong_size),
            host_copies: get(&self.host_copies),
            foreign: get(&self.foreign),
            warnings: get(&self.warnings),
            unhealthy: UnhealthyCounts {
                frozen: get(&self.frozen),
                dark: get(&self.dark),
                bright: get(&self.bright),
                out_of_focus: get(&self.out_of_focus),
                corrupt: get(&self.corrupt),
            },
        }
    }
}

/// Where the supervisor leaves its standing for others to read.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Standing>);

impl Board {
    pub(crate) fn new(standing: Standing) -> Self {
        Self(Mutex::new(standing))
    }

    pub(crate) fn show(&self, standing: &Standing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing.clone();
    }

    pub(crate) fn state(&self) -> CameraState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).state
    }

    pub(crate) fn status(&self, stats: &Stats) -> CameraStatus {
        let standing = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        CameraStatus {
            state: standing.state,
            reason: standing.reason,
            since: standing.since,
            attempts: standing.attempts,
            next_retry: standing.next_retry,
            last_frame: stats.last_frame(),
            fps: if standing.state == CameraState::Live {
                stats.fps()
            } else {
                0.0
            },
            timing: stats.timing(),
            jitter: Duration::from_nanos(stats.jitter_ns.load(Relaxed)),
            proof: Proof::of_number(stats.proof.load(Relaxed)),
            counts: stats.counts(),
        }
    }
}
