//! What each thread does: wait, take, turn its state machine, hand on.

use crate::batcher::{BatchCore, BatchOut};
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::{Decided, JudgeCore, JudgeInput};
use crate::lane::Engines;
use crate::live::{Live, ModelEngines, WorkerEngines};
use crate::results::ResultCore;
use crate::worker::EngineCore;
use crate::{FlowError, FlowEvents};
use crossbeam_channel::select;
use sightline_model::{Alarm, AlarmId, AlarmSeverity, Clock, Generation, MissReason, MonoTime};
use sightline_queue::{Queued, Receiver, RecvTimeout, SendError, Sender};
use sightline_verdict::Dossier;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Items taken in one go before what is due by time is looked after.
const BURST: usize = 64;
/// A thread without anything to wait for looks around so often.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// What batcher and workers know of each other.
pub(crate) struct Crew {
    /// Workers that work.
    pub alive: AtomicUsize,
    /// Batches given out and not yet handed on to the judge.
    pub in_flight: AtomicUsize,
    /// The batcher waits for room.
    pub wanted: AtomicBool,
    /// Per worker: since when it has been busy with a batch, ns; 0 when it is not.
    pub busy_since: Vec<AtomicU64>,
}

impl Crew {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            alive: AtomicUsize::new(workers),
            in_flight: AtomicUsize::new(0),
            wanted: AtomicBool::new(false),
            busy_since: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn engines(&self) -> Engines {
        let alive = self.alive.load(Ordering::SeqCst);
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        Engines {
            alive,
            room: (2 * alive).saturating_sub(in_flight),
            idle: alive.saturating_sub(in_flight),
        }
    }
}

/// The batcher's thread.
pub(crate) struct BatchThread {
    pub core: BatchCore,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub crew: Arc<Crew>,
    pub tally: Arc<crate::counters::Tally>,
    pub input: Receiver<FlowInput>,
    pub judge: Sender<JudgeInput>,
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
        let mut hung = vec![false; self.crew.busy_since.len()];
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
                let idle = self.crew.in_flight.load(Ordering::SeqCst) == 0;
                if (idle && self.core.waiting() == 0) || now >= until {
                    let _ = self.judge.send(JudgeInput::End);
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
            let engines = self.crew.engines();
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
            self.crew.wanted.store(true, Ordering::SeqCst);
            if self.crew.engines().room == 0 {
                return true;
            }
        }
    }

    fn hand_on(&mut self, out: &mut Vec<BatchOut>) {
        for item in out.drain(..) {
            let said = match item {
                BatchOut::Open {
                    live,
                    trigger,
                    room,
                } => JudgeInput::Open {
                    live,
                    trigger,
                    room,
                },
                BatchOut::Arrived { tag, meta } => JudgeInput::Arrived { tag, meta },
                BatchOut::Missed {
                    track,
                    view,
                    reason,
                    meta,
                } => JudgeInput::Missed {
                    track,
                    view,
                    reason,
                    meta,
                },
                BatchOut::Superseded(generation) => JudgeInput::Superseded(generation),
                BatchOut::Switched(done) => {
                    let _ = done.try_send(());
                    continue;
                }
                BatchOut::Job(job) => {
                    self.crew.in_flight.fetch_add(1, Ordering::SeqCst);
                    let Err(closed) = self.work.send(job) else {
                        continue;
                    };
                    failed(&self.crew, closed.0)
                }
            };
            // the judge outlives the batcher; if it died, the gate rejects by itself
            let _ = self.judge.send(said);
        }
    }

    /// Without a single engine, what was given out comes back as failed.
    fn take_orphans(&self) {
        for job in self.orphans.drain() {
            let _ = self.judge.send(failed(&self.crew, job));
        }
    }

    fn look_at_engines(&self, hung: &mut [bool]) {
        let now = self.clock.now();
        for (n, (since, hung)) in self.crew.busy_since.iter().zip(hung).enumerate() {
            let since = since.load(Ordering::Relaxed);
            let hangs = since != 0 && now.since(MonoTime(since)) > self.hang_after;
            if hangs != std::mem::replace(hung, hangs) {
                self.events.alarm(Alarm {
                    id: AlarmId(format!("engine.{n}.hung").into()),
                    active: hangs,
                    severity: AlarmSeverity::Urgent,
                    since: self.clock.utc(),
                    message: format!(
                        "engine worker {n} was to answer a batch within {:?} and has not; its parts \
                         are rejected; restart the station if it does not come back",
                        self.hang_after
                    ),
                });
            }
        }
    }
}

/// A batch that no engine ran.
fn failed(crew: &Crew, mut job: Box<Job>) -> JudgeInput {
    crew.in_flight.fetch_sub(1, Ordering::SeqCst);
    job.fail(MissReason::EngineFault);
    JudgeInput::Done(job)
}

/// What a worker is told beside its batches.
pub(crate) enum WorkerCommand {
    /// Take these engines in; answer whether that worked.
    Add(Arc<Live>, WorkerEngines, Sender<Result<(), FlowError>>),
    /// Let this generation's engines go.
    Remove(Generation),
}

/// A worker's thread.
pub(crate) struct WorkerThread {
    pub core: EngineCore,
    pub index: usize,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub crew: Arc<Crew>,
    pub work: Receiver<Box<Job>>,
    pub control: Receiver<WorkerCommand>,
    pub judge: Sender<JudgeInput>,
    pub input: Sender<FlowInput>,
    /// Engines nobody needs, for a thread with time to drop them.
    pub retired: Sender<Vec<ModelEngines>>,
}

