//! Which frame belongs to which part: a state machine without threads or clocks. Events go in with `now`, what became
//! of frames and views comes out.
//!
//! A trigger owes views. A frame is captured within an interval: its time, and what that is uncertain by. It is given to
//! a view only if the interval lies in the view's window (trigger plus offset, to both sides) and cannot touch another
//! part's, whose trigger may be uncertain, too. What may be two parts', or an older picture, is nobody's, and those
//! views are [`MissReason::Ambiguous`] unless a clear frame comes; a trigger that comes later can take an answer back.
//! Where a camera numbers its frames and gives exactly one a trigger, numbers decide within overlapping windows, once a
//! clear frame has shown how they run with the triggers, and as long as the named part is the nearest in time; where
//! number and time disagree, neither is believed and the part is [`MissReason::OutOfStep`]. A frame is given to one view
//! at most, and a view is answered once.

mod camera;
mod interval;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

use camera::Camera;
use sightline_domain::{CameraId, FrameId, MissReason, MonoTime, TrackId, ViewId};
use std::time::Duration;

/// A view that a part owes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedView {
    /// Which view.
    pub view: ViewId,
    /// Who sees it.
    pub camera: CameraId,
    /// Capture time, counted from the trigger.
    pub offset: Duration,
    /// Accepted distance from it, to both sides.
    pub window: Duration,
    /// The camera gives one frame a trigger, so frame numbers must run with the triggers.
    pub counted: bool,
}

/// What is known of a frame before anyone looks at its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Who saw it.
    pub camera: CameraId,
    /// The source's own number, where it has one.
    pub frame_id: Option<FrameId>,
    /// When it was captured.
    pub captured: MonoTime,
    /// Within so much, to both sides.
    pub uncertainty: Duration,
    /// A frozen source gives the same number again; such a frame is told by its time alone.
    pub repeated: bool,
}

/// What a camera brought for a moment in time: a frame, or the word that it was lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen<V> {
    Frame(V),
    Lost(MissReason),
}

/// What became of a frame or of an expected view.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned<V> {
    /// The frame is the part's view.
    Claimed {
        /// The part.
        track: TrackId,
        /// Its view.
        view: ViewId,
        /// The frame.
        frame: V,
    },
    /// The part's view will not come.
    Missed {
        /// The part.
        track: TrackId,
        /// Its view.
        view: ViewId,
        /// Why.
        reason: MissReason,
    },
    /// The frame belongs to no part.
    Unclaimed {
        /// Who saw it.
        camera: CameraId,
        /// The frame.
        frame: V,
    },
}

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Views a camera can owe at once (and some answered ones, kept so that a late frame is not taken for a neighbour's).
    pub owed_per_camera: usize,
    /// Frames of a camera that wait for their trigger.
    pub held_per_camera: usize,
}

/// The association of all cameras.
pub struct Associator<V> {
    cameras: Vec<Camera<V>>,
    triggers: u64,
}

impl<V> Associator<V> {
    /// For cameras numbered from 0 to `cameras - 1`.
    pub fn new(cameras: usize, memory: Memory) -> Self {
        let camera = |id| Camera::new(CameraId(id as u16), memory);
        Self {
            cameras: (0..cameras).map(camera).collect(),
            triggers: 0,
        }
    }

    /// These cameras give a frame for a trigger and none else: a second one in a window leaves a doubt about the first.
    pub fn set_triggered(&mut self, cameras: &[CameraId]) {
        for camera in cameras {
            if let Some(camera) = self.cameras.get_mut(camera.index()) {
                camera.set_triggered();
            }
        }
    }

    /// Mean distance of a camera's last frames from their due times, ns, and the longest window of its views.
    pub fn shift(&self, camera: CameraId) -> Option<(i64, Duration)> {
        self.cameras.get(camera.index()).map(Camera::shift)
    }

    /// Says what parts will owe from the next trigger on, so that a frame before it is held as long as it may matter.
    pub fn prepare(&mut self, views: &[ExpectedView]) {
        for camera in &mut self.cameras {
            camera.prepare(views);
        }
    }

    /// A part arrived that owes `views`, all but `brought`: the view whose frame opened the part, where frames do.
    /// Views of cameras that are down are missed at once; frames that came before their trigger are claimed.
    pub fn trigger(
        &mut self,
        part: Part,
        views: &[ExpectedView],
        brought: Option<ViewId>,
        now: MonoTime,
        out: &mut Vec<Assigned<V>>,
    ) {
        let index = self.triggers;
        self.triggers += 1;
        for camera in &mut self.cameras {
            camera.tidy(now);
        }
        for view in views {
            let Some(camera) = self.cameras.get_mut(view.camera.index()) else {
                out.push(Assigned::Missed {
                    track: part.track,
                    view: view.view,
                    reason: MissReason::CameraDown,
                });
                continue;
            };
            camera.expect(part, view, index, brought == Some(view.view), out);
        }
    }

    /// A frame came.
    pub fn frame(
        &mut self,
        sighting: Sighting,
        frame: V,
        now: MonoTime,
        out: &mut Vec<Assigned<V>>,
    ) {
        match self.cameras.get_mut(sighting.camera.index()) {
            Some(camera) => {
                camera.up();
                camera.sighted(sighting, Seen::Frame(frame), now, out);
            }
            None => out.push(Assigned::Unclaimed {
                camera: sighting.camera,
                frame,
            }),
        }
    }

    /// A frame was due or seen, but is lost.
    pub fn lost(
        &mut self,
        sighting: Sighting,
        reason: MissReason,
        now: MonoTime,
        out: &mut Vec<Assigned<V>>,
    ) {
        if let Some(camera) = self.cameras.get_mut(sighting.camera.index()) {
            camera.sighted(sighting, Seen::Lost(reason), now, out);
        }
    }

    /// The camera is not live: what it owes is missed, now and until it delivers again. Its numbers may start anew.
    pub fn camera_down(&mut self, camera: CameraId, out: &mut Vec<Assigned<V>>) {
        if let Some(camera) = self.cameras.get_mut(camera.index()) {
            camera.down(out);
        }
    }

    /// Lets go of frames whose trigger did not come, and of views about which a doubt stays.
    pub fn expire(&mut self, now: MonoTime, out: &mut Vec<Assigned<V>>) {
        for camera in &mut self.cameras {
            camera.expire(now, out);
        }
    }

    /// When [`Associator::expire`] has something to let go.
    pub fn next_expiry(&self) -> Option<MonoTime> {
        self.cameras.iter().filter_map(Camera::next_expiry).min()
    }

    /// Ends all waiting: every held frame is unclaimed, every owed view missed for `reason`.
    pub fn close(&mut self, reason: MissReason, out: &mut Vec<Assigned<V>>) {
        for camera in &mut self.cameras {
            camera.close(reason, out);
        }
    }
}

/// A part as association knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The part.
    pub track: TrackId,
    /// Its trigger.
    pub at: MonoTime,
    /// The trigger's time is known to so much.
    pub uncertainty: Duration,
    /// After this nothing helps it.
    pub deadline: MonoTime,
}
