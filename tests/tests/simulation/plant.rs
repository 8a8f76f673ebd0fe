//! The plant: belt, parts, photo-eye, cameras, encoder, gate and the sensor in the reject bin, from the simulated line's
//! own pieces. It knows the truth of each part, and nobody else is asked.

use sightline_domain::{Disposition, MonoTime, TrackId};
use sightline_simulation::encoder::SimEncoder;
use sightline_simulation::seed::stream;
use sightline_simulation::{
    Belt, BeltSettings, Fault, FaultScript, GateEvent, GateSettings, PhysicalEnd, SimGate,
};
use std::collections::VecDeque;

/// Cameras of the line.
pub const CAMERAS: usize = 2;
/// From the photo-eye to each camera, mm.
pub const CAMERA_MM: [f64; CAMERAS] = [8.0, 70.0];
/// Belt speed, mm/s.
pub const SPEED_MM_S: f64 = 200.0;
/// Encoder counts per mm.
pub const COUNTS_PER_MM: f64 = 10.0;
/// From the photo-eye to the gate, mm.
pub const GATE_MM: f64 = 300.0;

/// One part, as it really is.
#[derive(Clone, Debug)]
pub struct Part {
    /// Belt position when it is at the eye, mm.
    pub position_mm: f64,
    /// Defects on each face.
    pub defects: [u8; CAMERAS],
    /// Its pictures do not show them: what the model misses is the model's own escape.
    pub hidden: bool,
    /// When it was at the eye.
    pub at_eye: Option<MonoTime>,
    /// Somebody takes it off by hand, wherever it is.
    pub taken_off: bool,
    /// Where it ended, and when.
    pub end: Option<(PhysicalEnd, MonoTime)>,
}

impl Part {
    /// Must not pass, and its pictures show why.
    pub fn must_be_found(&self) -> bool {
        !self.hidden && self.defects.iter().any(|d| *d > 0)
    }
}

/// A part at the eye.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its number, from 1.
    pub part: u64,
    /// When it was there.
    pub at: MonoTime,
    /// What the encoder said then.
    pub encoder: Option<i64>,
}

/// A part before a camera.
#[derive(Clone, Copy, Debug)]
pub struct Exposure {
    /// Its number, from 1.
    pub part: u64,
    /// Which camera.
    pub camera: usize,
    /// When.
    pub at: MonoTime,
}

/// Who keeps the belt standing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holds {
    /// The station's gate.
    pub gate: bool,
    /// A person.
    pub person: bool,
    /// Nobody: it just stands.
    pub fault: bool,
}

/// The plant.
pub struct Plant {
    belt: Belt,
    gate: SimGate,
    encoder: SimEncoder,
    script: FaultScript,
    /// By number, from 1.
    pub parts: Vec<Part>,
    spacing_mm: (f64, f64),
    dice: rand_chacha::ChaCha8Rng,
    at_eye: usize,
    before: [usize; CAMERAS],
    holds: Holds,
    /// What happened and was not fetched yet.
    pub arrivals: VecDeque<Arrival>,
    /// The same.
    pub exposures: VecDeque<Exposure>,
    /// The same: what the bin's sensor saw.
    pub confirmations: VecDeque<(u64, MonoTime)>,
    /// The same: parts that reached their end.
    pub ends: VecDeque<u64>,
    /// The same: moments at which the belt began to stand.
    pub stood: VecDeque<MonoTime>,
}

impl Plant {
    /// A plant whose parts follow each other so far apart.
    pub fn new(seed: u64, spacing_mm: (f64, f64), script: Vec<Fault>) -> Self {
        let belt = BeltSettings {
            speed_mm_s: SPEED_MM_S,
            counts_per_mm: COUNTS_PER_MM,
            ..BeltSettings::default()
        };
        let gate = GateSettings {
            position_mm: GATE_MM,
            ..GateSettings::default()
        };
        let mut plant = Self {
            belt: Belt::new(&belt, MonoTime(0)),
            gate: SimGate::new(gate),
            encoder: SimEncoder::default(),
            script: FaultScript::new(script, MonoTime(0)),
            parts: Vec::new(),
            spacing_mm,
            dice: stream(seed, 0x9A),
            at_eye: 0,
            before: [0; CAMERAS],
            holds: Holds::default(),
            arrivals: VecDeque::new(),
            exposures: VecDeque::new(),
            confirmations: VecDeque::new(),
            ends: VecDeque::new(),
            stood: VecDeque::new(),
        };
        plant.add();
        plant
    }

    /// The part with this number, from 1.
    pub fn part(&self, number: u64) -> &Part {
        &self.parts[number as usize - 1]
    }

