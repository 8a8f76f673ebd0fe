//! The books of a run: what each part was told, did and should have had, and what that means for the invariants.

use crate::plant::Part;
use crate::troubles::{Kind, Troubles};
use sightline_domain::{
    AlarmKind, Disposition, DispositionReason, InspectionResult, MissReason, MonoTime,
};
use sightline_simulation::{GatePosition, PhysicalEnd};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was said of a part.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// In which run.
    pub run: u64,
    /// What is to become of it, as it was told last.
    pub disposition: Disposition,
}

/// An alarm that must be raised.
#[derive(Clone, Copy, Debug)]
struct Owed {
    any: &'static [AlarmKind],
    since: MonoTime,
    until: MonoTime,
    what: &'static str,
}

/// The books.
#[derive(Default)]
pub struct Books {
    /// By the plant's number.
    pub said: BTreeMap<u64, Said>,
    /// Whose picture a frame is: by run, camera and number.
    pub frames: BTreeMap<(u64, usize, u64), u64>,
    /// When processes died or ended.
    pub ends_of_runs: Vec<MonoTime>,
    /// When the belt began to stand.
    pub stood: Vec<MonoTime>,
    /// Raised and cleared.
    alarms: Vec<(MonoTime, AlarmKind, bool)>,
    owed: Vec<Owed>,
    /// What could not be otherwise, by name: counted, so that it is seen how often.
    pub excused: BTreeMap<&'static str, u64>,
    /// Escapes of the model's own.
    pub escapes_by_model: u64,
    /// Parts that passed and were meant to.
    pub passed: u64,
    /// Parts told again.
    pub corrected: u64,
}

/// How long before a moment its alarm may have been raised, and after.
const BEFORE: Duration = Duration::from_secs(4);
const AFTER: Duration = Duration::from_millis(1_500);

/// Alarms that say that what the gate does and what it was to do may differ.
const AT_THE_GATE: &[AlarmKind] = &[
    AlarmKind::GateUnconfirmed,
    AlarmKind::GateUnexpected,
    AlarmKind::GateUncommanded,
    AlarmKind::GateUnsynchronised,
    AlarmKind::GateEncoderLost,
    AlarmKind::GateRefused,
    AlarmKind::GateLatePass,
];

impl Books {
    /// An alarm changed.
    pub fn alarm(&mut self, at: MonoTime, kind: AlarmKind, active: bool) {
        self.alarms.push((at, kind, active));
    }

    fn owe(&mut self, any: &'static [AlarmKind], at: MonoTime, what: &'static str) {
        self.owed.push(Owed {
            any,
            since: at - BEFORE,
            until: at + AFTER,
            what,
        });
    }

    /// One of `any` was raised within the time, or stood when it began.
    fn was_told(&self, owed: &Owed) -> bool {
        owed.any.iter().any(|kind| {
            let mine = self.alarms.iter().filter(|(_, k, _)| k == kind);
            let within = |at: MonoTime| owed.since <= at && at <= owed.until;
            let before = mine.clone().rfind(|(at, _, _)| *at < owed.since);
            before.is_some_and(|(_, _, active)| *active)
                || mine.clone().any(|(at, _, active)| *active && within(*at))
        })
    }

    /// Alarms whose time is over.
    ///
    /// # Errors
    /// Invariant 7.
    pub fn look(&mut self, now: MonoTime) -> Result<(), String> {
        let over: Vec<Owed> = self.owed.extract_if(.., |o| o.until < now).collect();
        for owed in over {
            // an end of the run takes its alarms along
            let died = self.died_between(owed.since, owed.until);
            if !died && !self.was_told(&owed) {
                return Err(format!(
                    "7, an alarm for every trouble: {} at {:?}, and none of {:?} was raised",
                    owed.what, owed.until, owed.any
                ));
            }
        }
        Ok(())
    }

    /// A process ended from `since` to `until`.
    pub fn died_between(&self, since: MonoTime, until: MonoTime) -> bool {
        self.ends_of_runs
            .iter()
            .any(|at| since <= *at && *at <= until)
    }

