//! The line as the station's other parts see it.

use super::{
    belt_pictures::BeltPictures,
    settings::{LineSetup, SimulatedCamera},
};
use crate::error::LineError;
use sightline_configs::station::{Fault, FaultKind};
use sightline_domain::{
    CameraId, Clock, Disposition, DispositionReason, Evaluation, MonoTime, TrackId,
};
use sightline_frames::TriggerSink;
use sightline_ingest::IngestError;
use sightline_queue::{Receiver, Sender, bounded};
use sightline_simulation::{Face, Line, StationDecision, TruthCounts, line::Exposure};
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
};

/// Pictures a camera of the line may be behind before some are lost.
const BEHIND: usize = 32;

/// What the truth book and the line's own counters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSummary {
    /// Triggers sent.
    pub triggers: u64,
    /// Overkill, escapes, conservation.
    pub counts: TruthCounts,
    /// Parts on the belt, seen by the photo-eye and not at their end.
    pub on_the_way: usize,
    /// Events nobody fetched in time: pictures a camera was too far behind for, confirmations.
    pub dropped: u64,
    /// The line is held.
    pub held: bool,
}

/// A simulated line that runs in real time. Dropped, it stops.
pub struct SimulatedLine {
    inner: Arc<Inner>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(super) struct Inner {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) triggers: Arc<dyn TriggerSink>,
    pub(super) cameras: Vec<SimulatedCamera>,
    pub(super) exposures: Vec<(Sender<Exposure>, Arc<Receiver<Exposure>>)>,
    pub(super) faults: Vec<Fault>,
    /// When the belt began to run; the end of time before that.
    pub(super) start_ns: AtomicU64,
    pub(super) pictures: Option<BeltPictures>,
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
}

pub(super) struct State {
    pub(super) line: Line,
    pub(super) stopping: bool,
}

impl SimulatedLine {
    /// Draws the boards, or reads the list of pictures. The belt stands until [`SimulatedLine::run`], and
    /// scripted faults are timed from there.
    ///
    /// # Errors
    /// Settings out of range, pictures that cannot be listed.
    pub fn build(setup: LineSetup) -> Result<Arc<Self>, LineError> {
        let start = setup.clock.now();
        let mut line = Line::new(&setup.line(), start).map_err(|e| LineError::Settings {
            found: e.to_string(),
        })?;
        line.hold(true, start);
        let simulation = &setup.simulation;
        let pictures = simulation
            .images
            .as_ref()
            .map(|path| {
                BeltPictures::load(
                    &setup.base_dir.join(path),
                    setup.cameras.len(),
                    simulation.seed,
                )
            })
            .transpose()?;
        let port = |camera: &SimulatedCamera| {
            let (tx, rx) = bounded(format!("simulated.{}.exposures", camera.name), BEHIND);
            (tx, Arc::new(rx))
        };
        let inner = Inner {
            state: Mutex::new(State {
                line,
                stopping: false,
            }),
            changed: Condvar::new(),
            clock: setup.clock,
            triggers: setup.triggers,
            exposures: setup.cameras.iter().map(port).collect(),
            cameras: setup.cameras,
            faults: setup.simulation.faults,
            start_ns: AtomicU64::new(u64::MAX),
            pictures,
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        Ok(Arc::new(Self {
            inner: Arc::new(inner),
            thread: Mutex::new(None),
        }))
    }

    /// Starts the belt. Running it again does nothing.
    ///
    /// # Errors
    /// No thread.
    pub fn run(&self) -> Result<(), IngestError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() {
            return Ok(());
        }
        let inner = Arc::clone(&self.inner);
        let spawned = std::thread::Builder::new()
            .name("sim-belt".into())
            .spawn(move || inner.drive());
        let spawned = spawned.map_err(|source| IngestError::Thread {
            what: "simulated line".into(),
            source,
        })?;
        *thread = Some(spawned);
        self.inner.with(|line, now| {
            line.begin(now);
            self.inner.start_ns.store(now.0, Relaxed);
        });
        Ok(())
    }

    /// What the encoder says at `now`; `None`: it does not answer.
    pub fn encoder(&self, now: MonoTime) -> Option<i64> {
        self.inner.lock().line.encoder(now)
    }

    /// Stops the belt at once; what passed the gate against its command and is still in the station is taken off.
    pub fn hold(&self) {
        self.inner.with(|line, now| line.hold(true, now));
    }

