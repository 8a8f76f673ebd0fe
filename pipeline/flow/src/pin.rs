//! Pinning threads to cores.

use crate::FlowError;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Checks that this process may run on every core named.
pub(crate) fn check(cores: impl Iterator<Item = usize>) -> Result<(), FlowError> {
    let Ok(set) = sched_getaffinity(None) else {
        return Ok(()); // a system that cannot tell will say when pinning
    };
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&c| set.is_set(c)).collect();
    for core in cores {
        if !allowed.contains(&core) {
            return Err(FlowError::Core { core, allowed });
        }
    }
    Ok(())
}

/// Pins the calling thread. False: the system refused.
pub(crate) fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_not_there_is_named_with_those_that_are() {
        let error = check(std::iter::once(CpuSet::MAX_CPU - 1)).unwrap_err();
        assert!(error.to_string().contains("may run on [0"), "{error}");
    }

    #[test]
    fn a_thread_stays_on_its_core() {
        let set = sched_getaffinity(None).unwrap();
        let core = (0..CpuSet::MAX_CPU).find(|&c| set.is_set(c)).unwrap();
        std::thread::spawn(move || {
            assert!(pin(core));
            let mine = sched_getaffinity(None).unwrap();
            assert_eq!((mine.count(), mine.is_set(core)), (1, true));
        })
        .join()
        .unwrap();
    }
}
