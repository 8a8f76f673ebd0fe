//! The gate between the threads: triggers register, the judge decides, the gate thread moves the driver. The schedule
//! is shared under one mutex that nobody holds for longer than one call into it.

use crate::FlowEvents;
use sightline_model::{Clock, MonoTime, Trigger};
use sightline_verdict::{
    Confirmation, GateCommand, GateCounters, GateDriver, GateSchedule, OnTheWay, Outcome,
    Registered,
};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The encoder is read, and confirmations are fetched, at least so often while parts are on their way.
const POLL: Duration = Duration::from_millis(20);
/// And while none is.
const LOOK: Duration = Duration::from_millis(100);

/// A gate: when parts are there, and what moves it.
pub struct GateSetup {
    /// When parts are there.
    pub schedule: GateSchedule,
    /// What moves it.
    pub driver: Box<dyn GateDriver>,
}

struct Shared {
    schedule: GateSchedule,
    /// Commands that no schedule can hold.
    immediate: VecDeque<GateCommand>,
    /// As read last.
    encoder: Option<i64>,
    closing: bool,
}

/// What triggers and judge hold of the gate.
pub(crate) struct GateLink {
    shared: Mutex<Shared>,
    wake: Condvar,
}

impl GateLink {
    pub(crate) fn new(schedule: GateSchedule, capacity: usize) -> Self {
        Self {
            shared: Mutex::new(Shared {
                schedule,
                immediate: VecDeque::with_capacity(capacity),
                encoder: None,
                closing: false,
            }),
            wake: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // the schedule does not panic half-way; and the gate must go on rejecting whatever happened to a thread
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part has set out; from now on it is rejected unless a verdict says otherwise. False: it was told before.
    pub(crate) fn register(&self, trigger: &Trigger, now: MonoTime) -> bool {
        let mut shared = self.lock();
        let alone = shared.schedule.coming() == 0;
        let registered = shared.schedule.register(trigger, now);
        if let Registered::Immediate(command) = registered {
            shared.immediate.push_back(command);
        }
        let wake = alone || matches!(registered, Registered::Immediate(_));
        drop(shared);
        if wake {
            self.wake.notify_one();
        }
        registered != Registered::Duplicate
    }

    /// The verdict; returns what really happens. A second verdict for a part changes nothing and returns `None`.
    pub(crate) fn decide(
        &self,
        trigger: &Trigger,
        asked: Outcome,
        now: MonoTime,
    ) -> Option<Outcome> {
        let mut shared = self.lock();
        let encoder = shared.encoder;
        let track = trigger.track_id;
        shared.schedule.decide(track, asked, now, encoder).ok()
    }

    pub(crate) fn acknowledge(&self, now: MonoTime) {
        self.lock().schedule.acknowledge(now);
        self.wake.notify_one();
    }

    pub(crate) fn counters(&self) -> GateCounters {
        self.lock().schedule.counters()
    }

    pub(crate) fn coming(&self) -> usize {
        self.lock().schedule.coming()
    }

    /// The next `most` parts at the gate, as the encoder was read last.
    pub(crate) fn on_the_way(&self, now: MonoTime, most: usize) -> Vec<OnTheWay> {
        let shared = self.lock();
        shared.schedule.on_the_way(now, shared.encoder, most)
    }

    /// No more parts come: the gate thread ends when the last one has passed, or after its patience.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }
}

/// The gate's own side: moves the driver.
pub(crate) struct GateCore {
    link: Arc<GateLink>,
    driver: Box<dyn GateDriver>,
    events: Arc<dyn FlowEvents>,
    clock: Arc<dyn Clock>,
    commands: Vec<GateCommand>,
    seen: Vec<Confirmation>,
    holding: bool,
}

impl GateCore {
    pub(crate) fn new(
        link: Arc<GateLink>,
        driver: Box<dyn GateDriver>,
        events: Arc<dyn FlowEvents>,
        clock: Arc<dyn Clock>,
        capacity: usize,
    ) -> Self {
        Self {
            link,
            driver,
            events,
            clock,
            commands: Vec::with_capacity(capacity),
            seen: Vec::with_capacity(capacity),
            holding: false,
        }
    }

    /// Does what is due now. Returns when to be called next at the latest, if anything is known to come.
    pub(crate) fn step(&mut self, now: MonoTime) -> Option<MonoTime> {
        // what was raised since last time is told even if the next lines clear it
        self.tell(now);
        let encoder = self.driver.encoder(now);
        self.driver.poll_confirmations(now, &mut self.seen);
        let link = Arc::clone(&self.link);
        let mut shared = link.lock();
        shared.encoder = encoder;
        for seen in self.seen.drain(..) {
            shared.schedule.confirmed(seen, now);
        }
        self.commands.extend(shared.immediate.drain(..));
        self.commands.extend(shared.schedule.poll(now, encoder));
        drop(shared);
        let commands = std::mem::take(&mut self.commands);
        for command in &commands {
            let moved = self.driver.actuate(command.track, command.disposition, now);
            if moved.is_err() {
                link.lock().schedule.failed(command.track, now);
            }
        }
        self.commands = commands;
        self.commands.clear();
        self.tell(now);
        link.lock().schedule.next_due(now, encoder)
    }

    /// Alarms, and whether the line is to stand.
    fn tell(&mut self, now: MonoTime) {
        let link = Arc::clone(&self.link);
        loop {
            let change = link.lock().schedule.next_alarm_change();
            let Some(alarm) = change else { break };
            let utc = self.clock.utc().0 - now.signed_us(alarm.since);
            self.events
                .alarm(alarm.to_alarm(sightline_model::UtcMicros(utc)));
        }
        let hold = link.lock().schedule.hold();
        if hold != self.holding {
            self.holding = hold;
            self.driver.hold(hold);
        }
    }

    /// Runs until the gate is closed and its last part has passed, or `patience` is over.
    pub(crate) fn run(mut self, patience: Duration) {
        let link = Arc::clone(&self.link);
        let mut give_up: Option<MonoTime> = None;
        loop {
            let now = self.clock.now();
            let due = self.step(now);
            let shared = link.lock();
            if shared.closing {
                let until = *give_up.get_or_insert(now + patience);
                if shared.schedule.coming() == 0 && shared.immediate.is_empty() || now >= until {
                    return;
                }
            }
            if !shared.immediate.is_empty() {
                continue;
            }
            let most = match shared.schedule.coming() {
                0 => LOOK,
                _ => POLL,
            };
            let wait = due.map_or(most, |t| t.since(self.clock.now()).min(most));
            if !wait.is_zero() {
                let woken = link.wake.wait_timeout(shared, wait);
                drop(woken.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}