    /// Parts that came to the eye.
    pub fn arrived(&self) -> u64 {
        self.at_eye as u64
    }

    fn add(&mut self) {
        use rand::RngExt;
        let last = self.parts.last().map_or(0.0, |p| p.position_mm);
        let (least, most) = self.spacing_mm;
        let defective = self.dice.random_bool(0.25);
        let face = self.dice.random_range(0..CAMERAS);
        let mut defects = [0; CAMERAS];
        defects[face] = u8::from(defective) * self.dice.random_range(1..4u8);
        self.parts.push(Part {
            position_mm: last + self.dice.random_range(least..most),
            defects,
            hidden: self.dice.random_bool(0.05),
            at_eye: None,
            taken_off: false,
            end: None,
        });
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<MonoTime> {
        let eye = self.belt.time_at(self.parts[self.at_eye].position_mm);
        let cameras = (0..CAMERAS).filter_map(|c| self.exposure_at(c));
        cameras
            .chain(eye)
            .chain(self.gate.next_at(&self.belt))
            .min()
    }

    fn exposure_at(&self, camera: usize) -> Option<MonoTime> {
        let part = self.parts.get(self.before[camera])?;
        self.belt.time_at(part.position_mm + CAMERA_MM[camera])
    }

    /// Lets everything happen until `now`.
    pub fn advance(&mut self, now: MonoTime) {
        while let Some(at) = self
            .belt
            .time_at(self.parts[self.at_eye].position_mm)
            .filter(|at| *at <= now)
        {
            let mm = self.parts[self.at_eye].position_mm;
            self.parts[self.at_eye].at_eye = Some(at);
            self.at_eye += 1;
            self.add();
            let part = self.at_eye as u64;
            self.gate.part(TrackId(part), mm);
            let counts = self.belt.counts_at(mm);
            let encoder = self.encoder.read(counts, &self.script, at);
            self.arrivals.push_back(Arrival { part, at, encoder });
        }
        for camera in 0..CAMERAS {
            while let Some(at) = self.exposure_at(camera).filter(|at| *at <= now) {
                self.before[camera] += 1;
                let part = self.before[camera] as u64;
                self.exposures.push_back(Exposure { part, camera, at });
            }
        }
        let (parts, script) = (&mut self.parts, &self.script);
        let (confirmations, ends) = (&mut self.confirmations, &mut self.ends);
        self.gate.advance(&self.belt, script, now, |event| {
            event_of(event, parts, confirmations, ends);
        });
    }

    /// What the encoder says.
    pub fn encoder(&mut self, now: MonoTime) -> Option<i64> {
        self.advance(now);
        self.encoder.read(self.belt.encoder(now), &self.script, now)
    }

    /// Moves the flap for a part.
    pub fn actuate(&mut self, part: u64, disposition: Disposition, now: MonoTime) {
        self.advance(now);
        self.gate.actuate(TrackId(part), disposition, now);
    }

    /// Changes who keeps the belt standing. Whoever stops it takes off what passed the gate without being meant to.
    pub fn hold(&mut self, now: MonoTime, change: impl FnOnce(&mut Holds)) {
        self.advance(now);
        change(&mut self.holds);
        let parts = &mut self.parts;
        let (confirmations, ends) = (&mut self.confirmations, &mut self.ends);
        if self.holds.gate || self.holds.person {
            self.gate.contain(now, |event| {
                event_of(event, parts, confirmations, ends);
            });
        }
        let stands = self.holds.gate || self.holds.person || self.holds.fault;
        if stands && self.belt.is_running() {
            self.stood.push_back(now);
        }
        self.belt.run(!stands, now);
    }

    /// Who keeps it standing.
    pub fn holds(&self) -> Holds {
        self.holds
    }

    /// Somebody frees the flap.
    pub fn repair_gate(&mut self, now: MonoTime) {
        self.advance(now);
        self.script.repair_gate(self.gate.last_crossed(), now);
    }
}

fn event_of(
    event: GateEvent,
    parts: &mut [Part],
    confirmations: &mut VecDeque<(u64, MonoTime)>,
    ends: &mut VecDeque<u64>,
) {
    match event {
        GateEvent::Confirmed { track, at } => {
            if !parts[track.0 as usize - 1].taken_off {
                confirmations.push_back((track.0, at));
            }
        }
        GateEvent::Ended { track, end, at } => {
            let part = &mut parts[track.0 as usize - 1];
            let end = match part.taken_off {
                true => PhysicalEnd::Contained,
                false => end,
            };
            part.end = Some((end, at));
            ends.push_back(track.0);
        }
    }
}
