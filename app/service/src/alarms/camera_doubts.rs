//! What people must know of a camera beside whether it is there: pictures that may be another part's, pictures of another
//! size, times that drift or come late, an end.

use crate::alarms::camera_unfit::unfit;
use crate::station::running::Running;
use sightline_domain::{AlarmKind, MonoTime};
use sightline_flow::{CameraCounts, FlowCounters};
use sightline_ingest::{CameraHandle, CameraState, Unfit};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What happens once stands for so long, so that somebody sees it.
const STANDS: Duration = Duration::from_secs(10);
/// So much of a view's window may be used up before the station speaks of it.
const WINDOW_SHARE: f64 = 0.7;
/// Pictures from which a mean is believed.
const ENOUGH: u64 = 50;
/// Pictures that arrive so much later than the fastest ones are told.
const LATE: Duration = Duration::from_millis(200);

/// A counter that grows is an alarm for a while.
#[derive(Clone, Copy, Debug, Default)]
struct Growing {
    seen: u64,
    at: Option<MonoTime>,
}

impl Growing {
    fn look(&mut self, count: u64, now: MonoTime) -> bool {
        if count > self.seen {
            self.at = Some(now);
        }
        self.seen = count;
        self.at.is_some_and(|at| now.since(at) < STANDS)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    ambiguous: Growing,
    out_of_step: Growing,
    wrong_size: Growing,
}

/// What was seen of each camera at the last look.
#[derive(Default)]
pub struct Doubts(Mutex<Vec<Seen>>);

impl Doubts {
    /// Looks once, and raises or ends what is to be told.
    pub fn look(&self, running: &Running, counters: &FlowCounters) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.resize(running.cameras.len(), Seen::default());
        let now = running.clock.now();
        // the last one to end ends the station
        let goes_on = !running.cameras.iter().all(CameraHandle::done);
        for (camera, seen) in running.cameras.iter().zip(all.iter_mut()) {
            let flow = counters.cameras.get(camera.id().index()).copied();
            let told = tell(camera, &flow.unwrap_or_default(), seen, now, goes_on);
            for (kind, raised) in told.into_iter().chain(unfit(camera)) {
                running.events.set(kind.of(camera.name()), raised);
            }
        }
    }
}

type Told = (AlarmKind, Option<String>);

fn tell(
    camera: &CameraHandle,
    flow: &CameraCounts,
    seen: &mut Seen,
    now: MonoTime,
    goes_on: bool,
) -> [Told; 5] {
    let (name, status) = (camera.name(), camera.status());
    let wrong_size = flow.wrong_size;
    let ambiguous = seen.ambiguous.look(flow.ambiguous, now);
    let out_of_step = seen.out_of_step.look(flow.out_of_step, now);
    let doubt = (ambiguous || out_of_step).then(|| {
        format!(
            "camera {name}: expected each picture to be one part's alone, found {} views with pictures that may be another part's or \
             older, and {} whose number contradicts their time; those parts are rejected. See `sightline camera test {name}` for a \
             safe window_ms, and the distance of parts",
            flow.ambiguous, flow.out_of_step
        )
    });
    let resized = status.unfit.iter().any(|(kind, _)| *kind == Unfit::Size);
    let size = (seen.wrong_size.look(wrong_size, now) || resized).then(|| {
        let wrong_size = wrong_size + status.counts.wrong_size;
        format!(
            "camera {name}: expected pictures of the view's size, found {wrong_size} of another; those parts are rejected. Set the camera \
             back, or give the recipe's view its new width, height and regions"
        )
    });
    let ended = (goes_on && status.state == CameraState::Ended).then(|| {
        format!("camera {name}: its file or folder is at its end; its parts are rejected. Write repeat = true, or stop the station")
    });
    let late = status.timing.filter(|(_, late)| *late >= LATE).map(|(timing, late)| {
        format!(
            "camera {name}: expected pictures as they are taken, found them {} ms late (by {}); look at network, camera load and the \
             processors of this machine",
            late.as_millis(),
            timing.source.name()
        )
    });
    [
        (AlarmKind::CameraAmbiguous, doubt),
        (AlarmKind::CameraSize, size),
        (AlarmKind::CameraEnded, ended),
        (AlarmKind::CameraLate, late),
        (AlarmKind::CameraDrift, drift(name, flow)),
    ]
}

/// Pictures that come nearer and nearer to the edge of their window will be outside one day.
fn drift(name: &str, flow: &CameraCounts) -> Option<String> {
    let (shift, window) = (
        flow.shift_ns.cast_signed() as f64 / 1e6,
        flow.window_ns as f64 / 1e6,
    );
    let near = flow.claimed >= ENOUGH && shift.abs() > WINDOW_SHARE * window;
    near.then(|| {
        format!(
            "camera {name}: expected its pictures in the middle of the ±{window:.1} ms window, found them {shift:+.1} ms off on average; the clocks \
             of trigger and camera drift apart, or offset_ms should be {shift:+.1} ms more"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_stands_for_a_while() {
        let at = |s: u64| MonoTime(s * 1_000_000_000);
        let mut growing = Growing::default();
        assert!(!growing.look(0, at(1)));
        assert!(growing.look(3, at(2)));
        assert!(growing.look(3, at(11)));
        assert!(!growing.look(3, at(13)));
    }

    #[test]
    fn pictures_near_the_edge_of_their_window_are_told_before_they_are_outside() {
        let flow = |shift: i64| CameraCounts {
            claimed: 100,
            shift_ns: (shift * 1_000_000).cast_unsigned(),
            window_ns: 20_000_000,
            ..CameraCounts::default()
        };
        assert_eq!(drift("c", &flow(-10)), None);
        let told = drift("c", &flow(-15)).unwrap();
        assert!(told.contains("-15.0 ms"), "{told}");
    }
}
