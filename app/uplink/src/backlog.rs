//! A backlog gives way to the inspection: what has piled up goes in small helpings, between parts.
//!
//! The station's own share of draining has a low priority, the broker's has not: where both run on one box, a full window
//! is tens of milliseconds of a core for the broker, just when a part may come. So a backlog keeps a small window, and
//! holds while a part is under inspection. What is no backlog never waits here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Results of a backlog in flight at once, at most: a few milliseconds of the broker's work. As many or fewer that wait
/// for their acknowledgement, the next ones included, are no backlog.
pub(crate) const HELPING: usize = 64;
/// A line that is never idle lets one helping go so often: 640 results a second, more than one line makes.
const AT_LEAST_EVERY: Duration = Duration::from_millis(100);
/// While it holds, the gauge is looked at so often.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// Says when the next helping of a backlog may go.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Parts under inspection.
    inspecting: Arc<AtomicUsize>,
    /// Since the last helping, or since a part came.
    held_since: Option<Instant>,
}

impl Turn {
    pub(crate) fn new(inspecting: Arc<AtomicUsize>) -> Self {
        Self {
            inspecting,
            held_since: None,
        }
    }

    /// True: a helping may go now. False: to be asked again after [`LOOK`].
    pub(crate) fn has_come(&mut self, now: Instant) -> bool {
        if self.inspecting.load(Ordering::Relaxed) == 0 {
            self.held_since = None;
            return true;
        }
        let since = *self.held_since.get_or_insert(now);
        let over = now.duration_since(since) >= AT_LEAST_EVERY;
        if over {
            self.held_since = Some(now);
        }
        over
    }
}

/// The same for a backlog that nothing acknowledges, message by message.
#[derive(Debug)]
pub(crate) struct BacklogThrottle {
    turn: Turn,
    left: usize,
}

impl BacklogThrottle {
    pub(crate) fn new(inspecting: Arc<AtomicUsize>) -> Self {
        Self {
            turn: Turn::new(inspecting),
            left: 0,
        }
    }

    /// True: the next message may go now. False: to be asked again after [`LOOK`].
    pub(crate) fn lets_pass(&mut self, now: Instant) -> bool {
        if self.left == 0 && self.turn.has_come(now) {
            self.left = HELPING;
        }
        let passes = self.left > 0;
        self.left -= usize::from(passes);
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments, in ms, of so many looks 1 ms apart at which a helping went; `inspecting(ms)` is the gauge.
    fn helpings(looks: u64, inspecting: impl Fn(u64) -> usize) -> Vec<u64> {
        let gauge = Arc::new(AtomicUsize::new(0));
        let mut turn = Turn::new(gauge.clone());
        let begin = Instant::now();
        let went = |ms: &u64| {
            gauge.store(inspecting(*ms), Ordering::Relaxed);
            turn.has_come(begin + Duration::from_millis(*ms))
        };
        (0..looks).filter(went).collect()
    }

    #[test]
    fn nothing_holds_a_backlog_while_no_part_is_under_inspection() {
        assert_eq!(helpings(500, |_| 0).len(), 500);
    }

    #[test]
    fn a_backlog_holds_while_a_part_is_under_inspection_and_goes_on_at_once_after_it() {
        // A part every 100 ms, for 35 ms.
        let went = helpings(1_000, |ms| usize::from(ms % 100 < 35));
        let expected: Vec<u64> = (0..1_000).filter(|ms| ms % 100 >= 35).collect();
        assert_eq!(went, expected);
    }

    #[test]
    fn a_line_that_is_never_idle_lets_a_helping_go_every_100_ms() {
        let went = helpings(1_000, |_| 3);
        assert_eq!(went, [100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }

    #[test]
    fn messages_that_nothing_acknowledges_go_in_helpings_while_a_part_is_under_inspection() {
        let gauge = Arc::new(AtomicUsize::new(3));
        let mut helpings = BacklogThrottle::new(gauge.clone());
        let begin = Instant::now();
        let mut passed = |ms| {
            let now = begin + Duration::from_millis(ms);
            (0..1_000).filter(|_| helpings.lets_pass(now)).count()
        };
        let went: Vec<usize> = (0..300).map(&mut passed).collect();
        let full = |ms: &usize| went[*ms] == HELPING;
        assert_eq!((0..300).filter(full).collect::<Vec<_>>(), [100, 200]);
        assert_eq!(went.iter().sum::<usize>(), 2 * HELPING);
        gauge.store(0, Ordering::Relaxed);
        assert_eq!(passed(301), 1_000, "nothing holds them");
    }

    #[test]
    fn the_wait_of_one_part_is_not_counted_for_the_next() {
        // 90 ms each, 1 ms of idle between: no helping within a part.
        let went = helpings(910, |ms| usize::from(ms % 91 != 90));
        assert_eq!(went, (0..10).map(|part| part * 91 + 90).collect::<Vec<_>>());
    }
}