    /// Lets the belt run again.
    pub fn release(&self) {
        self.inner.with(|line, now| line.hold(false, now));
    }

    /// Whether it is held.
    pub fn is_held(&self) -> bool {
        self.inner.lock().line.is_held()
    }

    /// Somebody frees the stuck flap.
    pub fn repair_gate(&self) {
        self.inner.with(|line, now| line.repair_gate(now));
    }

    /// Moves the flap for a part.
    pub fn command_gate(&self, track: TrackId, disposition: Disposition, now: MonoTime) {
        self.inner.lock().line.actuate(track, disposition, now);
    }

    /// The next signal of the reject bin's sensor until `now`: which part (a real sensor does not know) and when.
    pub fn confirmation(&self, now: MonoTime) -> Option<(TrackId, MonoTime)> {
        self.inner.lock().line.confirmation(now)
    }

    /// Writes into the truth book what the station decided. `all_views_healthy`: every expected view was seen and fit.
    pub fn record_verdict(
        &self,
        track: TrackId,
        evaluation: Evaluation,
        disposition: Disposition,
        reason: DispositionReason,
        all_views_healthy: bool,
    ) {
        let decision = StationDecision {
            evaluation,
            disposition,
            reason,
            all_views_healthy,
        };
        self.inner.lock().line.decided(track, decision);
    }

    /// Writes into the truth book that a part went another way than was told before.
    pub fn record_correction(
        &self,
        track: TrackId,
        disposition: Disposition,
        reason: DispositionReason,
    ) {
        self.inner.lock().line.corrected(track, disposition, reason);
    }

    /// No more parts are put on the belt.
    pub fn stop_feeding(&self) {
        self.inner.with(|line, now| line.stop_feeding(now));
    }

    /// Every part that was at the photo-eye has reached its end.
    pub fn is_empty(&self) -> bool {
        let now = self.inner.clock.now();
        let mut state = self.inner.lock();
        state.line.advance(now);
        state.line.on_the_way() == 0
    }

    /// The sums so far.
    pub fn summary(&self) -> LineSummary {
        let now = self.inner.clock.now();
        let mut state = self.inner.lock();
        state.line.advance(now);
        LineSummary {
            triggers: self.inner.sent.load(Relaxed),
            counts: state.line.counts(),
            on_the_way: state.line.on_the_way(),
            dropped: state.line.dropped() + self.inner.dropped.load(Relaxed),
            held: state.line.is_held(),
        }
    }

    /// Ends the belt's thread; parts stay where they are.
    pub fn stop(&self) {
        self.inner.lock().stopping = true;
        self.inner.changed.notify_all();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|t| t.join().is_err()) {
            tracing::error!("the simulated line's thread panicked");
        }
    }

    /// Boards are drawn; otherwise real pictures are on the belt.
    pub fn is_drawn(&self) -> bool {
        self.inner.pictures.is_none()
    }

    /// Width and height of drawn boards' pictures, pixels.
    pub fn drawn_size(&self) -> Option<(u32, u32)> {
        let face = self.inner.face(0)?;
        Some((face.board().width(), face.board().height()))
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Drop for SimulatedLine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the line and wakes the belt's thread, whose next event may be at another time now.
    fn with(&self, change: impl FnOnce(&mut Line, MonoTime)) {
        let mut state = self.lock();
        change(&mut state.line, self.clock.now());
        drop(state);
        self.changed.notify_all();
    }

    /// The line's number of a camera of the station.
    pub(super) fn number(&self, camera: CameraId) -> Option<usize> {
        self.cameras.iter().position(|c| c.id == camera)
    }

    pub(super) fn face(&self, number: usize) -> Option<Face> {
        self.lock().line.face(number)
    }

    pub(super) fn exposures(&self, number: usize) -> Arc<Receiver<Exposure>> {
        Arc::clone(&self.exposures[number].1)
    }

    /// Whether the script lets the camera answer now.
    pub(super) fn plugged(&self, number: usize) -> bool {
        let start = MonoTime(self.start_ns.load(Relaxed));
        let seconds = self.clock.now().since(start).as_secs_f64();
        let name = &self.cameras[number].name;
        !self.faults.iter().any(|fault| {
            fault.kind == FaultKind::Unplugged
                && fault.camera.as_ref().is_none_or(|c| c == name)
                && (fault.at_s..fault.at_s + fault.for_s).contains(&seconds)
        })
    }
}
