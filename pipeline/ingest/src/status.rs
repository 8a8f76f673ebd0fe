//! What a camera shows of itself: counters its threads keep without locks, and the supervisor's standing.

use crate::capture_time::Moment;
use crate::fitness::{self, NEVER, Unfit};
use crate::proof::Proof;
use crate::state::{CameraState, Reason, Standing};
use sightline_domain::{Health, Levels, MonoTime, TimeSource, Timing};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering::Relaxed},
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
    /// What is wrong with its pictures, and with which one that was certain.
    pub unfit: Vec<(Unfit, Reason)>,
    /// How its pictures' levels are read, and how that is known.
    pub levels: Option<LevelsKnown>,
    /// Everything that is counted.
    pub counts: CameraCounts,
}

/// Where a range or matrix is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownFrom {
    /// The source says it, or its format has only one.
    Source,
    /// The configuration says it.
    Setting,
    /// Nobody says it.
    Guess,
}

impl KnownFrom {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Setting => "setting",
            Self::Guess => "guessed",
        }
    }
}

/// How a camera's levels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelsKnown {
    /// Range and matrix of the source.
    pub levels: Levels,
    /// Where the range is known from.
    pub range: KnownFrom,
    /// Where the matrix is known from; `None` where there is none.
    pub matrix: Option<KnownFrom>,
}

impl LevelsKnown {
    /// Nobody says one of them.
    pub fn is_guessed(&self) -> bool {
        self.range == KnownFrom::Guess || self.matrix == Some(KnownFrom::Guess)
    }
}

impl std::fmt::Display for LevelsKnown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Levels { range, matrix } = self.levels;
        write!(f, "{} range ({})", range.name(), self.range.name())?;
        match self.matrix {
            Some(known) => write!(f, ", {} ({})", matrix.name(), known.name()),
            None => Ok(()),
        }
    }
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
    /// Hardly any contrast.
    pub flat: u64,
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
    flat: AtomicU64,
    /// What [`fitness::Fitness`] shows.
    shown: AtomicU16,
    causes: Mutex<[Option<Reason>; Unfit::ALL.len()]>,
    levels: Mutex<Option<LevelsKnown>>,
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
            Health::Flat => &self.flat,
        };
        Self::count(counter);
    }

    /// What is wrong with the pictures has changed; `cause` says it of the kind that the last one was.
    pub(crate) fn show_fitness(&self, shown: fitness::Shown, cause: Option<(Unfit, String)>) {
        if let Some((kind, words)) = cause {
            let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
            causes[kind as usize] = Some(words.into());
        }
        self.shown.store(shown, Relaxed);
    }

    fn unfit(&self) -> (Vec<(Unfit, Reason)>, Option<Reason>) {
        let shown = self.shown.load(Relaxed);
        if shown == 0 {
            return (Vec::new(), None);
        }
        let causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = |kind: Unfit| causes[kind as usize].clone().unwrap_or_default();
        let raised: Vec<_> = fitness::raised(shown)
            .map(|kind| (kind, cause(kind)))
            .collect();
        let why = match raised.first() {
            Some((_, why)) => Some(Reason::clone(why)),
            None if shown & NEVER != 0 => causes.iter().flatten().next().cloned(),
            None => None,
        };
        (raised, why)
    }

    pub(crate) fn show_levels(&self, levels: LevelsKnown) {
        *self.levels.lock().unwrap_or_else(PoisonError::into_inner) = Some(levels);
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
                flat: get(&self.flat),
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
        let (unfit, why) = stats.unfit();
        // Frames alone are not enough: what cannot be judged is no picture.
        let (state, reason) = match why {
            Some(why) if standing.state == CameraState::Live => (CameraState::Unusable, why),
            _ => (standing.state, standing.reason),
        };
        CameraStatus {
            state,
            reason,
            unfit,
            levels: *stats.levels.lock().unwrap_or_else(PoisonError::into_inner),
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
