//! Where the belt is and when a part is due: in encoder counts, or in time.

use super::encoder::{Doubt, EncoderWatch};
use sightline_configs::station::{Gate, GateAt};
use sightline_domain::{MonoTime, Trigger};
use std::time::Duration;

/// A gate setting out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("gate.{field}: expected {expected}, found {found}; correct the number")]
pub struct GateConfigError {
    /// Which.
    pub field: &'static str,
    /// What it may be.
    pub expected: &'static str,
    /// What it is.
    pub found: f64,
}

/// What the position of the belt is measured in, and how far the gate is from the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follow {
    Counts(i64),
    Nanos(i64),
}

/// The belt from trigger to gate. Positions are encoder counts or monotonic nanoseconds.
#[derive(Debug)]
pub(super) struct Belt {
    follow: Follow,
    lead: Duration,
    /// From a command to the gate standing as commanded.
    actuation: Duration,
    watch: EncoderWatch,
    /// Somebody's order keeps the belt standing.
    held: bool,
    /// When it last began to.
    held_at: Option<MonoTime>,
    /// The last sample, where there was one.
    sampled: Option<(MonoTime, i64)>,
}

impl Belt {
    pub(super) fn new(gate: &Gate) -> Result<Self, GateConfigError> {
        let follow = match gate.at {
            GateAt::EncoderCounts(counts) if counts < 0 => {
                return Err(GateConfigError {
                    field: "at.encoder_counts",
                    expected: "0 or more",
                    found: counts as f64,
                });
            }
            GateAt::EncoderCounts(counts) => Follow::Counts(counts),
            GateAt::DelayMs(ms) => Follow::Nanos(nanos(millis("at.delay_ms", ms)?)),
        };
        let lead = millis("lead_ms", gate.lead_ms)?;
        let actuation = match gate.actuation_ms {
            Some(ms) => millis("actuation_ms", ms)?.min(lead),
            None => lead / 2,
        };
        let (Follow::Counts(way) | Follow::Nanos(way)) = follow;
        Ok(Self {
            follow,
            lead,
            actuation,
            watch: EncoderWatch::new(way, gate.max_counts_per_s),
            held: false,
            held_at: None,
            sampled: None,
        })
    }

    pub(super) fn by_encoder(&self) -> bool {
        matches!(self.follow, Follow::Counts(_))
    }

    /// From command to the part being at the gate.
    pub(super) fn lead(&self) -> Duration {
        self.lead
    }

    /// The position at which a part is at the gate; `None` without the encoder count that is needed.
    pub(super) fn at_gate(&self, trigger: &Trigger) -> Option<i64> {
        Some(match self.follow {
            Follow::Nanos(delay) => nanos_at(trigger.at).saturating_add(delay),
            Follow::Counts(counts) => trigger.encoder?.saturating_add(counts),
        })
    }

    /// Takes a sample; why the counts are not believed, where they are not.
    pub(super) fn observe(&mut self, now: MonoTime, encoder: Option<i64>) -> Option<Doubt> {
        if !self.by_encoder() {
            return None;
        }
        let doubt = self.watch.observe(now, encoder, self.held);
        self.sampled = encoder.map(|counts| (now, counts));
        doubt
    }

    /// Whether the belt stands by somebody's order from now on. True: it begins to.
    pub(super) fn hold(&mut self, held: bool, now: MonoTime) -> bool {
        let begins = held && !self.held;
        self.held = held;
        if begins {
            self.held_at = Some(now);
        }
        begins
    }

    /// Whether it stands by somebody's order.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Whether the belt has stood by somebody's order since a part was at its trigger `at`.
    pub(super) fn has_been_held_since(&self, at: MonoTime) -> bool {
        self.held || self.held_at.is_some_and(|began| at <= began)
    }

    /// Parts that set out now can be followed to the gate.
    pub(super) fn is_believed(&self) -> bool {
        match self.follow {
            Follow::Counts(_) => self.watch.is_believed(),
            Follow::Nanos(_) => !self.held,
        }
    }

