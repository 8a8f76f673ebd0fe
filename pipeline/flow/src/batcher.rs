//! The batcher without its thread: triggers and views in, parts to open and batches to run out.
//!
//! It never waits for an engine: where engines have no room, views wait in their lane (their slots bound how many),
//! triggers are still taken, and what cannot be made in time is given up, so that the line recovers at once.

use crate::active_generation::ActiveGeneration;
use crate::associate::{Assigned, Associator, Memory, Part, Sighting};
use crate::counters::{Counters, bump};
use crate::gate::GateLink;
use crate::input::FlowInput;
use crate::job::Job;
use crate::judging::JudgeInput;
use crate::lane::{Engines, Lane};
use crate::parts::{PartNote, Parts};
use crate::sizes::Sizes;
use sightline_domain::{
    CameraId, Clock, Health, MissReason, MonoTime, Timing, TrackId, Trigger, UtcMicros, ViewId,
    ViewTag,
};
use sightline_frames::{Missed, Tapped, View};
use sightline_queue::Sender;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How the batcher works.
pub(crate) struct BatchRules {
    pub clock: Arc<dyn Clock>,
    pub batch_wait: Duration,
    pub max_open: usize,
    /// Every frame of this camera is a part.
    pub every_frame: Option<CameraId>,
    /// Frames a camera can have in memory, by camera.
    pub camera_slots: Vec<usize>,
    /// Cameras that give one frame a trigger.
    pub triggered: Vec<CameraId>,
}

/// What is to be done, in this order.
pub(crate) enum BatchOut {
    /// News for the judge.
    Tell(JudgeInput),
    /// A batch for the engines.
    Job(Box<Job>),
    /// A new generation is in force: tell who waits for it.
    Switched(Sender<()>),
}

pub(crate) struct BatchCore {
    rules: BatchRules,
    tally: Arc<Counters>,
    gate: Option<Arc<GateLink>>,
    live: Arc<ActiveGeneration>,
    assoc: Associator<View>,
    assigned: Vec<Assigned<View>>,
    lanes: Vec<Lane>,
    sizes: Sizes,
    parts: Parts,
    next_track: u64,
    pub(crate) stopping: bool,
}

impl BatchCore {
    pub(crate) fn new(
        rules: BatchRules,
        live: Arc<ActiveGeneration>,
        tally: Arc<Counters>,
        gate: Option<Arc<GateLink>>,
    ) -> Self {
        let cameras = rules.camera_slots.len();
        let slots = rules.camera_slots.iter().sum::<usize>().max(1);
        let most = rules.camera_slots.iter().copied().max().unwrap_or(1);
        let memory = Memory {
            // a part's views stay remembered for a while after its deadline
            owed_per_camera: rules.max_open * 4 + 16,
            // frames that nobody asked for must not take a camera's last slots
            held_per_camera: (most / 2).clamp(1, 8),
        };
        let mut assoc = Associator::new(cameras, memory);
        assoc.set_triggered(&rules.triggered);
        assoc.prepare(&live.expected);
        let mut core = Self {
            parts: Parts::new(rules.max_open),
            assigned: Vec::with_capacity(slots + 64),
            lanes: Vec::new(),
            sizes: Sizes::of(&live.plan),
            next_track: 1,
            stopping: false,
            assoc,
            rules,
            tally,
            gate,
            live,
        };
        core.add_lanes();
        core
    }

    fn add_lanes(&mut self) {
        let slots = self.rules.camera_slots.iter().sum::<usize>().max(1);
        for model in 0..self.live.models.len() {
            self.lanes.push(Lane::new(&self.live, model, slots));
        }
    }

    /// Takes one item in.
    pub(crate) fn take(&mut self, input: FlowInput, now: MonoTime, out: &mut Vec<BatchOut>) {
        match input {
            FlowInput::Trigger(trigger) => self.open(trigger, None, now, out),
            FlowInput::Tapped(Tapped::View(view)) => self.view(view, now, out),
            FlowInput::Tapped(Tapped::Missed(missed)) => self.missed(missed, now, out),
            FlowInput::CameraDown(camera) => {
                self.assoc.camera_down(camera, &mut self.assigned);
                self.settle(now, out);
            }
            FlowInput::Switch(live, done) => self.switch(live, done, out),
            FlowInput::Freed => {}
            FlowInput::Stop => self.stop(now, out),
        }
    }

