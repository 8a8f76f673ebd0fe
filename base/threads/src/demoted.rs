//! Threads that nobody waits for any more: they cannot be ended from outside, but they can be made to take only what is left.

use rustix::process::{Pid, setpriority_process};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The least share there is: 15 parts where an ordinary thread has 1,024. Its disk reads and writes are then the last of
/// the ordinary ones too (`ioprio_set(2)`: without a class of their own they follow the nice value).
const LEFT_NICE: i32 = 19;
/// Field `policy` of `/proc/[pid]/stat` (`proc(5)`: the 41st), counted behind the name.
const POLICY: usize = 38;
/// `SCHED_FIFO`, `SCHED_RR` and `SCHED_DEADLINE`: a nice value changes nothing about them.
const REALTIME: [&str; 3] = ["1", "2", "6"];

/// A thread of this process, by its kernel thread id. It keeps nothing alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thread(Pid);

/// A thread that kept its priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDemoted {
    /// Its kernel thread id.
    pub thread: i32,
    /// What the system said, or what stands against it.
    pub found: String,
}

impl std::fmt::Display for NotDemoted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "thread {} was to get the lowest priority (nice {LEFT_NICE}) and keeps its own, found: {}; it may keep a core \
             from others until the process is started again",
            self.thread, self.found
        )
    }
}

impl std::error::Error for NotDemoted {}

impl Thread {
    /// The calling thread.
    pub fn current() -> Self {
        Self(rustix::thread::gettid())
    }

    /// Its kernel thread id, as in `/proc/self/task`.
    pub fn id(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Gives it the lowest share of the processor (nice 19) and the last place at the disk, whatever it does now; any
    /// process may do so. A thread that has ended needs nothing and is no error. Not for the threads that acting stages
    /// own: there is no way back without privileges.
    ///
    /// # Errors
    /// It has a real-time priority, which no nice value touches, or the system refused.
    pub fn demote(self) -> Result<(), NotDemoted> {
        let refused = |found: String| NotDemoted {
            thread: self.id(),
            found,
        };
        // Looked up among this process's own threads: the id of one that has ended may be another program's by now.
        let Some(policy) = self.policy() else {
            return Ok(());
        };
        if REALTIME.contains(&policy.as_str()) {
            return Err(refused(format!("real-time policy {policy} (`sched(7)`)")));
        }
        match setpriority_process(Some(self.0), LEFT_NICE) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Its scheduling policy as `/proc` writes it; `None`: it has ended.
    fn policy(self) -> Option<String> {
        let path = format!("/proc/self/task/{}/stat", self.id());
        let stat = std::fs::read_to_string(path).ok()?;
        let (_, behind_the_name) = stat.rsplit_once(')')?;
        let policy = behind_the_name.split_whitespace().nth(POLICY)?;
        Some(policy.to_owned())
    }
}

/// Threads that do one thing together and are left behind together, e.g. those of one engine. Copies are the same team.
#[derive(Clone, Debug, Default)]
pub struct Team(Arc<Mutex<Vec<Thread>>>);

impl Team {
    /// The calling thread is one of them from now on.
    pub fn join(&self) {
        self.threads().push(Thread::current());
    }

    /// Who has joined, those that have ended too.
    pub fn members(&self) -> Vec<Thread> {
        self.threads().clone()
    }

    /// Demotes every one; see [`Thread::demote`].
    ///
    /// # Errors
    /// The first that kept its priority; the others were demoted all the same.
    pub fn demote(&self) -> Result<(), NotDemoted> {
        let threads = self.threads();
        let mut all = Ok(());
        for thread in threads.iter() {
            all = all.and(thread.demote());
        }
        all
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, allowed_cores};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::sync_channel;

    /// Processor time of a thread of this process, ns.
    fn worked(thread: Thread) -> u64 {
        let path = format!("/proc/self/task/{}/schedstat", thread.id());
        let text = std::fs::read_to_string(path).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Nice value of a thread of this process.
    fn nice(thread: Thread) -> i32 {
        rustix::process::getpriority_process(Some(thread.0)).unwrap()
    }

    /// A thread that spins on `core` until told to end.
    fn spinning(core: usize, end: &Arc<AtomicBool>) -> (Thread, std::thread::JoinHandle<()>) {
        let (tell, told) = sync_channel(1);
        let end = Arc::clone(end);
        let spin = move || {
            let place = Place {
                core: Some(core),
                urgency: None,
            };
            place.take().unwrap();
            tell.send(Thread::current()).unwrap();
            while !end.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        let handle = std::thread::spawn(spin);
        (told.recv().unwrap(), handle)
    }

    /// Measured in processor time: other programs may take of the core what they like. What the kernel promises hangs
    /// on how nice this test itself was started: the weight is 1,024 at nice 0 and a quarter more or less a step.
    #[test]
    fn a_demoted_thread_leaves_its_core_to_another() {
        let core = *allowed_cores().last().expect("some core runs this");
        let end = Arc::new(AtomicBool::new(false));
        let (left, one) = spinning(core, &end);
        let own = nice(left);
        left.demote().unwrap();
        assert_eq!(nice(left), LEFT_NICE);
        let (other, two) = spinning(core, &end);
        let (left_before, other_before) = (worked(left), worked(other));
        let share = loop {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let (a, b) = (worked(left) - left_before, worked(other) - other_before);
            if a + b > 1_500_000_000 {
                break b as f64 / (a + b) as f64;
            }
        };
        end.store(true, Ordering::Relaxed);
        one.join().unwrap();
        two.join().unwrap();
        let weight = 1_024.0 / 1.25_f64.powi(own);
        let promised = weight / (weight + 15.0);
        let least = (promised - 0.05).min(0.9);
        assert!(share > least, "{share} of the core, expected {least}");
    }

    #[test]
    fn a_thread_that_has_ended_needs_nothing() {
        let ended = std::thread::spawn(Thread::current).join().unwrap();
        assert_eq!(ended.demote(), Ok(()));
    }

    /// Only where the machine permits real-time threads at all.
    #[test]
    fn a_real_time_thread_is_told_and_the_others_are_demoted_all_the_same() {
        let team = Team::default();
        let (tell, told) = sync_channel::<()>(1);
        let place = Place {
            core: None,
            urgency: Some(crate::Urgency::Stage),
        };
        let mut raised = false;
        let told = Arc::new(Mutex::new(told));
        let mut handles = Vec::new();
        for first in [true, false] {
            let (team, told) = (team.clone(), Arc::clone(&told));
            let (say, said) = sync_channel(1);
            handles.push(std::thread::spawn(move || {
                say.send(first && place.take().is_ok()).unwrap();
                team.join();
                say.send(true).unwrap();
                let _ = told.lock().unwrap().recv();
            }));
            raised |= said.recv().unwrap() && first;
            said.recv().unwrap();
        }
        let demoted = team.demote();
        assert_eq!(nice(team.threads()[1]), LEFT_NICE);
        match demoted {
            Ok(()) => assert!(!raised, "a real-time thread cannot be demoted"),
            Err(refused) => {
                assert!(raised, "{refused}");
                let words = refused.to_string();
                assert!(words.contains("real-time policy 1"), "{words}");
            }
        }
        drop(tell);
        for handle in handles {
            handle.join().unwrap();
        }
    }
}
