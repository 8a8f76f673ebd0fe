//! The gate between the threads: triggers register, the judge decides, the gate thread moves the driver. The schedule
//! is shared under one mutex that nobody holds for longer than one call into it.

use crate::FlowEvents;
use crate::threads::ResultInput;
use sightline_domain::{Clock, MonoTime, Trigger};
use sightline_queue::{SendError, Sender};
use sightline_verdict::{
    Confirmation, Correction, GateCommand, GateCounters, GateDriver, GateSchedule, OnTheWay,
    Outcome, Registered,
};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The encoder is read, and confirmations are fetched, at least so often while parts are on their way.
const POLL: Duration = Duration::from_millis(20);
/// And while none is.
pub(crate) const LOOK: Duration = Duration::from_millis(100);
/// Corrections that may wait for the result thread; then the oldest gives way.
const CORRECTIONS: usize = 4_096;

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
    /// What went another way than was told, until the result thread has it.
    corrections: VecDeque<Correction>,
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
            corrections: VecDeque::with_capacity(64),
            holding: false,
        }
    }

    /// What is to be told because it went another way than was said.
    pub(crate) fn corrections(&mut self) -> &mut VecDeque<Correction> {
        &mut self.corrections
    }

    /// Does what is due now, and tells of it afterwards. Returns when to be called next at the latest, if anything is
    /// known to come.
    pub(crate) fn step(&mut self, now: MonoTime) -> Option<MonoTime> {
        let encoder = self.driver.encoder(now);
        let held = self.driver.is_held(now);
        self.driver.poll_confirmations(now, &mut self.seen);
        let link = Arc::clone(&self.link);
        let mut shared = link.lock();
        shared.encoder = encoder;
        shared.schedule.belt_held(held, now);
        for seen in self.seen.drain(..) {
            shared.schedule.confirmed(seen, now);
        }
        self.commands.extend(shared.immediate.drain(..));
        self.commands.extend(shared.schedule.poll(now, encoder));
        drop(shared);
        self.act(now);
        let mut shared = link.lock();
        let hold = shared.schedule.hold();
        while let Some(correction) = shared.schedule.next_correction() {
            if self.corrections.len() >= CORRECTIONS {
                self.corrections.pop_front();
            }
            self.corrections.push_back(correction);
        }
        drop(shared);
        if hold != self.holding {
            self.holding = hold;
            self.driver.hold(hold);
        }
        self.tell(now);
        link.lock().schedule.next_due(now, encoder)
    }

    /// Carries out what is due. Nothing else happens before: no log, no alarm.
    fn act(&mut self, now: MonoTime) {
        for command in &self.commands {
            let moved = self.driver.actuate(command.track, command.disposition, now);
            let mut shared = self.link.lock();
            match moved {
                // the process may have stood still since `now`
                Ok(()) => shared.schedule.acted(command.track, self.clock.now()),
                Err(_) => shared.schedule.failed(command.track, now),
            }
        }
        self.commands.clear();
    }

    fn tell(&mut self, now: MonoTime) {
        let link = Arc::clone(&self.link);
        loop {
            let change = link.lock().schedule.next_alarm_change();
            let Some(alarm) = change else { break };
            let utc = self.clock.utc().0 - now.signed_us(alarm.since);
            self.events
                .alarm(alarm.to_alarm(sightline_domain::UtcMicros(utc)));
        }
    }

    /// Runs until the gate is closed and its last part has passed, or `patience` is over. Corrections go to `results`.
    pub(crate) fn run(mut self, patience: Duration, results: &Sender<ResultInput>) {
        let link = Arc::clone(&self.link);
        let mut give_up: Option<MonoTime> = None;
        loop {
            let now = self.clock.now();
            let due = self.step(now);
            while let Some(correction) = self.corrections.pop_front() {
                // the result thread is behind: again at the next step
                if let Err(SendError::Full(_)) = results.try_send(ResultInput::Correct(correction))
                {
                    self.corrections.push_front(correction);
                    break;
                }
            }
            let shared = link.lock();
            if shared.closing {
                let until = *give_up.get_or_insert(now + patience);
                let settled = shared.schedule.is_settled(now) && shared.immediate.is_empty();
                if settled && self.corrections.is_empty() || now >= until {
                    return;
                }
            }
            if !shared.immediate.is_empty() {
                continue;
            }
            let most = match shared.schedule.is_settled(now) {
                true => LOOK,
                false => POLL,
            };
            let wait = due.map_or(most, |t| t.since(self.clock.now()).min(most));
            if !wait.is_zero() {
                let woken = link.wake.wait_timeout(shared, wait);
                drop(woken.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}