    /// Opens a part. `brought` is the view whose frame, or loss, opened it.
    fn open(
        &mut self,
        trigger: Trigger,
        brought: Option<ViewId>,
        now: MonoTime,
        out: &mut Vec<BatchOut>,
    ) {
        self.parts.forget(now);
        if self.parts.peek(trigger.track_id).is_some() {
            bump(&self.tally.line.duplicate_triggers);
            return;
        }
        let live = Arc::clone(&self.live);
        let part = Part {
            track: trigger.track_id,
            at: trigger.at,
            uncertainty: trigger.timing.uncertainty,
            deadline: trigger.at + live.plan.deadline,
        };
        let room = self.tally.open.fetch_add(1, Relaxed) < self.rules.max_open;
        out.push(BatchOut::Tell(JudgeInput::Open {
            live: Arc::clone(&live),
            trigger,
            room,
        }));
        if !room {
            return;
        }
        self.parts.open(PartNote {
            track: part.track,
            generation: live.generation(),
            at: part.at,
            deadline: part.deadline,
            waiting: 0,
            awaited: live.expected.iter().fold(0, |b, v| b | 1 << v.view.index()),
            begun: false,
            lost: false,
        });
        self.assoc
            .trigger(part, &live.expected, brought, now, &mut self.assigned);
        self.settle(now, out);
    }

    fn view(&mut self, view: View, now: MonoTime, out: &mut Vec<BatchOut>) {
        let meta = *view.lease.meta();
        self.tally.camera(meta.camera, |c| &c.seen);
        if self.rules.every_frame == Some(meta.camera) {
            let brought = self.open_by_frame(
                meta.camera,
                meta.captured,
                meta.captured_utc,
                meta.timing,
                now,
                out,
            );
            let track = TrackId(self.next_track - 1);
            self.assigned.push(match brought {
                Some(id) => Assigned::Claimed {
                    track,
                    view: id,
                    frame: view,
                },
                None => Assigned::Unclaimed {
                    camera: meta.camera,
                    frame: view,
                },
            });
        } else {
            let sighting = Sighting {
                camera: meta.camera,
                frame_id: meta.numbered.then_some(meta.frame_id),
                captured: meta.captured,
                uncertainty: meta.timing.uncertainty,
                repeated: meta.health == Health::Frozen,
            };
            self.assoc.frame(sighting, view, now, &mut self.assigned);
        }
        self.settle(now, out);
    }

    fn missed(&mut self, missed: Missed, now: MonoTime, out: &mut Vec<BatchOut>) {
        self.tally.camera(missed.camera, |c| &c.lost);
        let down = missed.reason == MissReason::CameraDown;
        if down {
            self.assoc.camera_down(missed.camera, &mut self.assigned);
        } else if self.rules.every_frame == Some(missed.camera) {
            // a frame that is lost is a part that nobody saw
            let utc = self.rules.clock.utc().0 - now.signed_us(missed.at);
            let brought = self.open_by_frame(
                missed.camera,
                missed.at,
                UtcMicros(utc),
                Timing::default(),
                now,
                out,
            );
            self.assigned.extend(brought.map(|view| Assigned::Missed {
                track: TrackId(self.next_track - 1),
                view,
                reason: missed.reason,
            }));
        } else {
            let sighting = Sighting {
                camera: missed.camera,
                frame_id: missed.frame_id,
                captured: missed.at,
                uncertainty: Duration::ZERO,
                repeated: false,
            };
            self.assoc
                .lost(sighting, missed.reason, now, &mut self.assigned);
        }
        self.settle(now, out);
    }

