//! What comes from the plant: triggers, frames, the ends of parts; and what the station said of them.

use crate::holes::Hole;
use crate::plant::{Arrival, COUNTS_PER_MM, Exposure, GATE_MM, SPEED_MM_S};
use crate::troubles::Kind;
use crate::world::{Happening, World};
use rand::RngExt;
use sightline_domain::{
    CameraId, Clock, FrameId, FrameMeta, Health, Levels, MissReason, MonoTime, PixelFormat,
    TimeSource, Timing, TrackId, Trigger, UtcMicros,
};
use sightline_frames::{Missed, Tapped, View};
use std::time::Duration;

/// A picture on its way to the station.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Of which run.
    pub run: u64,
    /// Its first pixel: the defects that it shows.
    pub shows: u8,
    /// Whose frame, which number, when.
    pub meta: FrameMeta,
}

impl World {
    fn timing(&self) -> Timing {
        Timing {
            uncertainty: self.setup.uncertainty,
            source: TimeSource::default(),
        }
    }

    /// A moment, as somebody reads it who is as good as his word.
    fn read(&mut self, at: MonoTime) -> MonoTime {
        let within = self.setup.uncertainty.as_nanos() as u64;
        match within {
            0 => at,
            n => MonoTime((at.0 + self.dice.random_range(0..2 * n)).saturating_sub(n)),
        }
    }

    fn utc(&self, at: MonoTime) -> UtcMicros {
        let now = self.now();
        UtcMicros(self.clock.utc().0 - now.signed_us(at))
    }

    /// Fetches what happened in the plant and what the station said and did.
    pub fn fetch(&mut self) -> Result<(), String> {
        let now = self.now();
        let mut plant = self.plant.lock().expect("whole");
        plant.advance(now);
        let arrivals = std::mem::take(&mut plant.arrivals);
        let exposures = std::mem::take(&mut plant.exposures);
        let ends = std::mem::take(&mut plant.ends);
        self.books.stood.extend(plant.stood.drain(..));
        drop(plant);
        for arrival in arrivals {
            self.arrived(arrival);
        }
        for exposure in exposures {
            self.exposed(exposure);
        }
        self.fetch_said()?;
        let alive = (self.run, self.station.is_some());
        for number in ends {
            let part = self.plant.lock().expect("whole").part(number).clone();
            self.trace.note("end", &(number, part.end));
            self.books.ended(number, &part, &self.troubles, alive)?;
        }
        Ok(())
    }

    fn fetch_said(&mut self) -> Result<(), String> {
        let now = self.now();
        let mut wires = self.wires.lock().expect("whole");
        let (told, acts) = (
            std::mem::take(&mut wires.told),
            std::mem::take(&mut wires.acts),
        );
        let alarms = std::mem::take(&mut wires.alarms);
        let part_of = |track| wires.part_of.get(&track).copied();
        let told: Vec<_> = told
            .into_iter()
            .map(|(result, json)| (part_of(result.track_id), result, json))
            .collect();
        drop(wires);
        for (at, kind, active) in alarms {
            self.trace.note("alarm", &(at, kind, active));
            self.books.alarm(at, kind, active);
        }
        for act in acts {
            self.trace.note("act", &act);
        }
        for (part, result, json) in told {
            let said = (part, result.track_id, result.seq, result.correction);
            let why = (result.disposition, result.disposition_reason);
            self.trace.note("told", &(now, said, why));
            self.trace.bytes(&json);
            self.told_in_run += 1;
            if self.hole == Some(Hole::SentBeforeStored) && self.connected {
                self.mes.deliver(result.seq, &json, false)?;
            }
            self.books.told(self.run, part, &result, now)?;
        }
        Ok(())
    }

    fn arrived(&mut self, arrival: Arrival) {
        if self.station.is_none() || self.is(Kind::TriggersLost) {
            return;
        }
        self.tracks += 1;
        let (run, track) = (self.run, self.tracks);
        let mut wires = self.wires.lock().expect("whole");
        wires.part_of.insert(track, arrival.part);
        wires.track_of.insert(arrival.part, track);
        if let Some(counts) = arrival.encoder.filter(|_| self.setup.by_encoder) {
            let way = (GATE_MM * COUNTS_PER_MM) as i64;
            wires.at_gate.insert(track, counts + way);
        }
        drop(wires);
        self.trace.note("eye", &(arrival, track));
        let at = self.read(arrival.at);
        let trigger = Trigger {
            track_id: TrackId(track),
            part_id: None,
            at,
            at_utc: self.utc(at),
            encoder: arrival.encoder,
            timing: self.timing(),
        };
        let wait = match self.is(Kind::TriggersLate) {
            true => self.dice.random_range(0..120),
            false => self.dice.random_range(0..2),
        };
        if self.is(Kind::TriggersTwice) && self.dice.random_bool(0.5) {
            let again = wait + self.dice.random_range(0..60);
            let mut second = trigger.clone();
            if self.hole == Some(Hole::TwoParts) {
                self.tracks += 1;
                second.track_id = TrackId(self.tracks);
                let mut wires = self.wires.lock().expect("whole");
                wires.part_of.insert(self.tracks, arrival.part);
            }
            self.in_ms(
                again,
                Happening::Trigger {
                    run,
                    trigger: second,
                },
            );
        }
        self.in_ms(wait, Happening::Trigger { run, trigger });
        if self.is(Kind::Ghosts) && self.dice.random_bool(0.5) {
            let after = self.dice.random_range(1..150);
            self.in_ms(after, Happening::Ghost);
        }
    }

