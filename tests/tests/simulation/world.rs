//! One run: the station, the plant, the disk, the broker, people and troubles, moved by one scheduler from one seed.

use crate::books::Books;
use crate::broker::Mes;
use crate::disk::{self, DiskFault};
use crate::holes::Hole;
use crate::plant::{CAMERAS, Plant};
use crate::station::{SLOTS, Setup, Station};
use crate::trace::Trace;
use crate::troubles::{Blow, Kind, Troubles};
use crate::wires::Wires;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sightline_domain::{Clock, MockClock, MonoTime, UtcMicros};
use sightline_frames::{FramePool, MemoryWish, PoolConfig};
use sightline_service::pieces::Event;
use sightline_simulation::seed::stream;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// 2026-01-31T08:00:00Z.
const BEGIN: UtcMicros = UtcMicros(1_769_846_400_000_000);
/// After the last trouble the line runs undisturbed for so long.
const QUIET: Duration = Duration::from_secs(25);
/// Commits, rounds of the uplink and looks of the service are so far apart.
const COMMIT: Duration = Duration::from_millis(40);
const SEND: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(100);

/// What is to happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A trigger reaches the station of run `run`.
    Trigger {
        run: u64,
        trigger: sightline_domain::Trigger,
    },
    /// The eye sees a part that is not there.
    Ghost,
    /// A frame reaches the station.
    Frame(crate::feeds::Shot),
    /// The camera says that it lost one.
    Lost {
        run: u64,
        missed: sightline_frames::Missed,
    },
    /// The journal commits.
    Commit,
    /// The uplink sends.
    Send,
    /// The service looks around.
    Look,
    /// The broker's answer to a result, over that connection.
    Answer {
        connection: u64,
        seq: u64,
        yes: bool,
    },
    /// Its answer to a message beside the results.
    SaidAnswer {
        connection: u64,
        id: u64,
        topic: String,
        yes: bool,
    },
    /// The connection is cut.
    Cut(u64),
    /// A trouble of one moment.
    Blow(Blow),
    /// The station is started.
    Start,
    /// A person starts production again.
    Produce,
    /// The belt runs again.
    BeltRuns,
}

/// One run.
pub struct World {
    pub hole: Option<Hole>,
    pub dice: ChaCha8Rng,
    pub clock: Arc<MockClock>,
    pub plant: Arc<Mutex<Plant>>,
    pub wires: Arc<Mutex<Wires>>,
    pub station: Option<Station>,
    pub setup: Setup,
    /// Good parts can be told from their neighbours: the line must recover.
    pub is_roomy: bool,
    pub troubles: Troubles,
    queue: BTreeMap<(MonoTime, u64), Happening>,
    order: u64,
    pub pools: Vec<FramePool>,
    pub frame_ids: [u64; CAMERAS],
    pub down: [bool; CAMERAS],
    pub run: u64,
    pub tracks: u64,
    pub folder: PathBuf,
    _scratch: tempfile::TempDir,
    pub connection: u64,
    pub connected: bool,
    pub in_flight: usize,
    pub hold_until: MonoTime,
    pub mes: Mes,
    pub refused_any: bool,
    pub books: Books,
    pub trace: Trace,
    /// Results told in this run, and the highest number that was ever committed.
    pub told_in_run: u64,
    pub committed_to: u64,
    /// Somebody deleted the journal's file.
    pub deleted: bool,
    pub seen_since: Option<MonoTime>,
    pub end: MonoTime,
    base: Instant,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Of everything that happened.
    pub trace: u64,
    /// Things that happened.
    pub noted: u64,
    /// Parts that came to the eye.
    pub parts: u64,
    /// Of those that passed.
    pub passed: u64,
    /// Results at the MES.
    pub delivered: u64,
    /// Parts that were told again.
    pub corrected: u64,
    /// Escapes of the model's own.
    pub escapes_by_model: u64,
    /// What could not be otherwise.
    pub excused: BTreeMap<&'static str, u64>,
    /// The invariant that does not hold, if one does not.
    pub violation: Option<String>,
}

