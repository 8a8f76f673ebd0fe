//! The line as a whole: belt, parts, cameras' exposures, gate and truth book, moved by the caller's clock.

use crate::belt::{Belt, BeltSettings};
use crate::boards::{Board, BoardError, BoardSpec, Look};
use crate::face::Face;
use crate::fault::{Condition, Fault, FaultScript};
use crate::gate::{GateEvent, GateSettings, SimGate};
use crate::part::{MAX_CAMERAS, PartMix, PartSpec, Parts};
use crate::seed;
use crate::truth::{PartTruth, StationDecision, TruthBook, TruthCounts};
use serde::{Deserialize, Serialize};
use sightline_model::{Disposition, FrameId, MonoTime, TrackId};
use std::collections::VecDeque;
use std::sync::Arc;

/// Events a consumer may leave unread before the oldest are dropped (and counted).
const QUEUE: usize = 256;

/// One camera of the line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineCamera {
    /// From the photo-eye to the camera, mm.
    pub offset_mm: f64,
}

impl Default for LineCamera {
    fn default() -> Self {
        Self { offset_mm: 30.0 }
    }
}

/// A whole line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineSettings {
    /// Same seed, same line.
    pub seed: u64,
    /// The belt.
    pub belt: BeltSettings,
    /// The cameras; each sees its own face of the part.
    pub cameras: Vec<LineCamera>,
    /// Pictures are squares of so many pixels, 128..=4096.
    pub board_px: u32,
    /// How the cameras' pictures look.
    pub look: Look,
    /// How often parts are defective.
    pub mix: PartMix,
    /// The gate.
    pub gate: GateSettings,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// True when boards are drawn; false when the caller puts real pictures on the belt and tells their truth.
    pub drawn: bool,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            belt: BeltSettings::default(),
            cameras: vec![LineCamera::default()],
            board_px: 640,
            look: Look::default(),
            mix: PartMix::default(),
            gate: GateSettings::default(),
            faults: Vec::new(),
            drawn: true,
        }
    }
}

/// A line that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LineError {
    /// A number is out of range.
    #[error("simulated line: {field} must be {expected}, found {found}; correct the number")]
    Number {
        /// Which setting.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// A face cannot be drawn.
    #[error("simulated line: face {face}: {source}")]
    Board {
        /// The camera's number.
        face: usize,
        /// Why not.
        source: BoardError,
    },
}

/// A part at the photo-eye.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// When exactly it was there.
    pub at: MonoTime,
    /// Encoder counts at that moment.
    pub encoder: i64,
    /// The part.
    pub part: PartSpec,
}

/// A camera is to take, or could not take, a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// When exactly the part was before the camera.
    pub at: MonoTime,
    /// The camera's number for the frame. It counts what the camera missed while unplugged, too.
    pub frame_id: FrameId,
    /// How the camera was; `Unplugged` means there is no frame.
    pub condition: Condition,
    /// The part.
    pub part: PartSpec,
}

#[derive(Debug)]
struct CameraSeat {
    offset_mm: f64,
    next_track: u64,
    frames: u64,
    waiting: VecDeque<Exposure>,
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
        })
    }

    /// What `camera` draws with; take it once, for the camera's own thread. `None` when boards are not drawn.
    pub fn face(&self, camera: usize) -> Option<Face> {
        let board = self.boards.get(camera)?;
        Some(Face::new(camera, board.clone(), self.look))
    }

    /// Encoder counts.
    pub fn encoder(&self, now: MonoTime) -> i64 {
        self.belt.encoder(now)
    }

    /// Lets everything happen until `now`: parts at the eye, before cameras, at the flap and at the exit.
    pub fn advance(&mut self, now: MonoTime) {
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
            let encoder = self.belt.counts_at(part.position_mm);
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
        self.belt.run(!on, now);
    }

    /// True while the line is held.
    pub fn is_held(&self) -> bool {
        !self.belt.is_running()
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

    /// The truth book's sums.
    pub fn counts(&self) -> TruthCounts {
        self.book.counts()
    }

    /// Arrivals, exposures and confirmations nobody fetched in time.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl CameraSeat {
    /// Notes the exposures due until `now`; returns how many old ones were dropped.
    fn advance(
        &mut self,
        index: usize,
        belt: &Belt,
        faults: &FaultScript,
        parts: &VecDeque<PartSpec>,
        now: MonoTime,
    ) -> u64 {
        let mut dropped = 0;
        let first = parts.front().map_or(self.next_track, |p| p.track.0);
        for part in parts
            .iter()
            .skip(self.next_track.saturating_sub(first) as usize)
        {
            let Some(at) = belt
                .time_at(part.position_mm + self.offset_mm)
                .filter(|at| *at <= now)
            else {
                break;
            };
            let condition = faults.camera(index, part.track, at);
            if condition != Condition::FrozenNumber || self.frames == 0 {
                self.frames += 1;
            }
            self.next_track = part.track.0 + 1;
            let frame_id = FrameId(self.frames);
            dropped += keep_newest(
                &mut self.waiting,
                Exposure {
                    at,
                    frame_id,
                    condition,
                    part: *part,
                },
            );
        }
        dropped
    }
}