/// What a worker met while waiting.
enum Met {
    Job(Box<Job>),
    Command(WorkerCommand),
    End,
}

/// A worker that dies of its own bug is one worker less.
struct Alive(Arc<Crew>);

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl WorkerThread {
    pub(crate) fn run(mut self) {
        let _alive = Alive(Arc::clone(&self.crew));
        let mut lame = false;
        loop {
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
            self.core.repair();
            if !lame && self.core.is_lame() {
                lame = true;
                self.give_up();
            }
        }
    }

    fn begin(&mut self, job: Box<Job>) {
        let now = self.clock.now().0.max(1);
        self.crew.busy_since[self.index].store(now, Ordering::Relaxed);
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
        self.crew.busy_since[self.index].store(busy, Ordering::Relaxed);
        let _ = self.judge.send(JudgeInput::Done(job));
        self.crew.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.crew.wanted.swap(false, Ordering::SeqCst) {
            // full: the batcher is awake anyway
            let _ = self.input.try_send(FlowInput::Freed);
        }
    }

    /// A job or a command, whichever comes first.
    fn wait(&self) -> Met {
        select! {
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
                let added = self.core.add(live, engines);
                let revived = lame && added.is_ok();
                if revived {
                    self.crew.alive.fetch_add(1, Ordering::SeqCst);
                    self.tell(false, "it works again, with a new generation".to_owned());
                }
                let _ = answer.try_send(added);
                revived
            }
            WorkerCommand::Remove(generation) => {
                let engines = self.core.remove(generation);
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
        let left = self.crew.alive.fetch_sub(1, Ordering::SeqCst) - 1;
        let others = match left {
            0 => "no engine is left: every part is rejected".to_owned(),
            n => format!("{n} go on without it"),
        };
        self.tell(
            true,
            format!("its engine failed and could not be made anew; {others}"),
        );
        let _ = self.input.try_send(FlowInput::Freed);
    }

    fn tell(&self, active: bool, what: String) {
        let alone = self.crew.alive.load(Ordering::SeqCst) == 0;
        self.events.alarm(Alarm {
            id: AlarmId(format!("engine.{}.stopped", self.index).into()),
            active,
            severity: match alone {
                true => AlarmSeverity::Urgent,
                false => AlarmSeverity::High,
            },
            since: self.clock.utc(),
            message: format!(
                "engine worker {}: {what}; activate a model that works, or restart the station",
                self.index
            ),
        });
    }
}

/// The judge's thread.
pub(crate) struct JudgeThread {
    pub core: JudgeCore,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub input: Receiver<JudgeInput>,
    pub results: Sender<ResultInput>,
    /// Dossiers that come home.
    pub dossiers: Receiver<Box<Dossier>>,
    /// Where empty batches go home.
    pub home: Sender<Box<Job>>,
    pub workers: Vec<Sender<WorkerCommand>>,
}

impl JudgeThread {
    pub(crate) fn run(mut self) {
        let mut decided = Vec::with_capacity(64);
        let mut spent: Vec<Box<Job>> = Vec::with_capacity(64);
        while !self.core.ended {
            let due = self.core.next_deadline();
            let wait = due.map_or(LOOK_AROUND, |t| t.since(self.clock.now()));
            let mut next = match self.input.recv_timeout(wait.min(LOOK_AROUND)) {
                Ok(item) => Some(item),
                Err(RecvTimeout::Timeout) => None,
                Err(RecvTimeout::Closed) => Some(JudgeInput::End),
            };
            let mut left = BURST;
            while let Some(item) = next {
                spent.extend(self.core.take(item, self.clock.now(), &mut decided));
                left -= 1;
                // an item is taken out of the queue only to be dealt with
                next = (left > 0).then(|| self.input.try_recv()).flatten();
            }
            // the gate is told in here, before anything else happens to the part
            self.core.close(self.clock.now(), &mut decided);
            for part in decided.drain(..) {
                let _ = self.results.send(ResultInput::Part(part));
            }
            for mut job in spent.drain(..) {
                job.clear();
                let _ = self.home.try_send(job);
            }
            for dossier in self.dossiers.drain() {
                self.core.recycle(dossier);
            }
            self.retire();
        }
    }

    fn retire(&mut self) {
        while let Some(generation) = self.core.next_retired() {
            for worker in &self.workers {
                // a worker that hangs keeps its engines; nothing else depends on it
                let _ = worker.try_send(WorkerCommand::Remove(generation));
            }
            self.events.generation_retired(generation);
        }
    }
}

/// What the result thread takes in.
pub(crate) enum ResultInput {
    Part(Decided),
    /// The production order or lot from now on.
    Job(Option<String>),
}

/// The result thread.
pub(crate) struct ResultThread {
    pub core: ResultCore,
    pub input: Receiver<ResultInput>,
    pub dossiers: Sender<Box<Dossier>>,
    pub told: Arc<Told>,
}

/// Wakes who waits for results.
#[derive(Default)]
pub(crate) struct Told {
    pub count: std::sync::Mutex<u64>,
    pub more: std::sync::Condvar,
}

impl ResultThread {
    pub(crate) fn run(mut self) {
        while let Ok(item) = self.input.recv() {
            match item {
                ResultInput::Part(decided) => {
                    let dossier = self.core.make(decided);
                    let _ = self.dossiers.try_send(dossier);
                    let mut count = self
                        .told
                        .count
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    *count += 1;
                    drop(count);
                    self.told.more.notify_all();
                }
                ResultInput::Job(job) => self.core.set_job(job),
            }
        }
    }
}
