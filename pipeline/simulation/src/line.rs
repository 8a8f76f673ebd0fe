//! The line as a whole: belt, parts, cameras' exposures, gate and truth book, moved by the caller's clock.

use crate::belt::Belt;
use crate::boards::{Board, BoardSpec, Look};
use crate::encoder::SimEncoder;
use crate::face::Face;
use crate::fault::FaultScript;
use crate::gate::{GateEvent, SimGate};
use crate::part::{PartSpec, Parts};
use crate::seat::{CameraSeat, QUEUE, keep_newest};
use crate::seed;
use crate::settings::check;
use crate::truth::{PartTruth, StationDecision, TruthBook, TruthCounts};
use sightline_domain::{Disposition, DispositionReason, MonoTime, TrackId};
use std::collections::VecDeque;
use std::sync::Arc;

pub use crate::seat::Exposure;
pub use crate::settings::{LineCamera, LineError, LineSettings};

/// A part at the photo-eye.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// When exactly it was there.
    pub at: MonoTime,
    /// What the encoder said then; `None`: it did not answer.
    pub encoder: Option<i64>,
    /// The part.
    pub part: PartSpec,
}

/// The line. Every call brings `now`; nothing in here waits. Meant to stand behind one lock: drawing happens outside, with
/// the [`Face`]s.
#[derive(Debug)]
pub struct Line {
    belt: Belt,
    parts: Parts,
    faults: FaultScript,
    coming: PartSpec,
    accepting: bool,
    cameras: Vec<CameraSeat>,
    /// Parts some camera has yet to see, in order.
    seen_by_eye: VecDeque<PartSpec>,
    arrivals: VecDeque<Arrival>,
    gate: SimGate,
    confirmations: VecDeque<(TrackId, MonoTime)>,
    book: TruthBook,
    boards: Vec<Arc<Board>>,
    look: Look,
    drawn: bool,
    dropped: u64,
    encoder: SimEncoder,
    /// Somebody holds the line.
    held: bool,
    advanced: MonoTime,
}

