//! What the service manager is told (`sd_notify(3)`): ready, reloading, that it still decides, and that it ends. Without a
//! manager nothing is told.

use sd_notify::{NotifyState, notify};
use sightline_flow::{FlowCounters, FlowHandle};
use std::sync::Arc;
use std::time::Duration;

/// While a station is not ready, the manager waits so much longer, microseconds.
const LONGER_US: u32 = 60_000_000;

/// Cameras, engines and gate stand, or what is waited for. True: it has been told ready.
pub fn ready(stands: &Result<(), String>) -> bool {
    match stands {
        Ok(()) => tell(&[NotifyState::Ready, NotifyState::Status("inspects")]),
        // A station with a camera that is away rejects its parts: to start it again would help nobody.
        Err(waits) => tell(&[
            NotifyState::Status(waits),
            NotifyState::ExtendTimeoutUsec(LONGER_US),
        ]),
    }
    stands.is_ok()
}

/// It ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// Time between looks of the watchdog.
const LOOK: Duration = Duration::from_millis(500);

/// Feeds the manager's watchdog while parts get their results or none is owed: a station that decides nothing any more is
/// started again, however lively its other threads are. A thread of its own, because the main one may be building an engine
/// while the line goes on.
#[derive(Default)]
pub struct Watchdog {
    results: u64,
}

impl Watchdog {
    /// Looks as long as the flow is there, if the manager wants to be fed.
    pub fn start(flow: &Arc<FlowHandle>) -> std::io::Result<()> {
        if sd_notify::watchdog_enabled().is_none() {
            return Ok(());
        }
        let (flow, mut watchdog) = (Arc::downgrade(flow), Self::default());
        let run = move || {
            while let Some(flow) = flow.upgrade() {
                watchdog.look(&flow.counters());
                drop(flow);
                std::thread::sleep(LOOK);
            }
        };
        let thread = std::thread::Builder::new().name("sl-watchdog".into());
        thread.spawn(run).map(|_| ())
    }

    fn look(&mut self, counters: &FlowCounters) {
        let line = &counters.line;
        let taken = line.triggers - line.duplicate_triggers;
        if self.decides(taken, line.results, counters.open_parts) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn decides(&mut self, taken: u64, results: u64, open: usize) -> bool {
        let came = std::mem::replace(&mut self.results, results) < results;
        came || open == 0 && taken == results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_results_or_an_empty_line_feed_the_watchdog() {
        let mut watchdog = Watchdog::default();
        let mut look = |taken, results, open| watchdog.decides(taken, results, open);
        assert!(look(0, 0, 0), "idle");
        assert!(!look(3, 0, 3), "owed");
        assert!(!look(9, 0, 9), "parts come and nothing is decided");
        assert!(look(9, 1, 8), "a result");
        assert!(!look(9, 1, 0), "lost on the way");
        assert!(look(9, 9, 0), "all decided");
        assert!(look(9, 9, 0), "idle again");
    }
}
