//! What one connection leaves to the next: refused topics, held results, whom to blame, and how long to wait.

use crate::backoff::Backoff;
use crate::mqtt::{Kind, Trouble};
use crate::refusals::Refusals;
use crate::settings::Patience;
use crate::suspicion::Suspicion;
use std::time::Duration;
use tokio::time::Instant;

/// Waits between attempts to connect double from here to there.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The same where somebody else uses this client's id.
const CONTENDED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// So many connections in a row that the broker closed without a reason are told.
pub(crate) const UNSTEADY: usize = 4;

/// How a connection went, for the wait before the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Went {
    /// How long it stood; `None`: it was never made.
    pub stood: Option<Duration>,
    /// The broker acknowledged something.
    pub acknowledged: bool,
    /// Nothing was in flight whose refusal could be the reason of its end.
    pub unprovoked: bool,
}

/// When to connect again.
#[derive(Debug)]
pub(crate) struct Reconnecting {
    usual: Backoff,
    contended: Backoff,
    steady: Duration,
    /// Connections in a row that the broker closed without a reason.
    closed: usize,
}

impl Reconnecting {
    pub(crate) fn new(steady: Duration) -> Self {
        Self {
            usual: Backoff::new(RECONNECT.0, RECONNECT.1),
            contended: Backoff::new(CONTENDED.0, CONTENDED.1),
            steady,
            closed: 0,
        }
    }

    /// The wait after a connection that went so, and how many the broker closed without a reason when that is to be told.
    pub(crate) fn after(&mut self, trouble: &Trouble, went: Went) -> (Duration, Option<usize>) {
        // A broker that takes something and then says why it ends the connection will say it again.
        let by_broker = matches!(
            trouble.kind,
            Kind::Quota | Kind::TooLarge | Kind::NotAuthorised | Kind::Refused
        );
        let long = went.stood.is_some_and(|stood| stood >= RECONNECT.1);
        if went.acknowledged && (long || !by_broker) {
            self.usual.reset();
        }
        let taken_over = trouble.kind == Kind::TakenOver;
        match went.stood {
            None => self.closed = 0,
            Some(stood) if stood >= self.steady => {
                self.closed = 0;
                self.contended.reset();
            }
            Some(_) if taken_over || (trouble.kind == Kind::Closed && went.unprovoked) => {
                self.closed += 1;
            }
            Some(_) => {}
        }
        let unsteady = self.closed >= UNSTEADY;
        let wait = match taken_over || unsteady {
            true => self.contended.wait(),
            false => self.usual.wait(),
        };
        (wait, (unsteady && !taken_over).then_some(self.closed))
    }
}

/// What is remembered of the broker.
#[derive(Debug)]
pub(crate) struct Past {
    pub refusals: Refusals,
    pub suspicion: Suspicion,
    pub reconnecting: Reconnecting,
    /// After a refusal no result is sent until then.
    pub hold: Option<Instant>,
    pub holding: Backoff,
}

impl Past {
    pub(crate) fn new(patience: &Patience) -> Self {
        Self {
            refusals: Refusals::new(patience),
            suspicion: Suspicion::default(),
            reconnecting: Reconnecting::new(patience.steady),
            hold: None,
            holding: Backoff::new(patience.hold_first, patience.hold_longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn waits(kind: Kind, went: Went, n: usize) -> Vec<f64> {
        let mut reconnecting = Reconnecting::new(120 * SECOND);
        let trouble = Trouble::new(kind, "x");
        let wait = |_| reconnecting.after(&trouble, went).0.as_secs_f64();
        (0..n).map(wait).collect()
    }

    const QUIET: Went = Went {
        stood: Some(SECOND),
        acknowledged: true,
        unprovoked: true,
    };

    #[test]
    fn waits_grow_until_something_was_acknowledged() {
        let never = Went {
            acknowledged: false,
            ..QUIET
        };
        let waits_never = waits(Kind::Quota, never, 8);
        assert!(waits_never[7] >= 4.0, "{waits_never:?}");
        let ended = waits(Kind::Quota, QUIET, 8);
        assert!(ended[7] >= 4.0, "the broker says why: {ended:?}");
        let long = Went {
            stood: Some(10 * SECOND),
            ..QUIET
        };
        for worked in [waits(Kind::Away, QUIET, 8), waits(Kind::Quota, long, 8)] {
            assert!(worked.iter().all(|w| *w < 0.3), "{worked:?}");
        }
    }

    #[test]
    fn two_clients_with_one_id_do_not_throw_each_other_out_several_times_a_second() {
        let closed = waits(Kind::Closed, QUIET, 12);
        assert!(closed.iter().sum::<f64>() > 150.0, "{closed:?}");
        let taken = waits(Kind::TakenOver, QUIET, 8);
        assert!(taken.iter().sum::<f64>() > 100.0, "{taken:?}");
    }

    #[test]
    fn connections_that_are_closed_without_a_reason_are_told_unless_the_broker_was_away() {
        let mut reconnecting = Reconnecting::new(120 * SECOND);
        let closed = Trouble::new(Kind::Closed, "x");
        let away = Went {
            stood: None,
            ..QUIET
        };
        for went in [QUIET, QUIET, QUIET, away, QUIET, QUIET, QUIET] {
            assert_eq!(reconnecting.after(&closed, went).1, None);
        }
        assert_eq!(reconnecting.after(&closed, QUIET).1, Some(4));
    }
}
