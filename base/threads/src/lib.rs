//! Where a thread runs and how urgent it is.
//!
//! What lives here: pinning to cores, the two priorities above other programs, the one below, and the last place for threads
//! that were left behind ([`Team::demote`]). It imports nothing of ours. Where to start: [`Place::take`], which a thread calls
//! first.
//!
//! Short work that a deadline hangs on (batcher, judge, gate, triggers) runs before everything else on the box; long
//! work that a verdict waits for (engines, cameras) is only favoured, because a real-time computation would starve the
//! network and the console. Linux: `sched(7)`, `SCHED_FIFO` and nice values.

mod demoted;

pub use demoted::{NotDemoted, Team, Thread};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Above ordinary real-time programs, below the kernel's own interrupt threads (50).
const REALTIME: u8 = 20;
/// Ten steps are about nine times another program's share of a busy core.
const FAVOURED_NICE: i32 = -10;
/// Enough to wait for engines, not so much that another program starves it.
const YIELDING_NICE: i32 = 5;

/// What a thread does, as far as its urgency goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Short work that deadlines hang on: before everything else on the box.
    Stage,
    /// Long work that verdicts wait for: before other programs' share.
    Compute,
    /// Work that no verdict waits for (journal, outbox, uplink): it takes what is left, and days of results to catch up
    /// with do not slow the inspection. Every process may ask for it.
    Delivery,
}

/// Where a thread runs and how urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its one core; `None`: any.
    pub core: Option<usize>,
    /// `None`: like other programs' threads.
    pub urgency: Option<Urgency>,
}

/// The place of what carries results away.
pub fn deliver() {
    let place = Place {
        core: None,
        urgency: Some(Urgency::Delivery),
    };
    // Nobody is refused a lower priority; without it the thread would run like any other.
    let _ = place.take();
}

/// What the system did not give the thread; it runs all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not pinned.
    Core {
        /// The core asked for.
        core: usize,
        /// What the system answered.
        found: String,
    },
    /// Not raised.
    Urgency {
        /// What the system answered.
        found: String,
    },
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Core { core, found } => write!(
                f,
                "was to be pinned to core {core} and the system said \"{found}\"; it runs on any; look at the \
                 process's allowed cores"
            ),
            Self::Urgency { found } => write!(
                f,
                "was to be raised above other programs and the system said \"{found}\"; it runs like any other; \
                 look at the process's permissions (CAP_SYS_NICE)"
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl Place {
    /// Puts the calling thread there.
    ///
    /// # Errors
    /// What of it the system refused first; the rest was tried all the same.
    pub fn take(self) -> Result<(), Refused> {
        let pinned = self.core.map_or(Ok(()), pin);
        let raised = self.urgency.map_or(Ok(()), raise);
        pinned.and(raised)
    }
}

/// Cores this process may run on; empty when the system does not tell.
pub fn allowed_cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU).filter(|&c| set.is_set(c)).collect()
}

/// Whether the system lets this process raise its threads, tried on a thread that ends at once.
///
/// # Errors
/// What the system answered.
pub fn may_raise() -> Result<(), Refused> {
    let probe = || raise(Urgency::Compute).and_then(|()| raise(Urgency::Stage));
    let panicked = |_| Refused::Urgency {
        found: "the attempt panicked".into(),
    };
    std::thread::scope(|scope| {
        scope
            .spawn(probe)
            .join()
            .unwrap_or_else(|e| Err(panicked(e)))
    })
}

fn pin(core: usize) -> Result<(), Refused> {
    let mut set = CpuSet::new();
    if core < CpuSet::MAX_CPU {
        set.set(core);
    }
    sched_setaffinity(None, &set).map_err(|e| Refused::Core {
        core,
        found: e.to_string(),
    })
}

fn raise(urgency: Urgency) -> Result<(), Refused> {
    let nice = |value| rustix::process::setpriority_process(None, value).map_err(|e| e.to_string());
    let answer = match urgency {
        Urgency::Compute => nice(FAVOURED_NICE),
        Urgency::Delivery => nice(YIELDING_NICE),
        Urgency::Stage => REALTIME.try_into().and_then(|priority| {
            let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
            let priority = ThreadPriority::Crossplatform(priority);
            set_thread_priority_and_policy(thread_native_id(), priority, fifo)
                .map_err(|e| e.to_string())
        }),
    };
    answer.map_err(|found| Refused::Urgency { found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use thread_priority::thread_schedule_policy;

    fn on_a_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(run).join().unwrap()
    }

    #[test]
    fn a_thread_stays_on_the_core_it_was_pinned_to() {
        let core = *allowed_cores().last().expect("some core runs this");
        let place = Place {
            core: Some(core),
            urgency: None,
        };
        let seen = on_a_thread(move || (place.take(), allowed_cores()));
        assert_eq!(seen, (Ok(()), vec![core]));
    }

    #[test]
    fn a_core_that_is_not_there_is_refused_by_its_number() {
        let place = |core| Place {
            core: Some(core),
            urgency: None,
        };
        for core in [CpuSet::MAX_CPU - 1, CpuSet::MAX_CPU + 5] {
            let said = on_a_thread(move || place(core).take()).unwrap_err();
            assert!(said.to_string().contains(&format!("core {core}")), "{said}");
        }
    }

    /// Permitted or not is the machine's business; that asking and doing agree is ours.
    #[test]
    fn what_was_found_out_holds_for_the_threads_that_follow() {
        let permitted = may_raise().is_ok();
        let place = Place {
            core: None,
            urgency: Some(Urgency::Stage),
        };
        let (taken, policy) =
            on_a_thread(move || (place.take(), thread_schedule_policy().unwrap()));
        let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
        assert_eq!((taken.is_ok(), policy == fifo), (permitted, permitted));
        assert_ne!(
            thread_schedule_policy().unwrap(),
            fifo,
            "only the probe was raised"
        );
    }
}
