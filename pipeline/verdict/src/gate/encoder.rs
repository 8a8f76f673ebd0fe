//! Whether the encoder can be believed: its counts held against time and against the speed the belt is known to run.
//!
//! A reset, a wrap of the counter, counts that run backwards, noise, and counts that stand while the belt runs all look
//! like motion to whoever only subtracts. After any of them nobody knows where a part is that set out before.

use super::speed::Speed;
use sightline_domain::MonoTime;
use std::time::Duration;

/// Counts that stay the same for longer than this, while the belt ran before, are a stop or a loss.
const STAND: Duration = Duration::from_millis(40);
/// Counts are believed again after they were plausible for so long.
const SETTLE: Duration = Duration::from_millis(100);
/// And for so many samples.
const SETTLE_SAMPLES: u32 = 5;
/// Samples in a row that agree on the belt's speed before it is learned.
const AGREE: u32 = 5;
/// Samples nearer than this say nothing about speed, us.
const STEP_US: i64 = 5_000;
/// A belt is not faster than this times the fastest speed it was learned to run at.
const FASTER: f64 = 1.5;
/// This share of the way from trigger to gate is backlash and rounding.
const SLACK_SHARE: i64 = 256;

/// Why the counts are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// No counts at all.
    Silent,
    /// Backwards, or further than the belt can have run.
    Jumped,
    /// The counts stand, and nobody is known to have stopped the belt.
    Stands,
}

/// Watches one encoder.
#[derive(Debug)]
pub(super) struct EncoderWatch {
    slack: i64,
    /// Counts a second the belt never exceeds, as configured.
    most: Option<f64>,
    speed: Speed,
    last: Option<(MonoTime, i64)>,
    /// For the belt's speed: samples far enough apart.
    step: Option<(MonoTime, i64)>,
    /// The highest count since it was believed.
    top: i64,
    moved: Option<MonoTime>,
    fastest: f64,
    agreeing: (u32, f64),
    clean: Option<(MonoTime, u32)>,
    believed: bool,
    stands: bool,
}

impl EncoderWatch {
    /// `way`: counts from trigger to gate. `most`: counts a second that the belt never exceeds; `None`: learned.
    pub(super) fn new(way: i64, most: Option<f64>) -> Self {
        Self {
            slack: (way / SLACK_SHARE).max(2),
            most,
            speed: Speed::default(),
            last: None,
            step: None,
            top: i64::MIN,
            moved: None,
            fastest: 0.0,
            agreeing: (0, 0.0),
            clean: None,
            believed: true,
            stands: false,
        }
    }

    /// Counts a second; 0 before the belt was seen moving.
    pub(super) fn speed(&self) -> f64 {
        self.speed.counts_per_s()
    }

    /// The same, and not less than it was learned to run at.
    pub(super) fn running_speed(&self) -> f64 {
        self.speed().max(self.fastest)
    }

    /// Parts that set out now can be followed.
    pub(super) fn is_believed(&self) -> bool {
        self.believed
    }

    /// Nothing that was learned of where parts are holds any more.
    pub(super) fn doubt(&mut self) {
        self.believed = false;
        self.clean = None;
        self.top = i64::MIN;
    }

    /// Takes a sample. `held`: the belt is known to stand by somebody's order. The doubt is told at every sample that
    /// gives one.
    pub(super) fn observe(
        &mut self,
        now: MonoTime,
        counts: Option<i64>,
        held: bool,
    ) -> Option<Doubt> {
        let Some(counts) = counts else {
            self.speed.forget();
            (self.last, self.step, self.moved) = (None, None, None);
            self.doubt();
            return Some(Doubt::Silent);
        };
        let jumped = !self.is_near(now, counts);
        let moved = self.last.is_none_or(|(_, before)| before != counts);
        self.last = Some((now, counts));
        if jumped {
            // it may be a belt that really became faster: rates that agree are learned here, too
            self.learn(now, counts);
            self.speed.forget();
            self.moved = Some(now);
            self.doubt();
            return Some(Doubt::Jumped);
        }
        self.top = self.top.max(counts);
        self.learn(now, counts);
        if moved || held || self.moved.is_none() {
            self.moved = Some(now);
            self.stands = false;
        }
        self.settle(now);
        let stands = !self.stands && self.speed() > 0.0 && self.has_stood(now);
        self.stands |= stands;
        stands.then_some(Doubt::Stands)
    }

    /// True if the belt can have come to `counts` since the last sample.
    fn is_near(&self, now: MonoTime, counts: i64) -> bool {
        let Some((then, before)) = self.last else {
            return true;
        };
        if counts < before.max(self.top).saturating_sub(self.slack) {
            return false;
        }
        let s = now.since(then).as_secs_f64();
        let most = self
            .most
            .or((self.fastest > 0.0).then_some(FASTER * self.fastest));
        let far = counts.saturating_sub(before).saturating_sub(self.slack) as f64;
        match most {
            Some(most) => far <= most * s,
            // not learned yet: only what no belt does within a few samples
            None => self.agreeing.1 <= 0.0 || far <= 4.0 * self.agreeing.1 * s,
        }
    }

    /// Whether a part that was at its trigger `at` with `counts` fits what is known of the belt. A part comes by belt:
    /// one that arrives while the counts stand says that counts are lost.
    pub(super) fn fits(&self, at: MonoTime, counts: i64) -> bool {
        let Some((then, before)) = self.last else {
            return true;
        };
        if self.most.is_none() && self.fastest <= 0.0 {
            return true;
        }
        let behind = then.since(at).as_secs_f64() * self.most.unwrap_or(FASTER * self.fastest);
        let not_before = counts.saturating_add(self.slack) as f64 + behind >= before as f64;
        let stood = self.stands || (self.speed() > 0.0 && self.has_stood(at));
        let moves = counts.saturating_sub(before) > self.slack;
        not_before && (counts <= before || self.is_near(at.max(then), counts)) && (!stood || moves)
    }

    fn has_stood(&self, at: MonoTime) -> bool {
        // an encoder of few counts stands between two of them
        let per_count = 4.0 / self.fastest.max(1e-3);
        let long = STAND.max(Duration::from_secs_f64(per_count.min(3_600.0)));
        self.fastest > 0.0 && self.moved.is_some_and(|moved| at.since(moved) > long)
    }

    /// Learns how fast the belt runs from samples that agree.
    fn learn(&mut self, now: MonoTime, counts: i64) {
        let Some((then, before)) = self.step else {
            self.step = Some((now, counts));
            self.speed.observe(now, counts);
            return;
        };
        let us = now.signed_us(then);
        if us < STEP_US {
            return;
        }
        self.step = Some((now, counts));
        self.speed.observe(now, counts);
        let rate = counts.saturating_sub(before) as f64 * 1e6 / us as f64;
        let (n, mean) = self.agreeing;
        self.agreeing = match n > 0 && rate > 0.5 * mean && rate < 2.0 * mean {
            true => (n + 1, mean + (rate - mean) / f64::from(n + 1)),
            false if rate > 0.0 => (1, rate),
            false => (0, 0.0),
        };
        if self.agreeing.0 >= AGREE {
            self.fastest = self.fastest.max(self.agreeing.1);
        }
    }

    fn settle(&mut self, now: MonoTime) {
        if self.believed {
            return;
        }
        let (since, samples) = self.clean.unwrap_or((now, 0));
        self.clean = Some((since, samples + 1));
        if now.since(since) >= SETTLE && samples + 1 >= SETTLE_SAMPLES {
            self.believed = true;
        }
    }
}
