//! The batcher's thread.

use super::worker_load::failed;
use super::{BURST, JudgeSender, LOOK_AROUND, WorkerLoad};
use crate::FlowEvents;
use crate::batcher::{BatchCore, BatchOut};
use crate::counters::Counters;
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::JudgeInput;
use sightline_domain::{Alarm, AlarmKind, Clock, MonoTime};
use sightline_queue::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Takes triggers and views in, gives batches out.
pub(crate) struct BatchThread {
    pub core: BatchCore,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub load: Arc<WorkerLoad>,
    pub tally: Arc<Counters>,
    pub input: Receiver<FlowInput>,
    pub judge: JudgeSender,
    pub work: Sender<Box<Job>>,
    /// To take batches back when no engine is left.
    pub orphans: Receiver<Box<Job>>,
    /// Batches that come home empty.
    pub home: Receiver<Box<Job>>,
    pub batch_capacity: usize,
    pub patience: Duration,
    pub hang_after: Duration,
}

impl BatchThread {
    pub(crate) fn run(mut self) {
        let mut out = Vec::with_capacity(256);
        let mut blocked = false;
        let mut give_up: Option<MonoTime> = None;
        let mut hung = vec![false; self.load.alive.load(Ordering::SeqCst)];
        loop {
            let now = self.clock.now();
            let wake = self.core.next_wake(blocked);
            let wait = wake.map_or(LOOK_AROUND, |t| t.since(now)).min(LOOK_AROUND);
            let taken = self.take(wait, &mut out);
            blocked = self.pump(&mut out);
            self.tally.dealt.fetch_add(taken, Ordering::SeqCst);
            self.look_at_engines(&mut hung);
            if self.core.stopping {
                let now = self.clock.now();
                let until = *give_up.get_or_insert(now + self.patience);
                let idle = self.load.in_flight.load(Ordering::SeqCst) == 0;
                if (idle && self.core.waiting() == 0) || now >= until {
                    self.judge.tell(JudgeInput::End);
                    return;
                }
            }
        }
    }

    /// Waits for input and takes a burst of it. Returns how many items of those that sinks count.
    fn take(&mut self, wait: Duration, out: &mut Vec<BatchOut>) -> u64 {
        let mut counted = 0;
        let mut next = self.input.recv_timeout(wait).ok();
        let mut left = BURST;
        while let Some(item) = next {
            counted += u64::from(matches!(
                item,
                FlowInput::Trigger(_) | FlowInput::Tapped(_) | FlowInput::CameraDown(_)
            ));
            self.core.take(item, self.clock.now(), out);
            self.hand_on(out);
            left -= 1;
            // an item is taken out of the queue only to be dealt with
            next = (left > 0).then(|| self.input.try_recv()).flatten();
        }
        counted
    }

    /// Forms batches while engines have room. True: batches wait for room.
    fn pump(&mut self, out: &mut Vec<BatchOut>) -> bool {
        loop {
            let engines = self.load.engines(self.core.depth());
            let (home, capacity) = (&self.home, self.batch_capacity);
            let blank = || {
                let used = home.try_recv();
                used.unwrap_or_else(|| Box::new(Job::with_capacity(capacity)))
            };
            let blocked = self.core.pump(self.clock.now(), engines, blank, out);
            self.hand_on(out);
            if engines.alive == 0 {
                self.take_orphans();
            }
            if !blocked {
                return false;
            }
            // ask to be woken, then look again: room may have come in between
            self.load.wanted.store(true, Ordering::SeqCst);
            if self.load.engines(self.core.depth()).room == 0 {
                return true;
            }
        }
    }

    fn hand_on(&mut self, out: &mut Vec<BatchOut>) {
        for item in out.drain(..) {
            match item {
                BatchOut::Tell(said) => match said.waits_until() {
                    Some(deadline) => self.judge.mention(said, deadline),
                    None => self.judge.tell(said),
                },
                BatchOut::Switched(done) => {
                    let _ = done.try_send(());
                }
                BatchOut::Job(job) => {
                    self.load.in_flight.fetch_add(1, Ordering::SeqCst);
                    if let Err(closed) = self.work.send(job) {
                        self.judge.tell(failed(&self.load, closed.0));
                    }
                }
            }
        }
    }

    /// Without a single engine, what was given out comes back as failed.
    fn take_orphans(&self) {
        for job in self.orphans.drain() {
            self.judge.tell(failed(&self.load, job));
        }
    }

    fn look_at_engines(&self, hung: &mut [bool]) {
        let now = self.clock.now();
        for (n, hung) in hung.iter_mut().enumerate() {
            let since = self.load.busy_since(n).unwrap_or(0);
            let hangs = since != 0 && now.since(MonoTime(since)) > self.hang_after;
            if hangs != std::mem::replace(hung, hangs) {
                self.events.alarm(Alarm {
                    id: AlarmKind::EngineHung.of(n),
                    active: hangs,
                    since: self.clock.utc(),
                    message: format!(
                        "engine worker {n} was to answer a batch within {:?} and has not; its parts \
                         are rejected; roll the model back or activate one that works: this worker is then left behind",
                        self.hang_after
                    ),
                });
            }
        }
    }
}
