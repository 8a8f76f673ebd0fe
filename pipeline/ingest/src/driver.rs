//! The thread that owns a camera's source: it hears, asks the state machine, and does what it says.

use crate::{
    link::{Link, Told},
    session::{AtEnd, Session, Source},
    shared_tap::SharedTap,
    state::{Action, CameraState, Event},
    status::{Board, Stats},
    supervisor::Supervisor,
};
use sightline_domain::{CameraId, Clock, MissReason, MonoTime};
use sightline_frames::{Missed, TapSink, Tapped};
use sightline_queue::{Receiver, RecvTimeout, Sender};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// The longest sleep, so that a clock that is driven by hand is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Driver {
    pub(crate) name: Arc<str>,
    pub(crate) camera: CameraId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Arc<dyn TapSink>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) board: Arc<Board>,
    pub(crate) shared_tap: SharedTap,
    pub(crate) source: Box<dyn Source>,
    pub(crate) machine: Supervisor,
    pub(crate) told: Receiver<Told>,
    pub(crate) tell: Sender<Told>,
    /// Closes by drop.
    pub(crate) session: Option<Box<dyn Session>>,
    pub(crate) sessions: u64,
    /// Set from outside to end in order; looked at between any two words.
    pub(crate) stop: Arc<AtomicBool>,
    /// A word to the sink that found no room yet.
    pub(crate) untold: Option<Missed>,
}

impl Driver {
    pub(crate) fn run(mut self) {
        self.stats.ask_to_announce();
        self.carry_out(vec![Action::Open]);
        while !self.stop.load(Relaxed) {
            match self.told.recv_timeout(self.until_next_look()) {
                Err(RecvTimeout::Closed) => break,
                Ok(Told::Session(session, event)) if session == self.sessions => self.hear(event),
                Ok(Told::Session(..) | Told::Look) | Err(RecvTimeout::Timeout) => {}
            }
            self.look();
        }
        self.session = None;
        tracing::debug!(camera = &*self.name, "stopped");
    }

    fn until_next_look(&self) -> Duration {
        let now = self.clock.now();
        let due = self
            .machine
            .wakes_at()
            .map_or(LOOK_EVERY, |at| at.since(now));
        due.min(LOOK_EVERY)
    }

    /// What time and the shared counters say.
    fn look(&mut self) {
        if let Some(at) = self.stats.last_frame() {
            self.machine.saw_frame(at);
            let standing = self.machine.standing();
            let waits = matches!(
                standing.state,
                CameraState::Connecting | CameraState::Stalled
            );
            // The frame's own word may have found the queue full.
            if waits && at > standing.since {
                self.step(Event::Alive);
            }
        }
        self.step(Event::Tick);
        if let Some(missed) = self.untold.take()
            && self.machine.standing().state != CameraState::Live
        {
            self.tell_down(missed.at);
        }
    }

    /// An end is the session's to explain.
    fn hear(&mut self, event: Event) {
        let frames = self.stats.frames.load(Relaxed);
        match (&event, &mut self.session) {
            (Event::Ended, Some(session)) => match session.at_end(frames) {
                AtEnd::GoesOn => {}
                AtEnd::Ended => self.step(Event::Ended),
                AtEnd::Lost(reason) => self.step(Event::Lost(reason)),
            },
            _ => self.step(event),
        }
    }

    fn step(&mut self, event: Event) {
        let before = self.machine.standing().state;
        let actions = self.machine.handle(event, self.clock.now());
        let standing = self.machine.standing();
        if standing.state != before {
            self.board.show(standing);
            let (camera, state) = (&*self.name, standing.state.name());
            tracing::info!(
                camera,
                state,
                was = before.name(),
                reason = &*standing.reason,
                "camera"
            );
            if matches!(
                standing.state,
                CameraState::Connecting | CameraState::Stalled
            ) {
                self.stats.ask_to_announce();
            }
        }
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Open => self.open(),
                Action::Close => self.session = None,
                Action::TellDown => self.tell_down(self.clock.now()),
            }
        }
    }

    fn open(&mut self) {
        self.sessions += 1;
        let link = Link::new(self.sessions, self.tell.clone());
        match self.source.open(&self.shared_tap, link) {
            Ok(session) => self.session = Some(session),
            Err(reason) => self.step(Event::Lost(reason)),
        }
    }

    fn tell_down(&mut self, at: MonoTime) {
        let missed = Missed {
            camera: self.camera,
            frame_id: None,
            at,
            reason: MissReason::CameraDown,
        };
        self.untold = self
            .sink
            .deliver(Tapped::Missed(missed))
            .is_err()
            .then_some(missed);
    }
}
