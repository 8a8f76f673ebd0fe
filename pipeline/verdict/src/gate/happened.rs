//! What the gate really did: whether a command came in time, and what the sensor in the reject bin saw.

use super::alarms::GateAlarmKind;
use super::confirm::Match;
use super::corrections::Correction;
use super::driver::Confirmation;
use super::schedule::{GateCommand, GateSchedule};
use super::sync::why;
use crate::outcome::Outcome;
use sightline_domain::{Disposition, DispositionReason, MonoTime, TrackId};

const FAULT: Outcome = Outcome::reject(DispositionReason::Fault);

impl GateSchedule {
    /// The sensor saw a part in the reject bin.
    pub fn confirmed(&mut self, seen: Confirmation, now: MonoTime) {
        match self.awaiting.seen(seen.track, seen.at) {
            Match::InTime => self.counters.confirmed += 1,
            Match::Overdue => self.counters.confirmed_late += 1,
            Match::Late(track) => {
                self.counters.confirmed_late += 1;
                self.unconfirmed(track, now);
            }
            Match::Unexpected => self.unexpected(seen, now),
        }
    }

    /// A part lies in the bin that no reject sent there.
    fn unexpected(&mut self, seen: Confirmation, now: MonoTime) {
        self.counters.unexpected += 1;
        if let Some(track) = seen.track
            && self.coming.iter().any(|e| e.track == track)
        {
            // whether its command is only late, the next poll knows
            if self.uncommanded.len() < self.uncommanded.capacity() {
                self.uncommanded.push_back(track);
            }
            return;
        }
        let reach = self.belt.lead() + self.confirm_within.unwrap_or_default();
        let since = seen.at - reach;
        let passed = self.corrections.take(seen.track, since);
        if let Some(track) = passed {
            self.correct(track, Outcome::PASS, FAULT);
        }
        let track = passed.or(seen.track);
        self.alarms.raise(GateAlarmKind::Unexpected, track, now);
        if self.belt.by_encoder() {
            self.lose_step(why::SENSOR, track, now);
        }
    }

    /// Parts the sensor saw before their command: a command that is late (this process stood still), or a part that is not
    /// where the belt should have brought it.
    pub(super) fn look_at_uncommanded(&mut self, now: MonoTime, encoder: Option<i64>) {
        while let Some(track) = self.uncommanded.pop_front() {
            let Some(at) = self.coming.iter().position(|e| e.track == track) else {
                // out of step meanwhile, and rejected
                self.awaiting.forget(track);
                continue;
            };
            if !self.belt.is_due(self.coming[at].at_gate(), now, encoder) {
                self.lose_step(why::SENSOR, Some(track), now);
                self.awaiting.forget(track);
                self.alarms
                    .raise(GateAlarmKind::Uncommanded, Some(track), now);
                continue;
            }
            let told = self.coming.remove(at).and_then(|e| e.verdict);
            self.counters.rejected += 1;
            self.counters.unexpected -= 1;
            let late = Outcome::reject(DispositionReason::Late);
            match told {
                Some(told) => self.correct(track, told, late),
                None => self.remember_refused(track, DispositionReason::Late),
            }
            if told == Some(Outcome::PASS) {
                self.late_pass(track, now);
            }
        }
    }

    /// The driver has carried out the command for `track`, at `at`. A pass that came too late is none.
    pub fn acted(&mut self, track: TrackId, at: MonoTime) {
        let Some(at_gate) = self.corrections.at_gate(track) else {
            return;
        };
        if self.is_kick() || !self.belt.is_late(at_gate, at) {
            return;
        }
        let _ = self.corrections.take(Some(track), at);
        self.late_pass(track, at);
        let late = Outcome::reject(DispositionReason::Late);
        self.correct(track, Outcome::PASS, late);
        self.counters.passed -= 1;
        self.counters.rejected += 1;
        // the gate stands open behind its part, where the next one comes
        self.pending.push_back(GateCommand {
            track,
            disposition: Disposition::Reject,
            reason: DispositionReason::Late,
        });
        self.await_confirmation(track, at);
    }

    /// Nothing is under way, and what was commanded last has been seen, or not, in its time.
    pub fn is_settled(&self, now: MonoTime) -> bool {
        let within = self.confirm_within.unwrap_or_default();
        self.coming() == 0
            && self.pending.is_empty()
            && self.awaiting.next_until().is_none()
            && !self
                .corrections
                .has_passed_since(now - (self.belt.lead() + within))
    }

    /// What is to be told because it went another way than was said; call until `None`.
    pub fn next_correction(&mut self) -> Option<Correction> {
        self.corrections.pop()
    }

    /// The driver could not carry out the command for `track`.
    pub fn failed(&mut self, track: TrackId, now: MonoTime) {
        self.counters.failed += 1;
        self.awaiting.forget(track);
        if self.corrections.take(Some(track), now).is_some() && !self.is_kick() {
            self.correct(track, Outcome::PASS, FAULT);
        }
        self.alarms.raise(GateAlarmKind::Refused, Some(track), now);
    }

    /// The sensor is to see it whenever it gets there.
    pub(super) fn await_sometime(&mut self, track: TrackId, now: MonoTime) {
        if self.confirm_within.is_some()
            && let Some(dropped) = self.awaiting.push(track, now, None)
        {
            self.unconfirmed(dropped, now);
        }
    }

    pub(super) fn await_confirmation(&mut self, track: TrackId, now: MonoTime) {
        let Some(within) = self.confirm_within else {
            return;
        };
        let until = now + self.belt.lead() + within;
        if let Some(dropped) = self.awaiting.push(track, now, Some(until)) {
            self.unconfirmed(dropped, now);
        }
    }

    /// The line is held until somebody has taken the part off, so that it stays a reject.
    pub(super) fn unconfirmed(&mut self, track: TrackId, now: MonoTime) {
        self.counters.unconfirmed += 1;
        self.alarms
            .raise(GateAlarmKind::Unconfirmed, Some(track), now);
    }
}