/// Runs a line from `seed` that is disturbed for so long, with a hole put back or none.
pub fn run(seed: u64, disturbed: Duration, hole: Option<Hole>) -> Outcome {
    disk::install();
    let mut world = World::new(seed, disturbed, hole);
    let violation = world.live().and_then(|()| world.settle()).err();
    disk::set(DiskFault::None);
    let parts = world.plant.lock().expect("whole").arrived();
    Outcome {
        trace: world.trace.hash(),
        noted: world.trace.noted,
        parts,
        passed: world.books.passed,
        delivered: world.mes.kept.len() as u64,
        corrected: world.books.corrected,
        escapes_by_model: world.books.escapes_by_model,
        excused: std::mem::take(&mut world.books.excused),
        violation,
    }
}

impl World {
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    fn new(seed: u64, disturbed: Duration, hole: Option<Hole>) -> Self {
        let mut dice = stream(seed, 1);
        let by_encoder = dice.random_bool(0.75);
        let is_roomy = dice.random_bool(0.8);
        let window_ms = match is_roomy {
            true => [4u64, 8, 20, 40][dice.random_range(0..4)],
            false => 60,
        };
        let setup = Setup {
            by_encoder,
            knows_speed: dice.random_bool(0.5),
            window: Duration::from_millis(window_ms),
            counted: dice.random_bool(0.5),
            uncertainty: Duration::from_micros([0, 300, 1_000][dice.random_range(0..3)]),
        };
        let least = match is_roomy {
            true => (0.2 * (2 * window_ms + 30) as f64).max(20.0),
            false => 16.0,
        };
        let spacing = (least, least + dice.random_range(5.0..60.0));
        let until = MonoTime(disturbed.as_nanos() as u64);
        let troubles = Troubles::draw(&mut dice, until, by_encoder);
        let clock = Arc::new(MockClock::new(MonoTime(0), BEGIN));
        let scratch = disk::scratch();
        let pool = |n: usize| {
            FramePool::new(PoolConfig {
                name: format!("cam{n}").into(),
                slots: SLOTS,
                slot_bytes: 64,
                memory: MemoryWish::Plain,
            })
            .expect("memory for tiny frames")
        };
        let mut world = Self {
            hole,
            plant: Arc::new(Mutex::new(Plant::new(seed, spacing, troubles.script()))),
            wires: Arc::new(Mutex::new(Wires::new(clock.clone()))),
            clock,
            station: None,
            setup,
            is_roomy,
            queue: BTreeMap::new(),
            order: 0,
            pools: (0..CAMERAS).map(pool).collect(),
            frame_ids: [0; CAMERAS],
            down: [false; CAMERAS],
            run: 0,
            tracks: 0,
            folder: scratch.path().join("run0"),
            _scratch: scratch,
            connection: 0,
            connected: false,
            in_flight: 0,
            hold_until: MonoTime(0),
            mes: Mes::default(),
            refused_any: false,
            books: Books::default(),
            trace: Trace::default(),
            told_in_run: 0,
            committed_to: 0,
            deleted: false,
            seen_since: None,
            end: until + QUIET,
            base: Instant::now(),
            troubles,
            dice,
        };
        world.trace.aloud = crate::number("SIGHTLINE_SIMULATION_SEED").is_some();
        let troubles = world.troubles.lasting.clone();
        world
            .trace
            .note("set up", &(world.setup, spacing, troubles));
        for (at, blow) in world.troubles.blows.clone() {
            world.later(at, Happening::Blow(blow));
        }
        for first in [
            Happening::Start,
            Happening::Commit,
            Happening::Send,
            Happening::Look,
        ] {
            world.later(MonoTime(0), first);
        }
        world
    }

    /// Now.
    pub fn now(&self) -> MonoTime {
        self.clock.now()
    }

    /// Now, for whoever counts in the machine's instants.
    pub fn instant(&self) -> Instant {
        self.base + Duration::from_nanos(self.now().0)
    }