    /// Whether a trigger fits what is known of the belt.
    pub(super) fn fits(&self, trigger: &Trigger) -> bool {
        let counts = trigger.encoder.filter(|_| self.by_encoder());
        counts.is_none_or(|counts| self.watch.fits(trigger.at, counts))
    }

    /// What was learned of where parts are does not hold any more.
    pub(super) fn doubt(&mut self) {
        self.watch.doubt();
    }

    /// The way from trigger to gate, in units of the position.
    pub(super) fn way_units(&self) -> i64 {
        let (Follow::Counts(way) | Follow::Nanos(way)) = self.follow;
        way
    }

    /// Whether a command that took effect on its way at `at` came too late for a part that is at the gate at `at_gate`.
    pub(super) fn is_late(&self, at_gate: i64, at: MonoTime) -> bool {
        let here = match (self.follow, self.sampled) {
            (Follow::Nanos(_), _) => nanos_at(at),
            (Follow::Counts(_), Some((then, counts))) => {
                counts.saturating_add(self.units(at.since(then)))
            }
            (Follow::Counts(_), None) => return true,
        };
        here > at_gate.saturating_sub(self.units(self.actuation))
    }

    /// How long it has stood when it is let run now.
    pub(super) fn stood_until(&self, now: MonoTime) -> Option<Duration> {
        self.held_at.filter(|_| self.held).map(|at| now.since(at))
    }

    /// A duration in units of the position, at the speed the belt has or can have at once: one that stands or slows down
    /// runs again before anybody can move the gate.
    pub(super) fn units(&self, d: Duration) -> i64 {
        match self.follow {
            Follow::Nanos(_) => nanos(d),
            Follow::Counts(_) => (d.as_secs_f64() * self.watch.running_speed()).ceil() as i64,
        }
    }

    /// Where the belt is; `None` without the encoder that is followed.
    pub(super) fn position(&self, now: MonoTime, encoder: Option<i64>) -> Option<i64> {
        match self.follow {
            Follow::Nanos(_) => Some(nanos_at(now)),
            Follow::Counts(_) => encoder,
        }
    }

    /// How much of the way from trigger to gate a part has behind it, 0 to 1.
    pub(super) fn way(&self, at_gate: i64, now: MonoTime, encoder: Option<i64>) -> Option<f32> {
        let (Follow::Counts(whole) | Follow::Nanos(whole)) = self.follow;
        let left = at_gate.saturating_sub(self.position(now, encoder)?);
        Some((1.0 - left as f32 / whole.max(1) as f32).clamp(0.0, 1.0))
    }

    /// Whether the command for a part that is at the gate at `at_gate` must be given.
    pub(super) fn is_due(&self, at_gate: i64, now: MonoTime, encoder: Option<i64>) -> bool {
        let due = at_gate.saturating_sub(self.units(self.lead));
        self.position(now, encoder).is_some_and(|p| p >= due)
    }

    /// When it must be given; `None` while the belt stands or nobody knows.
    pub(super) fn due(
        &self,
        at_gate: i64,
        now: MonoTime,
        encoder: Option<i64>,
    ) -> Option<MonoTime> {
        let due = at_gate.saturating_sub(self.units(self.lead));
        if !self.by_encoder() {
            return Some(MonoTime(u64::try_from(due).unwrap_or(0)));
        }
        let counts = due.saturating_sub(encoder?);
        if counts <= 0 {
            return Some(now);
        }
        let speed = self.watch.speed();
        let wait = |speed: f64| Duration::from_secs_f64((counts as f64 / speed).min(3_600.0));
        (speed > 0.0).then(|| now + wait(speed))
    }
}

pub(super) fn millis(field: &'static str, ms: f64) -> Result<Duration, GateConfigError> {
    if (0.0..=86_400_000.0).contains(&ms) {
        return Ok(Duration::from_secs_f64(ms / 1e3));
    }
    Err(GateConfigError {
        field,
        expected: "0 to 86400000 ms",
        found: ms,
    })
}

fn nanos(d: Duration) -> i64 {
    i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)
}

fn nanos_at(t: MonoTime) -> i64 {
    i64::try_from(t.0).unwrap_or(i64::MAX)
}