    /// Opens the part that a frame stands for; returns which of its views the frame is.
    fn open_by_frame(
        &mut self,
        camera: CameraId,
        at: MonoTime,
        at_utc: UtcMicros,
        timing: Timing,
        now: MonoTime,
        out: &mut Vec<BatchOut>,
    ) -> Option<ViewId> {
        let trigger = Trigger {
            track_id: TrackId(self.next_track),
            part_id: None,
            at,
            at_utc,
            encoder: None,
            timing,
        };
        self.next_track += 1;
        bump(&self.tally.line.triggers);
        if let Some(gate) = &self.gate {
            gate.register(&trigger, now);
        }
        let mine = |v: &&crate::associate::ExpectedView| v.camera == camera;
        let brought = self.live.expected.iter().find(mine).map(|v| v.view);
        self.open(trigger, brought, now, out);
        brought
    }

    /// Acts on what association said.
    fn settle(&mut self, now: MonoTime, out: &mut Vec<BatchOut>) {
        let mut assigned = std::mem::take(&mut self.assigned);
        for a in assigned.drain(..) {
            match a {
                Assigned::Claimed { track, view, frame } => {
                    let camera = frame.lease.meta().camera;
                    self.tally.camera(camera, |c| &c.claimed);
                    self.note_shift(camera);
                    self.claimed(track, view, frame, now, out);
                }
                Assigned::Missed {
                    track,
                    view,
                    reason,
                } => {
                    self.parts.lost(track, view);
                    self.note_doubt(view, reason);
                    out.push(BatchOut::Tell(JudgeInput::Missed {
                        track,
                        view,
                        reason,
                        meta: None,
                    }));
                }
                Assigned::Unclaimed { camera, .. } => {
                    self.tally.camera(camera, |c| &c.unclaimed);
                }
            }
        }
        self.assigned = assigned;
    }

    /// How far the camera's frames come from where they are expected.
    fn note_shift(&self, camera: CameraId) {
        if let (Some((shift, window)), Some(tally)) = (
            self.assoc.shift(camera),
            self.tally.cameras.get(camera.index()),
        ) {
            tally.shift_ns.store(shift.cast_unsigned(), Relaxed);
            tally.window_ns.store(window.as_nanos() as u64, Relaxed);
        }
    }

    fn note_doubt(&self, view: ViewId, reason: MissReason) {
        let Some(planned) = self.live.plan.views.get(view.index()) else {
            return;
        };
        match reason {
            MissReason::Ambiguous => self.tally.camera(planned.camera, |c| &c.ambiguous),
            MissReason::OutOfStep => self.tally.camera(planned.camera, |c| &c.out_of_step),
            _ => {}
        }
    }

    fn claimed(
        &mut self,
        track: TrackId,
        view: ViewId,
        frame: View,
        now: MonoTime,
        out: &mut Vec<BatchOut>,
    ) {
        let meta = *frame.lease.meta();
        // a part of a generation before keeps its views; a picture of another size is none of the new one's either way
        if !self.sizes.fit(view, &meta) {
            self.tally.camera(meta.camera, |c| &c.wrong_size);
            self.parts.lost(track, view);
            out.push(BatchOut::Tell(JudgeInput::Missed {
                track,
                view,
                reason: MissReason::Geometry,
                meta: Some(meta),
            }));
            return;
        }
        let part = self.parts.peek(track).filter(|p| p.deadline > now);
        let lane = part.and_then(|p| {
            let mine = |l: &&mut Lane| l.live.generation() == p.generation;
            let model = |l: &&mut Lane| l.live.models[l.model].views >> view.index() & 1 == 1;
            self.lanes.iter_mut().filter(mine).find(model)
        });
        let (Some(part), Some(lane)) = (part, lane) else {
            // its part's deadline is over
            bump(&self.tally.line.too_late);
            out.push(BatchOut::Tell(JudgeInput::Missed {
                track,
                view,
                reason: MissReason::Late,
                meta: Some(meta),
            }));
            return;
        };
        let tag = ViewTag {
            track_id: track,
            view,
            generation: part.generation,
            deadline: part.deadline,
            enqueued: now,
        };
        out.push(BatchOut::Tell(JudgeInput::Arrived { tag, meta }));
        lane.push(frame, tag);
        self.parts.came(track, view);
    }

