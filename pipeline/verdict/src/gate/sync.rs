//! Rejecting until the gate is in step again: after the belt's position was lost, what set out before is rejected, and
//! what sets out after is followed as ever.

use super::alarms::GateAlarmKind;
use super::encoder::Doubt;
use super::schedule::{GateCommand, GateSchedule};
use crate::outcome::Outcome;
use sightline_domain::{Disposition, DispositionReason, MonoTime, TrackId};

/// How a position was lost, for people.
pub(super) mod why {
    pub(crate) const SILENT: &str = "the encoder gives no counts";
    pub(crate) const JUMPED: &str =
        "the encoder's count went backwards or further than the belt can have run";
    pub(crate) const STANDS: &str = "the encoder stands though nobody is known to have stopped the belt: it lost counts, or the belt was stopped by somebody else";
    pub(crate) const TRIGGER: &str =
        "a part arrived at the trigger that does not fit the encoder's count";
    pub(crate) const SENSOR: &str =
        "the sensor in the reject bin saw a part that was to be elsewhere by the encoder";
    pub(crate) const HELD: &str = "the belt was stopped, and the gate follows parts by time alone";
}

const FAULT: Outcome = Outcome::reject(DispositionReason::Fault);

impl GateSchedule {
    /// Says whether the belt stands by somebody's order. To be told before each [`GateSchedule::poll`]. What was not
    /// decided when it began to stand is rejected: its pictures are due by time, and may be another's.
    pub fn belt_held(&mut self, held: bool, now: MonoTime) {
        if !held && let Some(stood) = self.belt.stood_until(now) {
            self.awaiting.put_off(stood);
        }
        if !self.belt.hold(held, now) || self.coming.is_empty() {
            return;
        }
        if !self.belt.by_encoder() {
            return self.lose_step(why::HELD, None, now);
        }
        let undecided = self.coming.iter_mut().filter(|e| e.verdict.is_none());
        undecided.for_each(|e| e.stood = true);
    }

    /// Whether parts that set out now can be followed to the gate.
    pub fn is_synchronised(&self) -> bool {
        self.belt.is_believed() && self.unsure_until.is_none()
    }

    /// Takes the encoder's sample; with one that cannot be, what is under way is lost.
    pub(super) fn watch_encoder(&mut self, now: MonoTime, encoder: Option<i64>) {
        let doubt = self.belt.observe(now, encoder);
        let lost = GateAlarmKind::EncoderLost;
        if let Some(doubt) = doubt.filter(|_| !self.coming.is_empty()) {
            let why = match doubt {
                Doubt::Silent => why::SILENT,
                Doubt::Jumped => why::JUMPED,
                Doubt::Stands => why::STANDS,
            };
            if doubt == Doubt::Silent && !self.alarms.is_active(lost) {
                self.alarms.raise(lost, None, now);
            }
            self.lose_step(why, None, now);
        }
        if encoder.is_some() {
            self.alarms.clear(lost, now);
        }
        self.find_step(now, encoder);
    }

    /// From now on nobody knows where the parts under way are: each is rejected, whatever was said of it.
    pub(super) fn lose_step(&mut self, why: &'static str, track: Option<TrackId>, now: MonoTime) {
        self.belt.doubt();
        if !self.coming.is_empty() {
            self.unsure_until = Some(None);
        }
        let kind = GateAlarmKind::Unsynchronised;
        if !self.alarms.is_active(kind) || !self.coming.is_empty() {
            self.alarms.raise_because(kind, Some(why), track, now);
        }
        while let Some(e) = self.coming.pop_front() {
            self.counters.rejected += 1;
            self.counters.unsynchronised += 1;
            match e.verdict {
                Some(told) => self.correct(e.track, told, FAULT),
                None => self.remember_refused(e.track, DispositionReason::Fault),
            }
            self.await_sometime(e.track, now);
            self.pending.push_back(GateCommand {
                track: e.track,
                disposition: Disposition::Reject,
                reason: DispositionReason::Fault,
            });
        }
    }

    /// `track` set out while nobody could follow it: it may be ahead of what can be followed again.
    pub(super) fn stay_out_of_step(&mut self, track: TrackId, now: MonoTime) {
        self.unsure_until = Some(None);
        let kind = GateAlarmKind::Unsynchronised;
        if !self.alarms.is_active(kind) {
            self.alarms
                .raise_because(kind, Some(why::TRIGGER), Some(track), now);
        }
    }

    /// In step again once the counts are believed and the belt has carried everything off that set out before.
    fn find_step(&mut self, now: MonoTime, encoder: Option<i64>) {
        let Some(until) = self.unsure_until else {
            if self.belt.is_believed() && !self.is_kick() {
                self.alarms.clear(GateAlarmKind::Unsynchronised, now);
            }
            return;
        };
        if !self.belt.is_believed() {
            self.unsure_until = Some(None);
            return;
        }
        let Some(position) = self.belt.position(now, encoder) else {
            return;
        };
        let Some(until) = until else {
            let way = self.belt.way_units();
            self.unsure_until = Some(Some(position.saturating_add(way)));
            return;
        };
        if position < until {
            return;
        }
        self.unsure_until = None;
        if let Some(within) = self.confirm_within {
            self.awaiting.set_time(now + within);
        }
        // where a kick is missed a part is through: somebody has to look
        if !self.is_kick() {
            self.alarms.clear(GateAlarmKind::Unsynchronised, now);
        }
    }

    /// `track` was told as `told`; `really` is what happened.
    pub(super) fn correct(&mut self, track: TrackId, told: Outcome, really: Outcome) {
        if told.disposition != really.disposition {
            self.counters.corrected += 1;
            self.corrections.push(track, really);
        }
    }
}
