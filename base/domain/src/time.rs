//! Time: monotonic for arithmetic, UTC for people, both behind [`Clock`] so that a test can drive them.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since an arbitrary start that never steps back (the process's clock was made).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MonoTime(pub u64);

impl MonoTime {
    /// `self - earlier`, zero where `earlier` is later.
    pub fn since(self, earlier: MonoTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Signed distance `self - other` in microseconds.
    pub fn signed_us(self, other: MonoTime) -> i64 {
        (self.0 as i128 - other.0 as i128).div_euclid(1_000) as i64
    }
}

impl std::ops::Add<Duration> for MonoTime {
    type Output = MonoTime;
    fn add(self, d: Duration) -> MonoTime {
        MonoTime(self.0.saturating_add(d.as_nanos() as u64))
    }
}

impl std::ops::Sub<Duration> for MonoTime {
    type Output = MonoTime;
    fn sub(self, d: Duration) -> MonoTime {
        MonoTime(self.0.saturating_sub(d.as_nanos() as u64))
    }
}

/// Microseconds since 1970-01-01T00:00:00Z, for people and for other machines; it may step.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UtcMicros(pub i64);

impl UtcMicros {
    /// RFC 3339 with microseconds and `Z`, e.g. `2026-01-31T08:00:00.000001Z` (proleptic Gregorian,
    /// Howard Hinnant's `civil_from_days`).
    pub fn to_rfc3339(self) -> String {
        let (secs, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let (days, sod) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        let (h, m, s) = (sod / 3_600, sod / 60 % 60, sod % 60);
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{micros:06}Z")
    }

    /// Reads what [`UtcMicros::to_rfc3339`] writes (Howard Hinnant's `days_from_civil`), a date alone as its midnight,
    /// and fewer or no decimals of a second; `None` for anything else.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, time.strip_suffix('Z')?),
            None => (text, "00:00:00"),
        };
        let (clock, decimals) = time.split_once('.').unwrap_or((time, "0"));
        let [y, m, d] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let in_range = (1..=12).contains(&m) && (1..=31).contains(&d) && hour < 24;
        if !in_range || minute > 59 || second > 60 || !(1..=6).contains(&decimals.len()) {
            return None;
        }
        let micros = digits(decimals)? * 10_i64.pow(6 - decimals.len() as u32);
        let y = y - i64::from(m <= 2);
        let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
        let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        let days = era * 146_097 + doe - 719_468;
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self(seconds * 1_000_000 + micros))
    }
}

/// Digits only: `parse` would also take a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    text.parse().ok()
}

/// Three numbers of so many digits, separated.
fn numbers(text: &str, separator: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut out = [0; 3];
    for (slot, length) in out.iter_mut().zip(lengths) {
        *slot = digits(parts.next().filter(|p| p.len() == length)?)?;
    }
    parts.next().is_none().then_some(out)
}

/// Who says when something happened.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// This station made it happen: a file played, a simulated exposure, a trigger at a rate.
    #[default]
    Station,
    /// The device's driver, on this machine's monotonic clock.
    Driver,
    /// The sender's clock, brought by RTP time stamps and laid onto this machine's by arrivals.
    Rtp,
    /// The source's buffer time stamps, laid onto this machine's clock by arrivals.
    Stream,
    /// The message's own time stamp, by a clock that is held in step with this machine's.
    Message,
    /// Nothing but its arrival here.
    Arrival,
}

impl TimeSource {
    /// Every source, in an order that stays: recordings number them by it. New ones go to the end.
    pub const ALL: [Self; 6] = [
        Self::Station,
        Self::Driver,
        Self::Rtp,
        Self::Stream,
        Self::Message,
        Self::Arrival,
    ];

    /// The name in messages, e.g. `arrival`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Driver => "driver",
            Self::Rtp => "rtp",
            Self::Stream => "stream",
            Self::Message => "message",
            Self::Arrival => "arrival",
        }
    }
}

/// How well a moment is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// It lies within so much of what is said, to both sides.
    pub uncertainty: Duration,
    /// Who says it.
    pub source: TimeSource,
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Monotonic now.
    fn now(&self) -> MonoTime;
    /// Wall-clock now.
    fn utc(&self) -> UtcMicros;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> MonoTime {
        MonoTime(self.start.elapsed().as_nanos() as u64)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock the others are told to take"
    )]
    fn utc(&self) -> UtcMicros {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(d) => UtcMicros(d.as_micros() as i64),
            Err(e) => UtcMicros(-(e.duration().as_micros() as i64)),
        }
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug, Default)]
pub struct MockClock {
    mono_ns: AtomicU64,
    utc_us: AtomicI64,
}

impl MockClock {
    /// A clock at `mono` and `utc`.
    pub fn new(mono: MonoTime, utc: UtcMicros) -> Self {
        Self {
            mono_ns: AtomicU64::new(mono.0),
            utc_us: AtomicI64::new(utc.0),
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        self.mono_ns
            .fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
        self.utc_us
            .fetch_add(by.as_micros() as i64, Ordering::SeqCst);
    }

    /// Sets the monotonic clock to `to` if that is not earlier, and moves UTC by the same amount.
    pub fn advance_to(&self, to: MonoTime) {
        self.advance(to.since(self.now()));
    }

    /// Steps the wall clock alone, as an operator or NTP would.
    pub fn step_utc(&self, by_us: i64) {
        self.utc_us.fetch_add(by_us, Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> MonoTime {
        MonoTime(self.mono_ns.load(Ordering::SeqCst))
    }

    fn utc(&self) -> UtcMicros {
        UtcMicros(self.utc_us.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_written_as_rfc3339_with_microseconds() {
        assert_eq!(UtcMicros(0).to_rfc3339(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            UtcMicros(951_782_400_000_001).to_rfc3339(),
            "2000-02-29T00:00:00.000001Z"
        );
        assert_eq!(
            UtcMicros(4_102_444_799_999_999).to_rfc3339(),
            "2099-12-31T23:59:59.999999Z"
        );
        assert_eq!(UtcMicros(-1).to_rfc3339(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        for days in (-1_000..40_000).step_by(13) {
            let at = UtcMicros(days * 86_400_000_000 + 45_296_789_012);
            assert_eq!(UtcMicros::from_rfc3339(&at.to_rfc3339()), Some(at));
        }
        let day = UtcMicros::from_rfc3339("2000-02-29");
        assert_eq!(day, Some(UtcMicros(951_782_400_000_000)));
        assert_eq!(UtcMicros::from_rfc3339("2000-02-29T00:00:00Z"), day);
        let wrong = [
            "",
            "yesterday",
            "2000-2-29",
            "2000-13-01",
            "2000-02-29T00:00:00",
            "2000-02-29T+1:00:00Z",
            "2000-02-29T00:00:00.Z",
            "2000-02-29T00:00:00.1234567Z",
            "2000-02-29-01",
        ];
        for text in wrong {
            assert_eq!(UtcMicros::from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn stepping_the_wall_clock_leaves_the_monotonic_one() {
        let clock = MockClock::new(MonoTime(5), UtcMicros(1_000));
        clock.step_utc(-900);
        clock.advance(Duration::from_micros(2));
        assert_eq!(
            (clock.now(), clock.utc()),
            (MonoTime(2_005), UtcMicros(102))
        );
    }
}
