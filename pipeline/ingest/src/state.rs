//! The states of a camera and what its supervisor knows, hears and does.

use sightline_configs::station::Retry;
use sightline_domain::MonoTime;
use std::{sync::Arc, time::Duration};

/// What a camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CameraState {
    /// Its source is being opened; no frame yet.
    Connecting,
    /// Frames arrive when they are due.
    Live,
    /// Frames arrive, and none can be judged. Seen from outside only: its supervisor takes it for live.
    Unusable,
    /// No frame for longer than allowed; the source is still open.
    Stalled,
    /// Its source is closed and will be opened again.
    Retrying,
    /// Given up after as many attempts as allowed.
    Failed,
    /// A finite source came to its end.
    Ended,
}

impl CameraState {
    /// Lower-case name, for logs, status messages and alarms.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Unusable => "unusable",
            Self::Stalled => "stalled",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }
}

/// Why a camera is in its state: what was expected and found, for people.
pub type Reason = Arc<str>;

/// What happens to a camera.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A frame arrived, or a source that only gives frames on demand says it is ready.
    Alive,
    /// The source broke, with what it said.
    Lost(Reason),
    /// The source has no more frames and never will.
    Ended,
    /// Time passed.
    Tick,
}

/// What the supervisor's owner does about it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open the source.
    Open,
    /// Close the source.
    Close,
    /// Tell the sink that the camera is down.
    TellDown,
}

/// How long a camera may take for things.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// From opening to the first frame.
    pub(crate) connect: Duration,
    /// From frame to frame; `None` for sources that give frames on demand and say themselves when they break.
    pub(crate) stall: Option<Duration>,
    /// The camera is silent until it is triggered. A source that gives up waiting for it is opened again at once.
    pub(crate) is_silent: bool,
    /// Back-off.
    pub(crate) retry: Retry,
    /// Seed of the jitter.
    pub(crate) seed: u64,
}

impl Limits {
    /// The wait before attempt number `failures + 1`: doubled each time, plus or minus the jitter's share, never
    /// more than `max_ms`.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let Retry {
            first_ms,
            max_ms,
            jitter,
            ..
        } = self.retry;
        let doubled =
            first_ms.saturating_mul(1u64.checked_shl(failures.min(32)).unwrap_or(u64::MAX));
        let base = doubled.min(max_ms) as f64;
        let unit = unit(self.seed ^ u64::from(failures).rotate_left(32));
        let wait = base * (1.0 + jitter.clamp(0.0, 1.0) * (2.0 * unit - 1.0));
        Duration::from_secs_f64(wait.clamp(0.0, max_ms as f64) / 1_000.0)
    }
}

/// A number in 0..1 that belongs to `seed` (the finaliser of splitmix64): cameras that failed together try again apart.
fn unit(seed: u64) -> f64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// What the supervisor shows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) state: CameraState,
    pub(crate) reason: Reason,
    pub(crate) since: MonoTime,
    pub(crate) attempts: u32,
    pub(crate) next_retry: Option<MonoTime>,
}