    /// A result was told; `part`: whose it is, if it is one's.
    ///
    /// # Errors
    /// Invariant 2.
    pub fn told(
        &mut self,
        run: u64,
        part: Option<u64>,
        result: &InspectionResult,
        now: MonoTime,
    ) -> Result<(), String> {
        for view in &result.views {
            let camera = usize::from(view.view.ends_with('1'));
            let picture = view
                .frame_id
                .filter(|_| view.missed.is_none())
                .map(|frame| self.frames.get(&(run, camera, frame)).copied());
            if let Some(of) = picture
                && of != part.map(Some).unwrap_or(of)
            {
                let moved = self.stood.iter().any(|at| *at + AFTER > now);
                if result.disposition == Disposition::Pass || !moved {
                    return Err(format!(
                        "2, a verdict belongs to its part: part {part:?} was judged by a picture of {of:?} and is to {:?}",
                        result.disposition
                    ));
                }
                let excuse =
                    "a picture of the neighbour, rejected: the belt stood between eye and camera";
                *self.excused.entry(excuse).or_default() += 1;
            }
            if view.missed == Some(MissReason::EngineFault) && result.correction == 0 {
                let any = &[AlarmKind::EngineFault, AlarmKind::EngineStopped];
                self.owe(any, now, "an engine failed");
            }
        }
        if result.correction > 0 {
            self.corrected += 1;
            match result.disposition_reason {
                DispositionReason::Late => {
                    let any = &[AlarmKind::GateLatePass];
                    self.owe(any, now, "a pass came too late");
                }
                _ => self.owe(AT_THE_GATE, now, "a part went another way than was told"),
            }
        }
        if let Some(part) = part {
            let before = self.said.insert(
                part,
                Said {
                    run,
                    disposition: result.disposition,
                },
            );
            if result.correction == 0 && before.is_some_and(|s| s.run == run) {
                return Err(format!(
                    "4, counters are conserved: part {part} has two results"
                ));
            }
        }
        Ok(())
    }

    /// Somebody was told within this time that nobody knows where parts are.
    fn out_of_step(&self, since: MonoTime, until: MonoTime) -> bool {
        self.was_told(&Owed {
            any: &[AlarmKind::GateUnsynchronised],
            since,
            until,
            what: "",
        })
    }

    /// A part reached its end.
    ///
    /// # Errors
    /// Invariant 1.
    pub fn ended(
        &mut self,
        number: u64,
        part: &Part,
        troubles: &Troubles,
        (run, alive): (u64, bool),
    ) -> Result<(), String> {
        let (Some((end, at)), Some(began)) = (part.end, part.at_eye) else {
            return Ok(());
        };
        let said = self.said.get(&number).copied();
        let known = said.is_some_and(|s| s.run == run) && alive;
        let went_on = end != PhysicalEnd::Rejected;
        let told_pass = said.is_some_and(|s| s.disposition == Disposition::Pass);
        let unseen = told_pass && troubles.any(began, at + AFTER, |k| k == Kind::SensorBlind);
        if known && went_on != told_pass && !unseen && !self.died_between(began, at) {
            self.owe(AT_THE_GATE, at, "a part went another way than was told");
        }
        if end != PhysicalEnd::Passed {
            return Ok(());
        }
        self.passed += u64::from(told_pass);
        let bad = part.defects.iter().any(|d| *d > 0);
        if !bad {
            return Ok(());
        }
        if !part.must_be_found() && told_pass {
            self.escapes_by_model += 1;
            return Ok(());
        }
        let stuck = |k| k == Kind::GateStuck(GatePosition::Pass);
        let out_of_step = self.out_of_step(began, at);
        let excuse = if self.died_between(began, at) {
            Some("escape: the gate stuck open, and the process died")
        } else if said.is_none() {
            Some("escape: the gate stuck open, and the part had no trigger")
        } else if out_of_step && !told_pass {
            Some("escape: the gate stuck open, and it was out of step")
        } else {
            None
        };
        if let Some(excuse) = excuse.filter(|_| troubles.any(began, at, stuck)) {
            *self.excused.entry(excuse).or_default() += 1;
            return Ok(());
        }
        Err(format!(
            "1, no escape but the model's own: part {number} with {:?} defects passed at {at:?}; said: {said:?}",
            part.defects
        ))
    }

    /// Whether what was told last of each part is what happened.
    ///
    /// # Errors
    /// Invariant 3.
    pub fn told_is_happened(&mut self, parts: &[Part], troubles: &Troubles) -> Result<(), String> {
        for (i, part) in parts.iter().enumerate() {
            let number = i as u64 + 1;
            let (Some((end, at)), Some(began)) = (part.end, part.at_eye) else {
                continue;
            };
            let Some(said) = self.said.get(&number).copied() else {
                continue;
            };
            let told_pass = said.disposition == Disposition::Pass;
            // what was taken off by hand is what a reject means
            let passed = end == PhysicalEnd::Passed;
            if told_pass == passed {
                continue;
            }
            let excuse = if self.died_between(began, at + AFTER) {
                "told is not happened: the process died before the gate acted"
            } else if told_pass && troubles.any(began, at + AFTER, |k| k == Kind::SensorBlind) {
                "told is not happened: the sensor that would have seen it was blind"
            } else if !told_pass
                && troubles.any(began, at, |k| k == Kind::GateStuck(GatePosition::Pass))
                && self.out_of_step(began, at)
            {
                "told is not happened: the gate stuck open, and it was out of step"
            } else {
                return Err(format!(
                    "3, told is happened: part {number} was told {:?} and {end:?} at {at:?}",
                    said.disposition
                ));
            };
            *self.excused.entry(excuse).or_default() += 1;
        }
        Ok(())
    }
}
