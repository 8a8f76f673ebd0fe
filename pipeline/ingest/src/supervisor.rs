//! The state machine of one camera: `(event, now) -> actions`, without threads, sleeping or GStreamer.
//!
//! ```text
//!            alive                no frame            no frame
//! connecting -----> live -----------------> stalled -----------+
//!   ^  |  no frame   | ^                     |    ^            |
//!   |  | or lost     | +---------------------+    |            |
//!   |  v             |          alive                          v
//! retrying <---------+-- lost                              retrying
//!   |
//!   +--> failed, when as many attempts as allowed brought no frame
//! ```
//!
//! Parts hear that the camera is down when its source is closed: while it only stalls, a frame may still come in time.

use crate::state::{Action, CameraState, Event, Limits, Reason, Standing};
use sightline_domain::MonoTime;
use std::time::Duration;

/// A source that ran for so long and then gave up waiting for a silent camera is not broken.
const RAN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Supervisor {
    limits: Limits,
    standing: Standing,
    /// Attempts since the camera was last live for long enough to be trusted: what the back-off doubles with.
    failures: u32,
    last_alive: MonoTime,
    told_down: bool,
}

impl Supervisor {
    /// A camera that is to be opened now: carry out [`Action::Open`] first.
    pub(crate) fn new(limits: Limits, now: MonoTime) -> Self {
        Self {
            standing: Standing {
                state: CameraState::Connecting,
                reason: "opening the source".into(),
                since: now,
                attempts: 1,
                next_retry: None,
            },
            limits,
            failures: 0,
            last_alive: now,
            told_down: false,
        }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Takes note of frames that were counted but not announced one by one.
    pub(crate) fn saw_frame(&mut self, at: MonoTime) {
        self.last_alive = self.last_alive.max(at);
    }

    /// The next moment at which time alone changes something.
    pub(crate) fn wakes_at(&self) -> Option<MonoTime> {
        match self.standing.state {
            CameraState::Connecting => Some(self.standing.since + self.limits.connect),
            CameraState::Live => self.limits.stall.map(|stall| self.last_alive + stall),
            CameraState::Stalled => self.limits.stall.map(|stall| self.standing.since + stall),
            CameraState::Retrying => self.standing.next_retry,
            CameraState::Unusable | CameraState::Failed | CameraState::Ended => None,
        }
    }

    pub(crate) fn handle(&mut self, event: Event, now: MonoTime) -> Vec<Action> {
        use CameraState::{Connecting, Ended, Failed, Live, Retrying, Stalled, Unusable};
        match (self.standing.state, event) {
            (Unusable | Failed | Ended, _) => Vec::new(),
            (Connecting | Stalled, Event::Alive) => self.go_live(now),
            (Live, Event::Alive) => {
                self.saw_frame(now);
                Vec::new()
            }
            // A word from a session that was closed meanwhile.
            (Retrying, Event::Alive | Event::Lost(_) | Event::Ended) => Vec::new(),
            (Live, Event::Lost(reason))
                if self.limits.is_silent && now.since(self.standing.since) >= RAN =>
            {
                self.go(Connecting, reason, now);
                self.standing.attempts = 1;
                vec![Action::Close, Action::Open]
            }
            (Connecting | Live | Stalled, Event::Lost(reason)) => self.give_up_session(reason, now),
            (Connecting | Live | Stalled, Event::Ended) => {
                self.go(Ended, "the source is at its end".into(), now);
                vec![Action::Close]
            }
            (_, Event::Tick) if self.wakes_at().is_none_or(|at| now < at) => Vec::new(),
            (Connecting, Event::Tick) => {
                let waited = self.limits.connect.as_millis();
                self.give_up_session(
                    format!("expected a first frame within {waited} ms of opening, found none")
                        .into(),
                    now,
                )
            }
            (Live, Event::Tick) => {
                self.stall(now);
                Vec::new()
            }
            (Stalled, Event::Tick) => {
                let reason = self.standing.reason.clone();
                self.give_up_session(reason, now)
            }
            (Retrying, Event::Tick) => self.reopen(now),
        }
    }

    fn go(&mut self, state: CameraState, reason: Reason, now: MonoTime) {
        self.standing.state = state;
        self.standing.reason = reason;
        self.standing.since = now;
        self.standing.next_retry = None;
    }

    fn go_live(&mut self, now: MonoTime) -> Vec<Action> {
        let reason = match self.limits.is_silent {
            true => "its source stands; frames come with triggers",
            false => "frames arrive",
        };
        self.go(CameraState::Live, reason.into(), now);
        self.standing.attempts = 0;
        self.last_alive = now;
        self.told_down = false;
        Vec::new()
    }

    fn stall(&mut self, now: MonoTime) {
        let stall_ms = self.limits.stall.unwrap_or_default().as_millis();
        self.go(
            CameraState::Stalled,
            format!("expected a frame every {stall_ms} ms, found none for longer").into(),
            now,
        );
    }

    fn reopen(&mut self, now: MonoTime) -> Vec<Action> {
        let reason = self.standing.reason.clone();
        self.go(CameraState::Connecting, reason, now);
        self.standing.attempts += 1;
        vec![Action::Open]
    }

    /// Closes the source and waits, or gives up for good.
    fn give_up_session(&mut self, reason: Reason, now: MonoTime) -> Vec<Action> {
        let trusted = Duration::from_millis(self.limits.retry.max_ms);
        if self.standing.state == CameraState::Live && now.since(self.standing.since) > trusted {
            self.failures = 0;
        }
        let spent = self.standing.attempts;
        // Told first: closing can take a while, and parts wait for the word.
        let mut actions = self.tell_down();
        actions.push(Action::Close);
        if self
            .limits
            .retry
            .give_up_after
            .is_some_and(|most| spent >= most)
        {
            self.go(
                CameraState::Failed,
                format!("gave up after {spent} attempts without a frame; the last: {reason}")
                    .into(),
                now,
            );
        } else {
            self.go(CameraState::Retrying, reason, now);
            self.standing.next_retry = Some(now + self.limits.wait(self.failures));
            self.failures = self.failures.saturating_add(1);
        }
        actions
    }

    fn tell_down(&mut self) -> Vec<Action> {
        let first = !std::mem::replace(&mut self.told_down, true);
        first.then_some(Action::TellDown).into_iter().collect()
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
