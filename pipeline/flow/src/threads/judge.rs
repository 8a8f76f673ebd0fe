//! The judge's thread.

use super::{BURST, JUDGE_LOOKS, ResultInput, WorkerCommand, Workers};
use crate::FlowEvents;
use crate::job::Job;
use crate::judging::{Decided, JudgeCore, JudgeInput};
use sightline_domain::Clock;
use sightline_queue::{Receiver, RecvTimeout, Sender};
use sightline_verdict::Dossier;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Decides parts, tells the gate, hands them to the result thread.
pub(crate) struct JudgeThread {
    pub core: JudgeCore,
    pub clock: Arc<dyn Clock>,
    pub events: Arc<dyn FlowEvents>,
    pub input: Receiver<JudgeInput>,
    /// What it was told without being woken; always heard before `input`.
    pub quiet: Receiver<JudgeInput>,
    pub wakes_at: Arc<AtomicU64>,
    pub results: Sender<ResultInput>,
    /// Dossiers that come home.
    pub dossiers: Receiver<Box<Dossier>>,
    /// Where empty batches go home.
    pub home: Sender<Box<Job>>,
    pub workers: Workers,
}

impl JudgeThread {
    pub(crate) fn run(mut self) {
        let mut decided = Vec::with_capacity(64);
        let mut spent: Vec<Box<Job>> = Vec::with_capacity(64);
        while !self.core.ended {
            let mut next = self.wait(&mut decided);
            let mut left = BURST;
            while let Some(item) = next {
                self.listen(&mut decided);
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

    /// Takes what was told quietly. True: there was something.
    fn listen(&mut self, decided: &mut Vec<Decided>) -> bool {
        let mut any = false;
        for item in self.quiet.drain() {
            any = true;
            // quiet news carry no batch
            let _ = self.core.take(item, self.clock.now(), decided);
        }
        any
    }

    /// Waits for the next item, the next deadline, or a look around. News told quietly are heard before.
    fn wait(&mut self, decided: &mut Vec<Decided>) -> Option<JudgeInput> {
        let wait = loop {
            let now = self.clock.now();
            let due = self.core.next_deadline().map(|t| t.since(now));
            let wait = due.map_or(JUDGE_LOOKS, |d| d.min(JUDGE_LOOKS));
            self.wakes_at.store((now + wait).0, Ordering::SeqCst);
            // either this sees what was told, or the teller sees when this wakes
            fence(Ordering::SeqCst);
            if !self.listen(decided) {
                break wait;
            }
        };
        match self.input.recv_timeout(wait) {
            Ok(item) => Some(item),
            Err(RecvTimeout::Timeout) => None,
            Err(RecvTimeout::Closed) => Some(JudgeInput::End),
        }
    }

    fn retire(&mut self) {
        while let Some(generation) = self.core.next_retired() {
            // a worker that hangs keeps its engines; nothing else depends on it
            self.workers.tell(|| WorkerCommand::Remove(generation));
            self.events.generation_retired(generation);
        }
    }
}
