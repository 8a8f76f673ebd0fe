//! Playing a file at its own pace: frames leave as far apart as their time stamps say.

use crate::link::StopFlag;
use std::time::{Duration, Instant};

/// Later than this the file's pace is taken up anew instead of being caught up with.
const TOO_LATE: Duration = Duration::from_millis(500);

/// Counts from the first frame, however long the file took to open; a time stamp that goes back begins anew.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// A moment and the time stamp that was due then.
    anchor: Option<(Instant, Duration)>,
    last: Duration,
}

impl Pace {
    /// How long the frame with this time stamp waits.
    fn wait(&mut self, pts: Duration, now: Instant) -> Duration {
        let due = self
            .anchor
            .filter(|_| pts >= self.last)
            .map(|(at, first)| at + pts.saturating_sub(first));
        self.last = pts;
        match due {
            Some(due) if now.saturating_duration_since(due) < TOO_LATE => {
                due.saturating_duration_since(now)
            }
            _ => {
                self.anchor = Some((now, pts));
                Duration::ZERO
            }
        }
    }

    /// Sleeps until the frame is due, or the session is stopped.
    pub(super) fn keep(&mut self, pts_ns: Option<u64>, stop: &StopFlag) {
        if let Some(pts) = pts_ns {
            stop.sleep(self.wait(Duration::from_nanos(pts), Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_wait_for_their_time_and_late_ones_do_not() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(
            pace.wait(ms(1_000), start),
            ms(0),
            "the first sets the time"
        );
        assert_eq!(pace.wait(ms(1_040), start + ms(10)), ms(30));
        assert_eq!(pace.wait(ms(1_080), start + ms(90)), ms(0));
        assert_eq!(
            pace.wait(ms(1_120), start + ms(100)),
            ms(20),
            "a little lateness is caught up with"
        );
        assert_eq!(pace.wait(ms(1_160), start + ms(5_000)), ms(0));
        assert_eq!(
            pace.wait(ms(1_200), start + ms(5_000)),
            ms(40),
            "a long one is not"
        );
        assert_eq!(
            pace.wait(ms(0), start + ms(5_100)),
            ms(0),
            "the file begins again"
        );
        assert_eq!(pace.wait(ms(40), start + ms(5_100)), ms(40));
    }
}
