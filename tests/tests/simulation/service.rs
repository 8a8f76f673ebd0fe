//! The looks of the service and of people at the line, and what is checked at each.

use crate::plant::Part;
use crate::station::{QUEUE, ROOM};
use crate::world::World;
use rand::RngExt;
use sightline_domain::{AlarmEffect, AlarmKind, AlarmRule, AlarmState, Disposition, MonoTime};
use sightline_flow::LineCounts;
use sightline_simulation::PhysicalEnd;
use sightline_verdict::InFlight;
use std::time::Duration;

/// Messages that may wait beside the results: copies and answers.
const SAID: usize = 1_024 + 256;
/// Results in the uplink's window.
const WINDOW: usize = 1_024;

impl World {
    /// The service looks around, and a person looks at the alarms.
    ///
    /// # Errors
    /// Invariants 4, 7 and 9.
    pub fn look(&mut self) -> Result<(), String> {
        let now = self.now();
        self.look_at_cameras();
        self.fetch()?;
        self.books.look(now)?;
        let told = self.told_in_run;
        let Some(station) = &mut self.station else {
            return Ok(());
        };
        station.look()?;
        counters_are_conserved(&station.line.counts(), told)?;
        let (results, said) = station.uplink.waiting();
        let waits = station.journal.queue().len;
        if let Some((gate, coming)) = station.line.gate_counts() {
            let gone = gate.passed + gate.rejected + gate.refused;
            if gate.registered != gone + coming as u64 {
                return Err(format!(
                    "4, counters are conserved: of {} parts told to the gate {gone} are dealt with and {coming} on their way",
                    gate.registered
                ));
            }
            bounded("parts before the gate", coming, ROOM)?;
        }
        bounded("results in the window", results, WINDOW)?;
        bounded("messages beside the results", said, SAID)?;
        bounded("entries before the disk", waits, QUEUE)?;
        let stuck = station.journal.progress().stuck.is_some();
        let stands = |kind| {
            let standing = station.events.standing();
            standing
                .iter()
                .any(|s| s.alarm.id.kind() == kind && s.alarm.active)
        };
        if stuck && !stands(AlarmKind::JournalStuck) {
            return Err(
                "7, an alarm for every trouble: the disk takes nothing, and no alarm says so"
                    .into(),
            );
        }
        if now.0.is_multiple_of(7) {
            station.uplink.say("audit", vec![0; 40], false);
        }
        self.person(now);
        Ok(())
    }

    /// Somebody sees to what stands, after a while: frees the flap, takes off what lies wrong, and acknowledges.
    fn person(&mut self, now: MonoTime) {
        let Some(station) = &mut self.station else {
            return;
        };
        let standing = station.events.standing();
        let to_see = |s: &&sightline_domain::AlarmStanding| {
            let waits = matches!(
                s.state,
                AlarmState::ActiveUnacknowledged | AlarmState::ReturnedUnacknowledged
            );
            waits && (s.alarm.id.kind().rule() != AlarmRule::Ends)
        };
        let waiting: Vec<_> = standing.iter().filter(to_see).collect();
        if waiting.is_empty() {
            self.seen_since = None;
            return;
        }
        let due = *self
            .seen_since
            .get_or_insert_with(|| now + Duration::from_millis(self.dice.random_range(200..2_000)));
        if now < due {
            return;
        }
        self.seen_since = None;
        for seen in waiting {
            if seen.alarm.id.kind().pattern().starts_with("gate-") {
                let refused = std::mem::take(&mut self.wires.lock().expect("whole").refused);
                let mut plant = self.plant.lock().expect("whole");
                plant.repair_gate(now);
                for number in refused {
                    plant.parts[number as usize - 1].taken_off = true;
                }
                drop(plant);
                station.line.acknowledge_gate();
            }
            // it may be over meanwhile
            let _ = station
                .events
                .acknowledge(&seen.alarm.id.to_string(), None, "anna");
        }
        self.trace.note("acknowledged", &now);
    }

    /// Whether the line does its work again, undisturbed as it has been for a while.
    ///
    /// # Errors
    /// Invariant 8.
    pub fn has_recovered(&mut self) -> Result<(), String> {
        let now = self.now();
        let Some(station) = &mut self.station else {
            return Err("8, recovers by itself: the station is not up".into());
        };
        let wrong = |what: String| Err(format!("8, recovers by itself: {what}"));
        if station.events.effect(|_| true) == AlarmEffect::Hold {
            let standing = station.events.standing();
            let held: Vec<_> = standing.iter().map(|s| s.alarm.id.to_string()).collect();
            return wrong(format!("the line is held, {held:?}"));
        }
        if let Some(stuck) = station.journal.progress().stuck {
            return wrong(format!("the journal is stuck: {stuck}"));
        }
        let waiting = station.uplink.waiting().0;
        if waiting > 20 {
            return wrong(format!("{waiting} results wait for the broker"));
        }
        if !self.is_roomy {
            return Ok(());
        }
        let plant = self.plant.lock().expect("whole");
        let lately = |p: &&(usize, &Part)| {
            let good = p.1.defects.iter().all(|d| *d == 0);
            let at = p.1.at_eye.unwrap_or(now);
            good && at + Duration::from_secs(9) > now && at + Duration::from_secs(5) < now
        };
        let parts: Vec<_> = plant.parts.iter().enumerate().collect();
        let (mut good, mut passed) = (0, 0);
        for (i, part) in parts.iter().filter(lately) {
            good += 1;
            let said = self.books.said.get(&(*i as u64 + 1));
            let told = said.is_some_and(|s| s.disposition == Disposition::Pass);
            let went = part.end.is_some_and(|(end, _)| end == PhysicalEnd::Passed);
            passed += u64::from(told && went);
            if !(told && went) {
                return wrong(format!(
                    "good part {} at {:?} was told {said:?} and ended {:?}",
                    i + 1,
                    part.at_eye,
                    part.end
                ));
            }
        }
        match good > 3 && good == passed {
            true => Ok(()),
            false => wrong(format!("{good} good parts came lately, {passed} passed")),
        }
    }
}

/// Everything that was told of `line` is where the counters say.
fn counters_are_conserved(line: &LineCounts, told: u64) -> Result<(), String> {
    let mut all = line.conservation();
    all.acknowledged = all.published + all.corrections;
    let in_flight = InFlight {
        parts: all.parts - all.verdicts.min(all.parts),
        ..InFlight::default()
    };
    all.check(&in_flight)
        .map_err(|gap| format!("4, counters are conserved: {gap}"))?;
    bounded("open parts", in_flight.parts as usize, ROOM)?;
    if line.passed + line.rejected != line.dispositions {
        return Err(format!("4, counters are conserved: {line:?}"));
    }
    match told == line.results + line.corrections {
        true => Ok(()),
        false => Err(format!(
            "4, counters are conserved: {told} results came, {} and {} corrections were counted",
            line.results, line.corrections
        )),
    }
}

fn bounded(what: &str, found: usize, most: usize) -> Result<(), String> {
    match found <= most {
        true => Ok(()),
        false => Err(format!(
            "9, memory is bounded: {found} {what}, {most} at most"
        )),
    }
}