impl Line {
    /// Builds the line and draws its designs (some ten milliseconds each); the belt starts at `start`.
    ///
    /// # Errors
    /// [`LineError`] for a number out of range.
    pub fn new(settings: &LineSettings, start: MonoTime) -> Result<Self, LineError> {
        check(settings)?;
        let faces = if settings.drawn {
            settings.cameras.len()
        } else {
            0
        };
        let boards = (0..faces)
            .map(|face| {
                let spec = BoardSpec {
                    width: settings.board_px,
                    height: settings.board_px,
                    seed: seed::derive(settings.seed, 0xB0A2D + face as u64),
                };
                Board::new(spec)
                    .map(Arc::new)
                    .map_err(|source| LineError::Board { face, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let faults = FaultScript::new(settings.faults.clone(), start);
        let mut parts = Parts::new(settings.seed, settings.belt, settings.mix, boards.clone());
        let seat = |camera: &LineCamera| CameraSeat {
            offset_mm: camera.offset_mm,
            next_track: 1,
            frames: 0,
            waiting: VecDeque::with_capacity(QUEUE),
        };
        Ok(Self {
            belt: Belt::new(&settings.belt, start),
            coming: parts.next(&faults),
            parts,
            faults,
            accepting: true,
            cameras: settings.cameras.iter().map(seat).collect(),
            seen_by_eye: VecDeque::with_capacity(QUEUE),
            arrivals: VecDeque::with_capacity(QUEUE),
            gate: SimGate::new(settings.gate),
            confirmations: VecDeque::with_capacity(QUEUE),
            book: TruthBook::default(),
            boards,
            look: settings.look,
            drawn: settings.drawn,
            dropped: 0,
            encoder: SimEncoder::default(),
            held: false,
            advanced: start,
        })
    }

    /// What `camera` draws with; take it once, for the camera's own thread. `None` when boards are not drawn.
    pub fn face(&self, camera: usize) -> Option<Face> {
        let board = self.boards.get(camera)?;
        Some(Face::new(camera, board.clone(), self.look))
    }

    /// What the encoder says; `None`: it does not answer.
    pub fn encoder(&mut self, now: MonoTime) -> Option<i64> {
        self.advance(now);
        let counts = self.belt.encoder(now);
        self.encoder.read(counts, &self.faults, now)
    }

    /// Lets everything happen until `now`: parts at the eye, before cameras, at the flap and at the exit.
    pub fn advance(&mut self, now: MonoTime) {
        while let Some(edge) = self.faults.next_belt_edge(self.advanced, now) {
            self.advance_to(edge);
            self.advanced = edge;
            self.belt
                .run(!self.held && !self.faults.belt_stops(edge), edge);
        }
        self.advance_to(now);
        self.advanced = self.advanced.max(now);
    }

    fn advance_to(&mut self, now: MonoTime) {
        while self.accepting
            && let Some(at) = self
                .belt
                .time_at(self.coming.position_mm)
                .filter(|at| *at <= now)
        {
            let part = std::mem::replace(&mut self.coming, self.parts.next(&self.faults));
            if self.drawn {
                self.book.part(part.track, part.truth());
            }
            self.gate.part(part.track, part.position_mm);
            self.seen_by_eye.push_back(part);
            let counts = self.belt.counts_at(part.position_mm);
            let encoder = self.encoder.read(counts, &self.faults, at);
            self.dropped += keep_newest(&mut self.arrivals, Arrival { at, encoder, part });
        }
        for (index, camera) in self.cameras.iter_mut().enumerate() {
            self.dropped += camera.advance(index, &self.belt, &self.faults, &self.seen_by_eye, now);
        }
        let all_seen = self
            .cameras
            .iter()
            .map(|c| c.next_track)
            .min()
            .unwrap_or(u64::MAX);
        while self
            .seen_by_eye
            .front()
            .is_some_and(|p| p.track.0 < all_seen)
        {
            self.seen_by_eye.pop_front();
        }
        let (book, confirmations, dropped) =
            (&mut self.book, &mut self.confirmations, &mut self.dropped);
        self.gate
            .advance(&self.belt, &self.faults, now, |event| match event {
                GateEvent::Confirmed { track, at } => {
                    *dropped += keep_newest(confirmations, (track, at))
                }
                GateEvent::Ended { track, end, .. } => book.ended(track, end),
            });
    }

    /// When the next part is at the eye; `None` while the belt is held or no more parts are put on.
    pub fn next_arrival_at(&self) -> Option<MonoTime> {
        let waiting = self.arrivals.front().map(|a| a.at);
        waiting.or_else(|| {
            self.belt
                .time_at(self.coming.position_mm)
                .filter(|_| self.accepting)
        })
    }

    /// The next part that was at the eye until `now`.
    pub fn arrival(&mut self, now: MonoTime) -> Option<Arrival> {
        self.advance(now);
        self.arrivals.pop_front()
    }

    /// When `camera` takes its next picture; `None` while the belt is held.
    pub fn next_exposure_at(&self, camera: usize) -> Option<MonoTime> {
        let seat = self.cameras.get(camera)?;
        let waiting = seat.waiting.front().map(|e| e.at);
        let part = self
            .seen_by_eye
            .iter()
            .find(|p| p.track.0 == seat.next_track);
        let coming = || part.or(self.accepting.then_some(&self.coming));
        waiting.or_else(|| self.belt.time_at(coming()?.position_mm + seat.offset_mm))
    }

    /// The next picture `camera` took until `now`.
    pub fn exposure(&mut self, camera: usize, now: MonoTime) -> Option<Exposure> {
        self.advance(now);
        self.cameras.get_mut(camera)?.waiting.pop_front()
    }

    /// Moves the flap for `track` now.
    pub fn actuate(&mut self, track: TrackId, disposition: Disposition, now: MonoTime) {
        self.advance(now);
        self.gate.actuate(track, disposition, now);
    }

    /// What the reject bin's sensor saw until `now`, one part a call.
    pub fn confirmation(&mut self, now: MonoTime) -> Option<(TrackId, MonoTime)> {
        self.advance(now);
        self.confirmations.pop_front()
    }

    /// Starts a line that was held since it was built: the belt runs, and the script's times count from `now`.
    pub fn begin(&mut self, now: MonoTime) {
        self.faults.begin(now);
        self.hold(false, now);
    }

    /// Holds the line or lets it run. Holding stops the belt at once, and what passed the gate without a pass command and is
    /// still in the station is taken off.
    pub fn hold(&mut self, on: bool, now: MonoTime) {
        self.advance(now);
        if on {
            let book = &mut self.book;
            self.gate.contain(now, |event| {
                if let GateEvent::Ended { track, end, .. } = event {
                    book.ended(track, end);
                }
            });
        }
        self.held = on;
        self.belt.run(!on && !self.faults.belt_stops(now), now);
    }

    /// Somebody takes off every part between eye and exit.
    pub fn take_off(&mut self, now: MonoTime) {
        self.advance(now);
        let book = &mut self.book;
        self.gate.take_off(now, |event| {
            if let GateEvent::Ended { track, end, .. } = event {
                book.ended(track, end);
            }
        });
    }

    /// True while the line is held.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Someone freed the flap: the stuck-gate fault that holds now is over before its time.
    pub fn repair_gate(&mut self, now: MonoTime) {
        self.advance(now);
        self.faults.repair_gate(self.gate.last_crossed(), now);
    }

    /// Puts no more parts on the belt, so that it runs empty.
    pub fn stop_feeding(&mut self, now: MonoTime) {
        self.advance(now);
        self.accepting = false;
    }

    /// Parts that were at the eye and have not reached their end.
    pub fn on_the_way(&self) -> usize {
        self.gate.on_the_way()
    }

    /// Tells the truth of a part whose picture the caller brings (not for drawn boards).
    pub fn tell_truth(&mut self, track: TrackId, truth: PartTruth) {
        self.book.part(track, truth);
    }

    /// Tells what the station decided.
    pub fn decided(&mut self, track: TrackId, decision: StationDecision) {
        self.book.decided(track, decision);
    }

    /// Tells that a part went another way than was told before.
    pub fn corrected(
        &mut self,
        track: TrackId,
        disposition: Disposition,
        reason: DispositionReason,
    ) {
        self.book.corrected(track, disposition, reason);
    }

    /// The truth book's sums.
    pub fn counts(&self) -> TruthCounts {
        self.book.counts()
    }

    /// Arrivals, exposures and confirmations nobody fetched in time.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
