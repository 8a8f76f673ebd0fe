//! What lies between station and plant: the gate's driver, where results and alarms go, and what both sides know.

use crate::holes::Hole;
use crate::plant::Plant;
use sightline_domain::{
    Alarm, AlarmKind, Clock, Disposition, InspectionResult, MockClock, MonoTime, TrackId,
};
use sightline_flow::{FlowEvents, ResultSink};
use sightline_journal::Journal;
use sightline_service::pieces::Events;
use sightline_verdict::{Confirmation, GateDriver, GateError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A name that no part of this run has.
const STRANGER: u64 = 1 << 40;

/// An act of the gate: the station's number of the part, what was ordered, when, and whether the gate took it.
pub type Act = (u64, Disposition, MonoTime, bool);

/// What both sides know.
pub struct Wires {
    clock: Arc<MockClock>,
    /// The plant's number of each of the station's parts of this run.
    pub part_of: BTreeMap<u64, u64>,
    /// The other way round.
    pub track_of: BTreeMap<u64, u64>,
    /// A batch takes so long now.
    pub engine_takes: Duration,
    /// Every other picture makes the engine panic now.
    pub engine_dies: bool,
    pictures: u64,
    /// The gate does not take commands now.
    pub gate_refuses: bool,
    /// The process stands still before the next act of the gate.
    pub freeze_in_act: Duration,
    /// The sensor's reports are so much behind.
    pub sensor_behind: Duration,
    /// It reports nothing.
    pub sensor_blind: bool,
    seen_in_bin: Vec<(u64, MonoTime, MonoTime)>,
    /// Results that were told and not fetched yet.
    pub told: Vec<(InspectionResult, bytes::Bytes)>,
    /// What was told of each part of this run last.
    pub said: BTreeMap<u64, Disposition>,
    /// Parts whose reject the gate did not take: a person takes them off.
    pub refused: Vec<u64>,
    /// Acts that were not fetched yet.
    pub acts: Vec<Act>,
    /// Alarms that were raised or cleared and not fetched yet.
    pub alarms: Vec<(MonoTime, AlarmKind, bool)>,
    /// The count at which each part of this run is at the gate, as its trigger says.
    pub at_gate: BTreeMap<u64, i64>,
    /// Passes that a hole carries out at their count.
    stale: Vec<(i64, u64)>,
    /// As read last.
    encoder: Option<i64>,
}

impl Wires {
    /// Nothing under way, nothing wrong.
    pub fn new(clock: Arc<MockClock>) -> Self {
        Self {
            clock,
            part_of: BTreeMap::new(),
            track_of: BTreeMap::new(),
            engine_takes: Duration::ZERO,
            engine_dies: false,
            pictures: 0,
            gate_refuses: false,
            freeze_in_act: Duration::ZERO,
            sensor_behind: Duration::ZERO,
            sensor_blind: false,
            seen_in_bin: Vec::new(),
            told: Vec::new(),
            said: BTreeMap::new(),
            refused: Vec::new(),
            acts: Vec::new(),
            alarms: Vec::new(),
            at_gate: BTreeMap::new(),
            stale: Vec::new(),
            encoder: None,
        }
    }

    /// Another run: parts that are under way are strangers to it.
    pub fn forget_run(&mut self) {
        self.part_of.clear();
        self.track_of.clear();
        self.said.clear();
        self.seen_in_bin.clear();
        self.at_gate.clear();
        self.stale.clear();
    }

    /// How long the engine takes for a picture, and whether it dies of it.
    pub fn engine(&mut self) -> (Duration, bool) {
        self.pictures += 1;
        (
            self.engine_takes,
            self.engine_dies && self.pictures.is_multiple_of(2),
        )
    }

    /// How many counts the part is before the gate, where that is known.
    fn way_left(&self, track: u64) -> Option<i64> {
        Some(self.at_gate.get(&track)? - self.encoder?)
    }
}

/// Counts of a lead before the gate, and of a part that is surely not there yet.
const LEAD: i64 = 20;
const FAR: i64 = 100;

/// Drives the plant's gate.
pub struct Driver {
    /// The plant.
    pub plant: Arc<Mutex<Plant>>,
    /// What both sides know.
    pub wires: Arc<Mutex<Wires>>,
    /// What is put back.
    pub hole: Option<Hole>,
}

impl Driver {
    /// What a hole makes of a reject: a pass now, or one at its count.
    fn spoil(&self, wires: &mut Wires, track: u64, ordered: Disposition) -> Disposition {
        let said_pass = wires.said.get(&track) == Some(&Disposition::Pass);
        if ordered != Disposition::Reject || !said_pass {
            return ordered;
        }
        let far = wires.way_left(track).is_some_and(|way| way > FAR);
        match self.hole {
            Some(Hole::StalePass) if far => {
                wires.stale.push((wires.at_gate[&track], track));
                ordered
            }
            Some(Hole::LatePass) if !far => Disposition::Pass,
            _ => ordered,
        }
    }
}

impl GateDriver for Driver {
    fn encoder(&mut self, now: MonoTime) -> Option<i64> {
        let counts = self.plant.lock().expect("whole").encoder(now);
        let mut guard = self.wires.lock().expect("whole");
        let wires = &mut *guard;
        wires.encoder = counts;
        let due: Vec<_> = wires
            .stale
            .extract_if(.., |(at, _)| counts.is_some_and(|c| *at - LEAD <= c))
            .filter_map(|(_, track)| wires.part_of.get(&track).copied())
            .collect();
        drop(guard);
        for part in due {
            let mut plant = self.plant.lock().expect("whole");
            plant.actuate(part, Disposition::Pass, now);
        }
        counts
    }

    fn actuate(
        &mut self,
        track: TrackId,
        disposition: Disposition,
        _: MonoTime,
    ) -> Result<(), GateError> {
        let mut wires = self.wires.lock().expect("whole");
        let stood = std::mem::take(&mut wires.freeze_in_act);
        wires.clock.advance(stood);
        let now = wires.clock.now();
        let taken = !wires.gate_refuses;
        wires.acts.push((track.0, disposition, now, taken));
        if !taken {
            let part = wires.part_of.get(&track.0).copied();
            wires
                .refused
                .extend(part.filter(|_| disposition == Disposition::Reject));
            return Err(GateError::Refused {
                track,
                reason: "by script".into(),
            });
        }
        let really = self.spoil(&mut wires, track.0, disposition);
        let part = wires.part_of.get(&track.0).copied().unwrap_or(STRANGER);
        drop(wires);
        self.plant.lock().expect("whole").actuate(part, really, now);
        Ok(())
    }

    fn poll_confirmations(&mut self, now: MonoTime, out: &mut Vec<Confirmation>) {
        let mut plant = self.plant.lock().expect("whole");
        plant.advance(now);
        let seen: Vec<_> = plant.confirmations.drain(..).collect();
        drop(plant);
        let mut wires = self.wires.lock().expect("whole");
        if !wires.sensor_blind {
            let behind = wires.sensor_behind;
            let reported = seen.into_iter().map(|(part, at)| (part, at, at + behind));
            wires.seen_in_bin.extend(reported);
        }
        let due: Vec<_> = wires
            .seen_in_bin
            .extract_if(.., |(_, _, due)| *due <= now)
            .collect();
        out.extend(due.into_iter().map(|(part, at, _)| {
            Confirmation {
                track: Some(TrackId(
                    wires
                        .track_of
                        .get(&part)
                        .copied()
                        .unwrap_or(STRANGER + part),
                )),
                at,
            }
        }));
    }

    fn hold(&mut self, on: bool) {
        if self.hole != Some(Hole::NoHold) {
            let now = self.wires.lock().expect("whole").clock.now();
            self.plant.lock().expect("whole").hold(now, |h| h.gate = on);
        }
    }

    fn is_held(&mut self, _: MonoTime) -> bool {
        let holds = self.plant.lock().expect("whole").holds();
        holds.gate || holds.person
    }
}

/// Where results go.
pub struct Sink {
    /// To be stored.
    pub journal: Journal,
    /// What both sides know.
    pub wires: Arc<Mutex<Wires>>,
    /// What is put back.
    pub hole: Option<Hole>,
}

impl ResultSink for Sink {
    fn submit(&mut self, result: InspectionResult, bytes: Box<[u8]>) {
        if result.correction > 0 && self.hole == Some(Hole::NotCorrected) {
            return;
        }
        let json = bytes::Bytes::from(bytes);
        // the journal counts and notes what it cannot take
        let _ = self.journal.submit(&result, json.clone());
        if self.hole == Some(Hole::AcknowledgedBeforeStored) {
            self.journal.acknowledge(result.seq);
        }
        let mut wires = self.wires.lock().expect("whole");
        wires.said.insert(result.track_id, result.disposition);
        wires.told.push((result, json));
    }
}

/// Where alarms go: to the real list, and into the books.
pub struct Watch {
    /// The list.
    pub events: Arc<Events>,
    /// What both sides know.
    pub wires: Arc<Mutex<Wires>>,
    /// What is put back.
    pub hole: Option<Hole>,
}

impl FlowEvents for Watch {
    fn alarm(&self, alarm: Alarm) {
        if self.hole == Some(Hole::SilentGate) {
            return;
        }
        let mut wires = self.wires.lock().expect("whole");
        let now = wires.clock.now();
        wires.alarms.push((now, alarm.id.kind(), alarm.active));
        drop(wires);
        self.events.alarm(alarm);
    }
}
