//! A worker's thread.

use super::WorkerLoad;
use super::worker_load::WorkerPlace;
use crate::active_generation::{ActiveGeneration, ModelEngines, WorkerEngines};
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::JudgeInput;
use crate::worker::EngineCore;
use crate::{FlowError, FlowEvents};
use crossbeam_channel::select;
use sightline_domain::{Alarm, AlarmId, AlarmKind, Clock, Generation};
use sightline_queue::{Queued, Receiver, SendError, Sender};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a worker is told beside its batches.
pub(crate) enum WorkerCommand {
    /// Take these engines in; answer whether that worked.
    Add(
        Arc<ActiveGeneration>,
        Offered,
        Sender<Result<(), FlowError>>,
    ),
    /// Let this generation's engines go.
    Remove(Generation),
}

/// Engines for a worker, until it takes them or they are taken back because it does not.
pub(crate) type Offered = Arc<Mutex<Option<WorkerEngines>>>;

/// Takes what is offered, if it still is.
pub(crate) fn take(offered: &Offered) -> Option<WorkerEngines> {
    offered
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

/// Runs batches on its own engines.
pub(crate) struct WorkerThread {
    pub core: EngineCore,
    pub index: usize,
    pub place: Arc<WorkerPlace>,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub load: Arc<WorkerLoad>,
    pub work: Receiver<Box<Job>>,
    pub control: Receiver<WorkerCommand>,
    pub judge: Sender<JudgeInput>,
    pub input: Sender<FlowInput>,
    /// Engines nobody needs, for a thread with time to drop them.
    pub retired: Sender<Vec<ModelEngines>>,
    /// After so long without work its engines are kept warm.
    pub keep_warm: Option<Duration>,
}

/// What a worker met while waiting.
enum Met {
    Job(Box<Job>),
    Command(WorkerCommand),
    /// Nothing came for as long as engines may be left alone.
    Nothing,
    End,
}

/// A worker that dies of its own bug is one worker less.
struct Alive(Arc<WorkerLoad>, Arc<WorkerPlace>);

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.1.is_left_behind() {
            self.0.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl WorkerThread {
    pub(crate) fn run(mut self) {
        let _alive = Alive(Arc::clone(&self.load), Arc::clone(&self.place));
        self.place.thread.join();
        let mut lame = false;
        while !self.place.is_left_behind() {
            while let Some(command) = self.control.try_recv() {
                lame &= !self.obey(command, lame);
            }
            let next = match (lame, self.core.in_flight()) {
                (true, 0) => match self.control.recv() {
                    Ok(command) => {
                        lame &= !self.obey(command, lame);
                        continue;
                    }
                    Err(_) => return,
                },
                (false, 0) => match self.wait() {
                    Met::Job(job) => Some(job),
                    Met::Command(command) => {
                        lame &= !self.obey(command, lame);
                        continue;
                    }
                    Met::Nothing => {
                        self.core.keep_warm();
                        None
                    }
                    Met::End => return,
                },
                (false, n) if n < self.core.depth() => self.work.try_recv(),
                _ => None,
            };
            if let Some(job) = next {
                self.begin(job);
            } else if let Some(job) = self.core.finish() {
                self.hand_on(job);
            }
            if self.core.repair() {
                self.place.works_with(self.core.teams());
            }
            if !lame && self.core.is_lame() {
                lame = true;
                self.give_up();
            }
        }
    }

    fn begin(&mut self, job: Box<Job>) {
        let now = self.clock.now().0.max(1);
        self.place.busy_since.store(now, Ordering::Relaxed);
        self.place.takes();
        while self.core.is_full_for(&job)
            && let Some(done) = self.core.finish()
        {
            self.hand_on(done);
        }
        if let Some(done) = self.core.begin(job) {
            self.hand_on(done);
        }
    }

    fn hand_on(&mut self, job: Box<Job>) {
        let busy = match self.core.in_flight() {
            0 => 0,
            _ => self.clock.now().0.max(1),
        };
        self.place.busy_since.store(busy, Ordering::Relaxed);
        if !self.place.gives(&self.load) {
            // its parts were decided without it
            return drop(job);
        }
        let _ = self.judge.send(JudgeInput::Done(job));
        if self.load.wanted.swap(false, Ordering::SeqCst) {
            // full: the batcher is awake anyway
            let _ = self.input.try_send(FlowInput::Freed);
        }
    }

    /// A job or a command, whichever comes first.
    fn wait(&self) -> Met {
        let idle = match self.keep_warm {
            Some(after) => crossbeam_channel::after(after),
            None => crossbeam_channel::never(),
        };
        select! {
            recv(idle) -> _ => Met::Nothing,
            recv(self.work.raw()) -> job => job.map_or(Met::End, |j: Queued<_>| Met::Job(j.into_inner())),
            recv(self.control.raw()) -> command => {
                command.map_or(Met::End, |c: Queued<_>| Met::Command(c.into_inner()))
            }
        }
    }

    /// True: a lame worker can work again.
    fn obey(&mut self, command: WorkerCommand, lame: bool) -> bool {
        match command {
            WorkerCommand::Add(live, engines, answer) => {
                let Some(engines) = take(&engines) else {
                    return false;
                };
                let added = self.core.add(live, engines);
                self.place.works_with(self.core.teams());
                let revived = lame && added.is_ok();
                if revived {
                    self.load.alive.fetch_add(1, Ordering::SeqCst);
                    let what = "it works again, with a new generation";
                    self.tell(AlarmKind::EngineStopped.of(self.index), false, what);
                    self.tell(AlarmKind::EngineNone.into(), false, what);
                }
                let _ = answer.try_send(added);
                revived
            }
            WorkerCommand::Remove(generation) => {
                let engines = self.core.remove(generation);
                self.place.works_with(self.core.teams());
                if let Err(SendError::Full(engines) | SendError::Closed(engines)) =
                    self.retired.try_send(engines)
                {
                    drop(engines);
                }
                false
            }
        }
    }

    /// Its engine is gone for good: the others go on without it.
    fn give_up(&mut self) {
        while let Some(job) = self.core.finish() {
            self.hand_on(job);
        }
        let left = self.load.alive.fetch_sub(1, Ordering::SeqCst) - 1;
        let what = "its engine failed and could not be made anew";
        self.tell(AlarmKind::EngineStopped.of(self.index), true, what);
        if left == 0 {
            let what = "no engine is left: every part is rejected";
            self.tell(AlarmKind::EngineNone.into(), true, what);
        }
        let _ = self.input.try_send(FlowInput::Freed);
    }

    fn tell(&self, id: AlarmId, active: bool, what: &str) {
        self.events.alarm(Alarm {
            id,
            active,
            since: self.clock.utc(),
            message: format!(
                "engine worker {}: {what}; activate a model that works, or restart the station",
                self.index
            ),
        });
    }
}
