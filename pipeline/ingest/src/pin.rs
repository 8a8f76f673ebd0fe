//! Pinning the calling thread to a core.

use crate::IngestError;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// Cores this process may use.
fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count())
        .filter(|&core| set.is_set(core).unwrap_or(false))
        .collect()
}

/// Checks a configured core before any thread is made.
pub(crate) fn check(camera: &str, core: Option<usize>) -> Result<(), IngestError> {
    let Some(core) = core else { return Ok(()) };
    let allowed = allowed();
    if allowed.contains(&core) {
        return Ok(());
    }
    Err(IngestError::NoSuchCore {
        camera: camera.into(),
        core,
        allowed: allowed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// Pins the calling thread; what was checked at start can still fail when the core was taken away since.
pub(crate) fn pin_this_thread(camera: &str, core: Option<usize>) {
    let Some(core) = core else { return };
    let mut set = CpuSet::new();
    let pinned = set
        .set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    if let Err(error) = pinned {
        tracing::warn!(camera, core, %error, "the thread could not be pinned to its core and runs on any");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_on_the_core_it_was_pinned_to() {
        let core = *allowed().last().expect("some core runs this");
        let seen = std::thread::spawn(move || {
            pin_this_thread("cam", Some(core));
            allowed()
        });
        assert_eq!(seen.join().unwrap(), [core]);
    }

    #[test]
    fn a_core_that_is_not_there_is_refused_with_those_that_are() {
        assert!(check("cam", None).is_ok());
        let error = check("cam", Some(1_000)).unwrap_err().to_string();
        assert!(
            error.contains("found 1000") && error.contains("cam"),
            "{error}"
        );
    }
}