    fn switch(&mut self, live: Arc<ActiveGeneration>, done: Sender<()>, out: &mut Vec<BatchOut>) {
        let before = std::mem::replace(&mut self.live, live);
        self.sizes = Sizes::of(&self.live.plan);
        self.assoc.prepare(&self.live.expected);
        self.add_lanes();
        out.push(BatchOut::Tell(JudgeInput::Superseded(before.generation())));
        out.push(BatchOut::Switched(done));
    }

    fn stop(&mut self, now: MonoTime, out: &mut Vec<BatchOut>) {
        self.stopping = true;
        self.assoc.close(MissReason::NotArrived, &mut self.assigned);
        self.settle(now, out);
    }

    /// Lets go of what is over and forms the batches that should go and for which engines have room. True: a batch
    /// waits for room.
    pub(crate) fn pump(
        &mut self,
        now: MonoTime,
        mut engines: Engines,
        mut blank: impl FnMut() -> Box<Job>,
        out: &mut Vec<BatchOut>,
    ) -> bool {
        self.assoc.expire(now, &mut self.assigned);
        self.settle(now, out);
        self.parts.forget(now);
        self.give_up(now, engines, out);
        self.retire_lanes();
        loop {
            let wait = match self.stopping {
                true => Duration::ZERO,
                false => self.rules.batch_wait,
            };
            let parts = &self.parts;
            let ready = self.lanes.iter_mut();
            let ready = ready.filter(|l| l.is_ready(now, wait, parts, engines));
            let Some(lane) = ready.min_by_key(|l| l.deadline()) else {
                return false;
            };
            if engines.room == 0 {
                return true;
            }
            let mut job = blank();
            lane.fill(&mut job, now, engines, &mut self.parts);
            bump(&self.tally.line.batches);
            let views = job.slips.len() as u64;
            self.tally.line.batch_views.fetch_add(views, Relaxed);
            out.push(BatchOut::Job(job));
            engines.room -= 1;
            engines.idle = engines.idle.saturating_sub(1);
        }
    }

    /// Gives up views that cannot be made; without a single engine, all of them.
    fn give_up(&mut self, now: MonoTime, engines: Engines, out: &mut Vec<BatchOut>) {
        let (parts, tally) = (&mut self.parts, &self.tally);
        for lane in &mut self.lanes {
            let mut missed = |reason, tag: ViewTag, view: View| {
                bump(&tally.line.too_late);
                parts.left(tag.track_id, false);
                out.push(BatchOut::Tell(JudgeInput::Missed {
                    track: tag.track_id,
                    view: tag.view,
                    reason,
                    meta: Some(*view.lease.meta()),
                }));
            };
            if engines.alive == 0 {
                lane.empty(|tag, view| missed(MissReason::EngineFault, tag, view));
            } else {
                lane.sweep(now, engines, |tag, view| {
                    missed(MissReason::Late, tag, view)
                });
            }
        }
    }

    /// Lanes of a generation that is over: no part of it can bring a view any more.
    fn retire_lanes(&mut self) {
        let (live, parts) = (self.live.generation(), &self.parts);
        if self.lanes.len() > self.live.models.len() {
            self.lanes.retain(|l| {
                let generation = l.live.generation();
                let open = || parts.iter().any(|p| p.generation == generation);
                generation == live || !l.is_empty() || open()
            });
        }
    }

    /// When there is something to do without input. `blocked`: batches wait for room, which comes as input.
    pub(crate) fn next_wake(&self, blocked: bool) -> Option<MonoTime> {
        let over = self.lanes.iter().filter_map(Lane::deadline);
        let wait = self.rules.batch_wait;
        let goes = self.lanes.iter().filter_map(|l| l.goes_at(wait));
        let goes = goes.filter(|_| !blocked);
        over.chain(goes).chain(self.assoc.next_expiry()).min()
    }

    /// Batches that an engine holds in flight.
    pub(crate) fn depth(&self) -> usize {
        self.live.depth
    }

    /// Views that wait for an engine.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }
}
