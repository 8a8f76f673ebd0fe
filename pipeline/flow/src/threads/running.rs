//! Threads by name: started, pinned, waited for.

use crate::{FlowError, FlowEvents};
use sightline_domain::{Alarm, AlarmId, AlarmKind, Clock};
use sightline_queue::{Receiver, Sender, bounded};
use sightline_threads::{Place, Refused, Urgency};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// The flow's threads by name, and the word of each that has ended.
pub(crate) struct Threads {
    running: Vec<(String, JoinHandle<()>)>,
    ended: (Sender<String>, Receiver<String>),
    events: Arc<dyn FlowEvents>,
    clock: Arc<dyn Clock>,
    raised: bool,
}

/// Says that its thread has ended, and loudly if by a panic.
struct Ending {
    name: String,
    ended: Sender<String>,
    events: Arc<dyn FlowEvents>,
    clock: Arc<dyn Clock>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.events.alarm(alarm(
                AlarmKind::FlowDied.of(&self.name),
                format!(
                    "thread {} was to run until the station stops and has panicked; what it did is not done \
                     any more, parts are rejected; restart the station",
                    self.name
                ),
                &*self.clock,
            ));
        }
        let _ = self.ended.try_send(std::mem::take(&mut self.name));
    }
}

fn alarm(id: AlarmId, message: String, clock: &dyn Clock) -> Alarm {
    Alarm {
        id,
        active: true,
        since: clock.utc(),
        message,
    }
}

impl Threads {
    /// `raised`: threads get the priority their urgency asks for.
    pub(crate) fn new(events: Arc<dyn FlowEvents>, clock: Arc<dyn Clock>, raised: bool) -> Self {
        Self {
            running: Vec::new(),
            ended: bounded("threads-ended", 256),
            events,
            clock,
            raised,
        }
    }

    pub(crate) fn spawn(
        &mut self,
        name: &str,
        core: Option<usize>,
        urgency: Option<Urgency>,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), FlowError> {
        let ending = Ending {
            name: name.to_owned(),
            ended: self.ended.0.clone(),
            events: Arc::clone(&self.events),
            clock: Arc::clone(&self.clock),
        };
        let place = Place {
            core,
            urgency: urgency.filter(|_| self.raised),
        };
        let body = move || {
            let ending = ending;
            if let Err(refused) = place.take() {
                let what = match refused {
                    Refused::Core { .. } => AlarmKind::FlowUnpinned,
                    Refused::Urgency { .. } => AlarmKind::FlowNotRaised,
                };
                ending.events.alarm(alarm(
                    what.of(&ending.name),
                    format!("thread {} {refused}", ending.name),
                    &*ending.clock,
                ));
            }
            run();
        };
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body);
        let handle = spawned.map_err(|source| FlowError::Thread {
            name: name.to_owned(),
            source,
        })?;
        self.running.push((name.to_owned(), handle));
        Ok(())
    }

    /// Lets go of the threads whose names begin like this: nobody waits for them at the end.
    pub(crate) fn leave(&mut self, name: &str) {
        let is_it = |n: &str| n == name || n.strip_prefix(name).is_some_and(|r| r.starts_with('.'));
        self.running.retain(|(n, _)| !is_it(n));
    }

    /// Waits until the thread has ended.
    pub(crate) fn wait(&mut self, name: &str, until: Instant) {
        while self.running.iter().any(|(n, _)| n == name) && self.next_end(until) {}
    }

    /// Waits until all have ended; those that have not by then are left to themselves, aloud.
    pub(crate) fn wait_all(&mut self, until: Instant) {
        while !self.running.is_empty() && self.next_end(until) {}
        for (name, _) in self.running.drain(..) {
            self.events.alarm(alarm(
                AlarmKind::FlowStuck.of(&name),
                format!("thread {name} was to end and has not; it is left to itself until the process ends"),
                &*self.clock,
            ));
        }
    }

    /// The next thread that ends; false: none in time.
    fn next_end(&mut self, until: Instant) -> bool {
        let Ok(name) = self.ended.1.recv_deadline(until) else {
            return false;
        };
        if let Some(at) = self.running.iter().position(|(n, _)| *n == name) {
            // it has said its last word, so this does not wait; a panic was told as an alarm
            let _ = self.running.swap_remove(at).1.join();
        }
        true
    }
}