    /// Something is to happen at `at`; what is to happen at one moment happens in the order in which it was said.
    pub fn later(&mut self, at: MonoTime, what: Happening) {
        self.order += 1;
        self.queue.insert((at, self.order), what);
    }

    /// So many ms from now.
    pub fn in_ms(&mut self, ms: u64, what: Happening) {
        let at = self.now() + Duration::from_millis(ms);
        self.later(at, what);
    }

    /// Whether a trouble holds now.
    pub fn is(&self, kind: Kind) -> bool {
        self.troubles.is(kind, self.now())
    }

    /// The line is left alone long enough after `at` to do its work again.
    pub fn undisturbed_from(&mut self, at: MonoTime) {
        self.end = self.end.max(at + QUIET);
    }

    fn live(&mut self) -> Result<(), String> {
        while self.now() < self.end {
            self.set_moods();
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let in_plant = self.plant.lock().expect("whole").next_at();
            let next = queued.into_iter().chain(in_plant).min();
            let next = next.unwrap_or(self.end).min(self.end).max(self.now());
            match &mut self.station {
                Some(station) => station.line.advance_to(next),
                None => self.clock.advance_to(next),
            }
            self.fetch()?;
            while let Some(entry) = self
                .queue
                .first_entry()
                .filter(|e| e.key().0 <= self.clock.now())
            {
                let what = entry.remove();
                self.happen(what)?;
                self.fetch()?;
            }
        }
        Ok(())
    }

    /// The moods of engine, gate, sensor and disk at this moment.
    fn set_moods(&mut self) {
        let now = self.now();
        disk::set(self.troubles.disk(now));
        let slow = self.is(Kind::EngineSlow);
        let slow_ms = match slow {
            true => self.dice.random_range(1..40),
            false => 0,
        };
        let behind = match self.is(Kind::SensorLate) {
            true => self.dice.random_range(0..400),
            false => 0,
        };
        let mut wires = self.wires.lock().expect("whole");
        wires.engine_takes = Duration::from_millis(slow_ms);
        wires.engine_dies = self.troubles.is(Kind::EngineDies, now);
        wires.gate_refuses = self.troubles.is(Kind::GateRefuses, now);
        wires.sensor_blind = self.troubles.is(Kind::SensorBlind, now);
        wires.sensor_behind = Duration::from_millis(behind);
    }

    fn happen(&mut self, what: Happening) -> Result<(), String> {
        match what {
            Happening::Trigger { run, trigger } => self.trigger(run, trigger),
            Happening::Ghost => self.ghost(),
            Happening::Frame(shot) => self.frame(shot),
            Happening::Lost { run, missed } => self.lost(run, missed),
            Happening::Commit => {
                self.commit()?;
                self.later(self.now() + COMMIT, Happening::Commit);
            }
            Happening::Send => {
                self.send()?;
                self.later(self.now() + SEND, Happening::Send);
            }
            Happening::Look => {
                self.look()?;
                self.later(self.now() + LOOK, Happening::Look);
            }
            Happening::Answer {
                connection,
                seq,
                yes,
            } => self.answer(connection, seq, yes),
            Happening::SaidAnswer {
                connection,
                id,
                topic,
                yes,
            } => self.said_answer(connection, id, &topic, yes),
            Happening::Cut(connection) if connection == self.connection => self.cut(),
            Happening::Cut(_) => {}
            Happening::Blow(blow) => self.blow(blow)?,
            Happening::Start => self.start(),
            Happening::Produce => self.produce(),
            Happening::BeltRuns => {
                let now = self.now();
                self.plant
                    .lock()
                    .expect("whole")
                    .hold(now, |h| h.fault = false);
            }
        }
        Ok(())
    }

    /// A person starts production again, as soon as the state allows.
    fn produce(&mut self) {
        let now = self.now();
        let Some(station) = &mut self.station else {
            // the next start does it
            return;
        };
        if station.command(Event::StartContinuous) || station.machine.takes_parts().is_some() {
            self.plant
                .lock()
                .expect("whole")
                .hold(now, |h| h.person = false);
        } else {
            self.in_ms(300, Happening::Produce);
        }
    }
}