/// Appends to a bounded queue; 1 when the oldest had to go.
fn keep_newest<T>(queue: &mut VecDeque<T>, item: T) -> u64 {
    let full = queue.len() >= QUEUE;
    if full {
        queue.pop_front();
    }
    queue.push_back(item);
    u64::from(full)
}

fn check(settings: &LineSettings) -> Result<(), LineError> {
    let number = |field, found: f64, good: bool, expected| {
        if good && found.is_finite() {
            Ok(())
        } else {
            Err(LineError::Number {
                field,
                expected,
                found,
            })
        }
    };
    let (b, g) = (&settings.belt, &settings.gate);
    number("speed_mm_s", b.speed_mm_s, b.speed_mm_s > 0.0, "above 0")?;
    number(
        "counts_per_mm",
        b.counts_per_mm,
        b.counts_per_mm > 0.0,
        "above 0",
    )?;
    number(
        "spacing_min_mm",
        b.spacing_min_mm,
        b.spacing_min_mm > 0.0,
        "above 0",
    )?;
    let ordered = b.spacing_max_mm >= b.spacing_min_mm;
    number(
        "spacing_max_mm",
        b.spacing_max_mm,
        ordered,
        "at least spacing_min_mm",
    )?;
    let share = settings.mix.defective_share;
    number(
        "defective_share",
        share,
        (0.0..=1.0).contains(&share),
        "0 to 1",
    )?;
    number(
        "gate.position_mm",
        g.position_mm,
        g.position_mm >= 0.0,
        "0 or more",
    )?;
    number("gate.exit_mm", g.exit_mm, g.exit_mm >= 0.0, "0 or more")?;
    let cameras = settings.cameras.len();
    number(
        "cameras",
        cameras as f64,
        (1..=MAX_CAMERAS).contains(&cameras),
        "1 to 16",
    )?;
    settings.cameras.iter().try_for_each(|c| {
        number(
            "cameras.offset_mm",
            c.offset_mm,
            c.offset_mm >= 0.0,
            "0 or more",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{FaultKind, GatePosition, Window};
    use sightline_model::{DispositionReason, Evaluation};
    use std::time::Duration;

    const START: MonoTime = MonoTime(1_000_000_000);

    fn settings() -> LineSettings {
        LineSettings {
            board_px: 192,
            cameras: vec![LineCamera::default(), LineCamera { offset_mm: 70.0 }],
            mix: PartMix {
                defective_share: 0.5,
                ..PartMix::default()
            },
            ..LineSettings::default()
        }
    }

    /// A station that knows the truth: decides at the second camera, commands in time, holds when a reject goes unseen.
    struct Station {
        line: Line,
        now: MonoTime,
        due: VecDeque<(MonoTime, TrackId, Disposition)>,
        awaited: VecDeque<(TrackId, MonoTime)>,
        arrivals: Vec<Arrival>,
        exposures: Vec<Vec<Exposure>>,
        holds: u32,
        watches_sensor: bool,
    }

    impl Station {
        fn new(settings: &LineSettings) -> Self {
            Self {
                line: Line::new(settings, START).expect("good settings"),
                now: START,
                due: VecDeque::new(),
                awaited: VecDeque::new(),
                arrivals: Vec::new(),
                exposures: vec![Vec::new(); settings.cameras.len()],
                holds: 0,
                watches_sensor: true,
            }
        }

        fn run(&mut self, ms: u64) {
            for _ in 0..ms {
                self.now = self.now + Duration::from_millis(1);
                self.step();
            }
        }

        fn step(&mut self) {
            let now = self.now;
            while let Some(arrival) = self.line.arrival(now) {
                let flap = arrival.at + Duration::from_millis(1_500);
                let bad = arrival.part.truth().is_defective();
                let (evaluation, disposition) = match bad {
                    true => (Evaluation::NotOK, Disposition::Reject),
                    false => (Evaluation::OK, Disposition::Pass),
                };
                let reason = DispositionReason::Verdict;
                let decision = StationDecision {
                    evaluation,
                    disposition,
                    reason,
                    all_views_healthy: true,
                };
                self.line.decided(arrival.part.track, decision);
                self.due.push_back((flap, arrival.part.track, disposition));
                self.arrivals.push(arrival);
            }
            for camera in 0..self.exposures.len() {
                while let Some(exposure) = self.line.exposure(camera, now) {
                    self.exposures[camera].push(exposure);
                }
            }
            while let Some((_, track, disposition)) = self
                .due
                .pop_front_if(|(flap, ..)| *flap <= now + Duration::from_millis(10))
            {
                self.line.actuate(track, disposition, now);
                if disposition == Disposition::Reject {
                    self.awaited
                        .push_back((track, now + Duration::from_millis(100)));
                }
            }
            while let Some((track, _)) = self.line.confirmation(now) {
                self.awaited.retain(|(t, _)| *t != track);
            }
            if self.watches_sensor && self.awaited.front().is_some_and(|(_, until)| *until < now) {
                self.hold();
            }
        }

        fn hold(&mut self) {
            self.holds += 1;
            self.line.hold(true, self.now);
            let stands = self.line.encoder(self.now);
            let later = self.now + Duration::from_secs(3);
            assert_eq!(self.line.arrival(later), None);
            assert_eq!(self.line.encoder(later), stands);
            assert_eq!(self.line.next_arrival_at(), None);
            self.line.repair_gate(later);
            self.line.hold(false, later);
            self.now = later;
            self.awaited.clear();
            self.due
                .iter_mut()
                .for_each(|d| d.0 = d.0 + Duration::from_secs(3));
        }

        fn finish(&mut self) -> TruthCounts {
            self.line.stop_feeding(self.now);
            self.run(10_000);
            assert_eq!(self.line.on_the_way(), 0);
            assert_eq!(self.line.dropped(), 0);
            self.line.counts()
        }
    }

    #[test]
    fn a_station_that_knows_everything_runs_a_clean_line() {
        let mut station = Station::new(&settings());
        station.run(20_000);
        let counts = station.finish();
        assert!(counts.parts > 50 && counts.defective > 10, "{counts:?}");
        assert!(counts.clean(), "{counts:?}");
        assert_eq!(
            (
                counts.escapes,
                counts.overkill,
                counts.good_rejected_for_faults
            ),
            (0, 0, 0)
        );
        assert_eq!(counts.rejected, counts.defective);
    }

    #[test]
    fn parts_come_in_order_at_their_spacing_and_cameras_see_them_at_their_offset() {
        let mut station = Station::new(&settings());
        station.run(20_000);
        for (i, pair) in station.arrivals.windows(2).enumerate() {
            assert_eq!(pair[0].part.track, TrackId(i as u64 + 1));
            let gap_ms = pair[1].at.since(pair[0].at).as_secs_f64() * 1e3;
            assert!(
                (199.0..=401.0).contains(&gap_ms),
                "{gap_ms} ms at 200 mm/s and 40 to 80 mm"
            );
            assert_eq!(
                pair[0].encoder,
                (pair[0].part.position_mm * 10.0).floor() as i64
            );
        }
        for (camera, delay_us) in [(0, 150_000), (1, 350_000)] {
            for (arrival, exposure) in station.arrivals.iter().zip(&station.exposures[camera]) {
                assert_eq!(arrival.part, exposure.part);
                assert!((exposure.at.signed_us(arrival.at) - delay_us).abs() <= 1);
                assert_eq!(exposure.frame_id, FrameId(arrival.part.track.0));
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_line_and_another_another() {
        let run = |seed| {
            let mut station = Station::new(&LineSettings { seed, ..settings() });
            station.run(5_000);
            station.arrivals
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn a_gate_stuck_in_pass_is_held_in_time_but_never_counts_as_clean() {
        let what = FaultKind::GateStuck {
            at: GatePosition::Pass,
        };
        let faults = vec![Fault {
            what,
            window: Window::Time {
                from_ms: 4_000,
                for_ms: 60_000,
            },
        }];
        let settings = LineSettings {
            faults,
            ..settings()
        };
        let mut station = Station::new(&settings);
        station.run(12_000);
        let counts = station.finish();
        assert_eq!(station.holds, 1);
        assert!(counts.contained >= 1 && counts.escapes == 0, "{counts:?}");
        assert!(counts.promise_kept() && !counts.clean(), "{counts:?}");

        let mut blind = Station::new(&settings);
        blind.watches_sensor = false;
        blind.run(12_000);
        let counts = blind.finish();
        assert!(
            counts.escapes_by_other > 0 && counts.escapes_by_model == 0,
            "{counts:?}"
        );
        assert!(!counts.promise_kept(), "{counts:?}");
    }

    #[test]
    fn a_burst_brings_parts_closer_together_while_it_lasts() {
        let window = Window::Parts {
            from: 11,
            count: 10,
        };
        let faults = vec![Fault {
            what: FaultKind::Burst { factor: 8.0 },
            window,
        }];
        let mut station = Station::new(&LineSettings {
            faults,
            ..settings()
        });
        station.run(20_000);
        let gap_mm = |i: usize| {
            station.arrivals[i].part.position_mm - station.arrivals[i - 1].part.position_mm
        };
        assert!(
            (10..20).all(|i| gap_mm(i) <= 10.0),
            "parts 11 to 20 are close"
        );
        assert!(
            (1..10).chain(20..30).all(|i| gap_mm(i) >= 40.0),
            "the others are not"
        );
    }

    #[test]
    fn a_camera_fault_is_on_its_frames_and_a_frozen_number_repeats() {
        let fault = |camera, condition, from| Fault {
            what: FaultKind::Camera { camera, condition },
            window: Window::Parts { from, count: 3 },
        };
        let faults = vec![
            fault(0, Condition::Unplugged, 4),
            fault(1, Condition::FrozenNumber, 6),
        ];
        let mut station = Station::new(&LineSettings {
            faults,
            ..settings()
        });
        station.run(8_000);
        let first: Vec<_> = station.exposures[0]
            .iter()
            .take(8)
            .map(|e| e.condition == Condition::Unplugged)
            .collect();
        assert_eq!(first, [false, false, false, true, true, true, false, false]);
        let numbers: Vec<_> = station.exposures[1]
            .iter()
            .take(10)
            .map(|e| e.frame_id.0)
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 5, 5, 5, 6, 7]);
    }

    #[test]
    fn what_nobody_fetches_is_dropped_and_counted_not_hoarded() {
        let mut line = Line::new(&settings(), START).expect("good settings");
        line.advance(START + Duration::from_secs(600));
        assert!(line.dropped() > 0);
        assert!(
            line.arrivals.len() <= QUEUE && line.cameras.iter().all(|c| c.waiting.len() <= QUEUE)
        );
        assert!(
            line.seen_by_eye.len() < 8,
            "{} parts kept",
            line.seen_by_eye.len()
        );
    }

    #[test]
    fn settings_out_of_range_are_refused_with_what_was_found() {
        let bad = LineSettings {
            cameras: vec![],
            ..settings()
        };
        let message = Line::new(&bad, START).expect_err("no cameras").to_string();
        assert!(
            message.contains("cameras must be 1 to 16, found 0"),
            "{message}"
        );
        let bad = LineSettings {
            board_px: 100,
            ..settings()
        };
        let message = Line::new(&bad, START).expect_err("small board").to_string();
        assert!(message.contains("found 100 x 100"), "{message}");
    }
}
