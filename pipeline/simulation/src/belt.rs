//! The belt: position and encoder counts at any time, and the time at which a place is reached.

use serde::{Deserialize, Serialize};
use sightline_domain::MonoTime;
use std::time::Duration;

/// How the belt runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BeltSettings {
    /// Speed while it runs, mm/s.
    pub speed_mm_s: f64,
    /// Encoder counts per mm.
    pub counts_per_mm: f64,
    /// Smallest distance from one part to the next, mm.
    pub spacing_min_mm: f64,
    /// Largest distance from one part to the next, mm.
    pub spacing_max_mm: f64,
}

impl Default for BeltSettings {
    fn default() -> Self {
        Self {
            speed_mm_s: 200.0,
            counts_per_mm: 10.0,
            spacing_min_mm: 40.0,
            spacing_max_mm: 80.0,
        }
    }
}

/// A belt that runs at its speed or stands still, never backwards.
#[derive(Clone, Copy, Debug)]
pub struct Belt {
    speed_mm_s: f64,
    counts_per_mm: f64,
    since: MonoTime,
    since_mm: f64,
    running: bool,
}

impl Belt {
    /// A belt that starts at `start` at 0 mm.
    pub fn new(settings: &BeltSettings, start: MonoTime) -> Self {
        Self {
            speed_mm_s: settings.speed_mm_s,
            counts_per_mm: settings.counts_per_mm,
            since: start,
            since_mm: 0.0,
            running: true,
        }
    }

    /// How far the belt has run, mm. Times before the last stop or start give the position at that.
    pub fn position_mm(&self, at: MonoTime) -> f64 {
        if self.running {
            self.since_mm + self.speed_mm_s * at.since(self.since).as_secs_f64()
        } else {
            self.since_mm
        }
    }

    /// Encoder counts.
    pub fn encoder(&self, at: MonoTime) -> i64 {
        self.counts_at(self.position_mm(at))
    }

    /// Encoder counts at a position.
    pub fn counts_at(&self, mm: f64) -> i64 {
        (mm * self.counts_per_mm).floor() as i64
    }

    /// When the belt will have run `mm`; `None` while it stands still before that. A position already reached gives a
    /// time that is not later than the last stop or start.
    pub fn time_at(&self, mm: f64) -> Option<MonoTime> {
        if mm <= self.since_mm {
            return Some(self.since);
        }
        self.running
            .then(|| self.since + Duration::from_secs_f64((mm - self.since_mm) / self.speed_mm_s))
    }

    /// True while it runs.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Stops (`false`) or starts (`true`) it at once.
    pub fn run(&mut self, running: bool, at: MonoTime) {
        if running != self.running {
            self.since_mm = self.position_mm(at);
            self.since = self.since.max(at);
            self.running = running;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_held_belt_stands_and_goes_on_from_there() {
        let ms = |ms: u64| MonoTime(ms * 1_000_000);
        let mut belt = Belt::new(&BeltSettings::default(), ms(1_000));
        assert_eq!(belt.encoder(ms(2_000)), 2_000);
        belt.run(false, ms(2_000));
        assert_eq!(belt.time_at(210.0), None);
        assert_eq!(belt.encoder(ms(60_000)), 2_000);
        belt.run(true, ms(60_000));
        assert_eq!(belt.time_at(210.0), Some(ms(60_050)));
        assert_eq!(belt.encoder(ms(60_050)), 2_100);
    }

    proptest! {
        #[test]
        fn the_encoder_never_runs_backwards(steps in proptest::collection::vec((0u64..400_000_000, any::<bool>()), 1..60)) {
            let mut belt = Belt::new(&BeltSettings::default(), MonoTime(5));
            let (mut now, mut last) = (MonoTime(5), 0);
            for (step, running) in steps {
                now = now + Duration::from_nanos(step);
                prop_assert!(belt.encoder(now) >= last);
                last = belt.encoder(now);
                belt.run(running, now);
                prop_assert_eq!(belt.encoder(now), last);
                // Asked for a time before the last stop or start it gives the position at that.
                prop_assert!(belt.encoder(MonoTime(0)) <= last);
                prop_assert_eq!(belt.encoder(MonoTime(0)), belt.counts_at(belt.since_mm));
                if running {
                    let at = belt.time_at(belt.position_mm(now) + 7.0).expect("it runs");
                    prop_assert!((belt.position_mm(at) - belt.position_mm(now) - 7.0).abs() < 1e-3);
                }
            }
        }
    }
}