    /// The eye sees a part that is not there.
    pub fn ghost(&mut self) {
        if self.station.is_none() {
            return;
        }
        let now = self.now();
        self.tracks += 1;
        let encoder = self.plant.lock().expect("whole").encoder(now);
        let trigger = Trigger {
            track_id: TrackId(self.tracks),
            part_id: None,
            at: now,
            at_utc: self.utc(now),
            encoder,
            timing: self.timing(),
        };
        self.trigger(self.run, trigger);
    }

    /// A trigger reaches the station.
    pub fn trigger(&mut self, run: u64, trigger: Trigger) {
        let now = self.now();
        if let Some(station) = self.station.as_mut().filter(|_| run == self.run) {
            station.line.trigger(now, trigger);
        }
    }

    fn exposed(&mut self, exposure: Exposure) {
        let Exposure { part, camera, at } = exposure;
        self.frame_ids[camera] += 1;
        if self.station.is_none() || self.is(Kind::CameraDown(camera)) {
            return;
        }
        let frozen = self.is(Kind::Frozen(camera)) && part > 1;
        let pictured = if frozen { part - 1 } else { part };
        let shows = self.shows(pictured, camera);
        let frame_id = FrameId(self.frame_ids[camera]);
        let captured = self.captured(at, camera);
        let (run, camera_id) = (self.run, CameraId(camera as u16));
        if self.is(Kind::FramesReportedLost(camera)) && self.dice.random_bool(0.5) {
            let missed = Missed {
                camera: camera_id,
                frame_id: Some(frame_id),
                at: captured,
                reason: MissReason::Undecodable,
            };
            return self.in_ms(3, Happening::Lost { run, missed });
        }
        if self.is(Kind::FramesLost(camera)) && self.dice.random_bool(0.5) {
            return;
        }
        let meta = FrameMeta {
            camera: camera_id,
            frame_id,
            captured,
            captured_utc: self.utc(captured),
            timing: self.timing(),
            numbered: true,
            width: 8,
            height: 8,
            format: PixelFormat::Gray8,
            levels: Levels::default(),
            layout: PixelFormat::Gray8.default_layout(8, 8),
            health: if frozen { Health::Frozen } else { Health::Ok },
            host_copies: 0,
        };
        let key = (self.run, camera, frame_id.0);
        self.books.frames.insert(key, part);
        let shot = Shot { run, shows, meta };
        let wait = match self.is(Kind::FramesLate(camera)) {
            true => self.dice.random_range(0..400),
            false => self.dice.random_range(1..6),
        };
        if self.is(Kind::FramesTwice(camera)) && self.dice.random_bool(0.5) {
            let again = wait + self.dice.random_range(0..100);
            self.in_ms(again, Happening::Frame(shot.clone()));
        }
        self.in_ms(wait, Happening::Frame(shot));
    }

    /// The defects of a part that its picture shows.
    fn shows(&self, part: u64, camera: usize) -> u8 {
        let plant = self.plant.lock().expect("whole");
        let part = plant.part(part);
        if part.hidden { 0 } else { part.defects[camera] }
    }

    /// When a frame was captured, as the camera says; with a hole, as it suits the part that came last.
    fn captured(&mut self, at: MonoTime, camera: usize) -> MonoTime {
        if self.hole != Some(Hole::Neighbour) {
            return self.read(at);
        }
        let plant = self.plant.lock().expect("whole");
        let last = plant.part(plant.arrived()).at_eye.unwrap_or(at);
        let way = crate::plant::CAMERA_MM[camera] / SPEED_MM_S;
        last + Duration::from_secs_f64(way)
    }

    /// A frame reaches the station.
    pub fn frame(&mut self, shot: Shot) {
        let now = self.now();
        let camera = shot.meta.camera;
        if shot.run != self.run {
            return;
        }
        let Some(station) = &mut self.station else {
            return;
        };
        self.down[camera.index()] = false;
        let slot = self.pools[camera.index()].open();
        let item = match slot {
            Some(mut slot) => {
                slot.bytes_mut()[0] = shot.shows;
                Tapped::View(View {
                    lease: slot.seal(shot.meta).expect("it fits its slot"),
                    reference: None,
                })
            }
            None => Tapped::Missed(Missed {
                camera,
                frame_id: Some(shot.meta.frame_id),
                at: shot.meta.captured,
                reason: MissReason::NoFreeSlot,
            }),
        };
        station.line.deliver(now, item);
    }

    /// A camera says that it lost a frame.
    pub fn lost(&mut self, run: u64, missed: Missed) {
        let now = self.now();
        if let Some(station) = self.station.as_mut().filter(|_| run == self.run) {
            station.line.deliver(now, Tapped::Missed(missed));
        }
    }

    /// The supervisors of the cameras notice which are not live.
    pub fn look_at_cameras(&mut self) {
        let now = self.now();
        for camera in 0..self.down.len() {
            let down = self.is(Kind::CameraDown(camera));
            if down && !self.down[camera] {
                self.down[camera] = true;
                if let Some(station) = &mut self.station {
                    station.line.camera_down(now, CameraId(camera as u16));
                }
            }
        }
    }
}
