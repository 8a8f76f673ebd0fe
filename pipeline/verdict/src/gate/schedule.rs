//! Which part is at the gate when, and what happens to it then.

use super::alarms::{Alarms, GateAlarm, GateAlarmKind};
use super::belt::{Belt, GateConfigError, millis};
use super::confirm::Awaiting;
use super::corrections::Corrections;
use super::counters::GateCounters;
use super::sync::why;
use crate::outcome::Outcome;
use crate::window::TrackWindow;
use sightline_configs::station::{Gate, GateMechanism};
use sightline_domain::{Disposition, DispositionReason, MonoTime, TrackId, Trigger};
use std::collections::VecDeque;
use std::time::Duration;

/// A command this long after it was due counts as behind only if the part is at the gate already.
const TOLERANCE: Duration = Duration::from_millis(1);

/// What the driver is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateCommand {
    /// The part.
    pub track: TrackId,
    /// Pass or reject.
    pub disposition: Disposition,
    /// Why; [`DispositionReason::NoVerdict`] is the default reject of a part without a verdict.
    pub reason: DispositionReason,
}

/// What became of a part told to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an immediate command must be carried out"]
pub enum Registered {
    /// It will be dealt with when it is there, rejected unless a verdict says otherwise.
    Scheduled,
    /// Nobody can follow it to the gate (no room, or no encoder count): reject at once. Its later verdict changes
    /// nothing.
    Immediate(GateCommand),
    /// It was told before.
    Duplicate,
}

/// Why a verdict was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "part {track} has its disposition already; a part is decided once, look for a second dossier"
)]
pub struct AlreadyFinal {
    /// The part.
    pub track: TrackId,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub track: TrackId,
    /// Encoder counts or monotonic nanoseconds at which the part is at the gate.
    at_gate: i64,
    pub verdict: Option<Outcome>,
    /// The belt stood before there was one.
    pub stood: bool,
}

impl Entry {
    pub(super) fn at_gate(&self) -> i64 {
        self.at_gate
    }
}

/// A part between trigger and gate, for people to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnTheWay {
    /// The part.
    pub track: TrackId,
    /// How much of the way from trigger to gate is behind it, 0 to 1.
    pub way: f32,
    /// What becomes of it, once it is decided.
    pub disposition: Option<Disposition>,
}

/// The parts between trigger and gate.
#[derive(Debug)]
pub struct GateSchedule {
    pub(super) belt: Belt,
    mechanism: GateMechanism,
    pub(super) confirm_within: Option<Duration>,
    capacity: usize,
    /// On their way, by arrival at the gate, then track.
    pub(super) coming: VecDeque<Entry>,
    /// Past the gate without a verdict.
    gone: VecDeque<TrackId>,
    /// Rejected at once, verdict outstanding.
    refused: VecDeque<(TrackId, DispositionReason)>,
    told: TrackWindow,
    decided: TrackWindow,
    pub(super) awaiting: Awaiting,
    pub(super) corrections: Corrections,
    /// Parts the sensor saw before they were commanded, until the next poll.
    pub(super) uncommanded: VecDeque<TrackId>,
    /// Commands that are due whatever the belt does.
    pub(super) pending: VecDeque<GateCommand>,
    /// While parts are under way that nobody can follow: the position at which the last of them is past the gate, once
    /// that can be said.
    pub(super) unsure_until: Option<Option<i64>>,
    pub(super) alarms: Alarms,
    pub(super) counters: GateCounters,
}

impl GateSchedule {
    /// A schedule for at most `capacity` parts between trigger and gate (1 at least).
    ///
    /// # Errors
    /// [`GateConfigError`] for a distance, lead or confirmation time that is negative or not a number.
    pub fn new(gate: &Gate, capacity: usize) -> Result<Self, GateConfigError> {
        let capacity = capacity.max(1);
        let confirm_within = gate.confirm_within_ms;
        let confirm_within = confirm_within.map(|ms| millis("confirm_within_ms", ms));
        Ok(Self {
            belt: Belt::new(gate)?,
            mechanism: gate.mechanism,
            confirm_within: confirm_within.transpose()?,
            capacity,
            coming: VecDeque::with_capacity(capacity),
            gone: VecDeque::with_capacity(capacity),
            refused: VecDeque::with_capacity(capacity),
            told: TrackWindow::new(),
            decided: TrackWindow::new(),
            awaiting: Awaiting::new(2 * capacity),
            corrections: Corrections::new(capacity),
            uncommanded: VecDeque::with_capacity(capacity),
            pending: VecDeque::with_capacity(2 * capacity),
            unsure_until: None,
            alarms: Alarms::new(),
            counters: GateCounters::default(),
        })
    }

    /// Whether a gate lets through what it does not act on.
    pub(super) fn is_kick(&self) -> bool {
        self.mechanism == GateMechanism::Kick
    }

    /// A part has set out for the gate. From now on it is rejected there unless [`GateSchedule::decide`] says
    /// otherwise in time.
    pub fn register(&mut self, trigger: &Trigger, now: MonoTime) -> Registered {
        let track = trigger.track_id;
        if !self.told.mark(track) {
            self.counters.duplicates += 1;
            return Registered::Duplicate;
        }
        self.counters.registered += 1;
        let Some(at_gate) = self.belt.at_gate(trigger) else {
            let lost = GateAlarmKind::EncoderLost;
            self.alarms.raise(lost, Some(track), now);
            return self.refuse(track, DispositionReason::Fault, now);
        };
        if !self.belt.fits(trigger) {
            self.lose_step(why::TRIGGER, Some(track), now);
        }
        if !self.belt.is_believed() {
            self.counters.unsynchronised += 1;
            self.stay_out_of_step(track, now);
            return self.refuse(track, DispositionReason::Fault, now);
        }
        if self.coming.len() + self.gone.len() >= self.capacity {
            self.alarms.raise(GateAlarmKind::Full, Some(track), now);
            return self.refuse(track, DispositionReason::Overflow, now);
        }
        let key = (at_gate, track);
        let at = self.coming.partition_point(|e| (e.at_gate, e.track) < key);
        self.coming.insert(
            at,
            Entry {
                track,
                at_gate,
                verdict: None,
                stood: self.belt.has_been_held_since(trigger.at),
            },
        );
        Registered::Scheduled
    }

    /// The next `most` parts at the gate; none while nobody knows where the belt is.
    pub fn on_the_way(&self, now: MonoTime, encoder: Option<i64>, most: usize) -> Vec<OnTheWay> {
        let part = |e: &Entry| {
            Some(OnTheWay {
                track: e.track,
                way: self.belt.way(e.at_gate, now, encoder)?,
                disposition: e.verdict.map(|v| v.disposition),
            })
        };
        self.coming.iter().take(most).filter_map(part).collect()
    }

    /// The verdict on a part. Returns what really happens to it: the verdict's own outcome, or the default reject
    /// if the gate's command is due at (`now`, `encoder`) or was given already.
    ///
    /// # Errors
    /// [`AlreadyFinal`]: the part was decided before, and that stands.
    pub fn decide(
        &mut self,
        track: TrackId,
        verdict: Outcome,
        now: MonoTime,
        encoder: Option<i64>,
    ) -> Result<Outcome, AlreadyFinal> {
        if !self.decided.mark(track) {
            self.counters.repeated_verdicts += 1;
            return Err(AlreadyFinal { track });
        }
        self.counters.dispositions += 1;
        if let Some(at) = self.coming.iter().position(|e| e.track == track) {
            let unsure = self.coming[at].stood && verdict.disposition == Disposition::Pass;
            let outcome = match self.belt.is_due(self.coming[at].at_gate, now, encoder) {
                true => self.late(),
                false if unsure => Outcome::reject(DispositionReason::Fault),
                false => verdict,
            };
            self.coming[at].verdict = Some(outcome);
            return Ok(outcome);
        }
        if let Some(at) = self.gone.iter().position(|t| *t == track) {
            self.gone.remove(at);
            return Ok(self.late());
        }
        if let Some(at) = self.refused.iter().position(|(t, _)| *t == track) {
            let reason = self.refused.remove(at).map(|(_, reason)| reason);
            return Ok(Outcome::reject(reason.unwrap_or(DispositionReason::Fault)));
        }
        if self.told.contains(track) {
            // refused so long ago that its reason was forgotten
            return Ok(Outcome::reject(DispositionReason::Overflow));
        }
        self.counters.unregistered += 1;
        self.alarms
            .raise(GateAlarmKind::Unregistered, Some(track), now);
        Ok(Outcome::reject(DispositionReason::Fault))
    }

    /// The commands that are due, in the order in which parts reach the gate. Also looks after the encoder and
    /// overdue confirmations, so: feed [`GateSchedule::confirmed`] first, then poll, at least every 20 ms where an
    /// encoder is followed.
    pub fn poll(
        &mut self,
        now: MonoTime,
        encoder: Option<i64>,
    ) -> impl Iterator<Item = GateCommand> + '_ {
        self.watch_encoder(now, encoder);
        self.look_at_uncommanded(now, encoder);
        while !self.belt.is_held()
            && let Some(track) = self.awaiting.next_overdue(now)
        {
            self.unconfirmed(track, now);
        }
        std::iter::from_fn(move || self.next_command(now, encoder))
    }

    /// When the next command or overdue confirmation is expected, for the thread's wait; `None`: not to be known
    /// (nothing under way, or the belt stands).
    pub fn next_due(&self, now: MonoTime, encoder: Option<i64>) -> Option<MonoTime> {
        if !self.pending.is_empty() {
            return Some(now);
        }
        let first = self.coming.front();
        let command = first.and_then(|e| self.belt.due(e.at_gate, now, encoder));
        let just_after = |t: MonoTime| t + Duration::from_nanos(1);
        let until = self.awaiting.next_until().filter(|_| !self.belt.is_held());
        let overdue = until.map(just_after);
        command.into_iter().chain(overdue).min()
    }

    /// A person has seen to it: clears every alarm that does not clear itself, and lets the line run.
    pub fn acknowledge(&mut self, now: MonoTime) {
        self.awaiting.forget_overdue();
        if self.is_kick() {
            self.unsure_until = None;
        }
        for kind in GateAlarmKind::ALL {
            let by_itself = match kind {
                GateAlarmKind::EncoderLost => true,
                // a diverter finds its step alone; where a kick holds the line, somebody took off what was under way
                GateAlarmKind::Unsynchronised => !self.is_kick() && !self.is_synchronised(),
                _ => false,
            };
            if !by_itself {
                self.alarms.clear(kind, now);
            }
        }
    }

    /// Whether the line is to stand.
    pub fn hold(&self) -> bool {
        self.alarms.active().any(|a| a.kind.holds(self.mechanism))
    }

    /// The active alarms.
    pub fn alarms(&self) -> impl Iterator<Item = GateAlarm> + '_ {
        self.alarms.active()
    }

    /// The next alarm whose state changed since it was last given here; call until `None`.
    pub fn next_alarm_change(&mut self) -> Option<GateAlarm> {
        self.alarms.next_change()
    }

    /// What was counted.
    pub fn counters(&self) -> GateCounters {
        self.counters
    }

    /// Parts on their way to the gate.
    pub fn coming(&self) -> usize {
        self.coming.len()
    }

    fn refuse(&mut self, track: TrackId, reason: DispositionReason, now: MonoTime) -> Registered {
        self.counters.refused += 1;
        self.remember_refused(track, reason);
        self.await_sometime(track, now);
        Registered::Immediate(GateCommand {
            track,
            disposition: Disposition::Reject,
            reason,
        })
    }

    /// Its verdict, when it comes, changes nothing.
    pub(super) fn remember_refused(&mut self, track: TrackId, reason: DispositionReason) {
        if self.refused.len() >= self.capacity {
            self.refused.pop_front();
        }
        self.refused.push_back((track, reason));
    }

    fn late(&mut self) -> Outcome {
        self.counters.late_verdicts += 1;
        Outcome::reject(DispositionReason::Late)
    }

    fn next_command(&mut self, now: MonoTime, encoder: Option<i64>) -> Option<GateCommand> {
        if let Some(command) = self.pending.pop_front() {
            return Some(command);
        }
        let e = *self.coming.front()?;
        if !self.belt.is_due(e.at_gate, now, encoder) {
            return None;
        }
        self.coming.pop_front();
        let told = e.verdict.unwrap_or_else(|| {
            self.gone.push_back(e.track);
            self.counters.by_default += 1;
            Outcome::reject(DispositionReason::NoVerdict)
        });
        let behind = self.is_behind(e.at_gate, now, encoder);
        self.counters.behind += u64::from(behind);
        let outcome = match told.disposition {
            Disposition::Pass => self.pass(&e, now),
            Disposition::Reject => self.reject(&e, told, behind, now),
        };
        Some(GateCommand {
            track: e.track,
            disposition: outcome.disposition,
            reason: outcome.reason,
        })
    }

    /// A pass is one only in time: a gate that opens when its part is there lets the next one through.
    fn pass(&mut self, e: &Entry, now: MonoTime) -> Outcome {
        if !self.is_kick() && self.belt.is_late(e.at_gate, now) {
            let late = Outcome::reject(DispositionReason::Late);
            self.late_pass(e.track, now);
            self.correct(e.track, Outcome::PASS, late);
            self.counters.rejected += 1;
            self.await_confirmation(e.track, now);
            return late;
        }
        self.counters.passed += 1;
        self.corrections.let_through(e.track, e.at_gate, now);
        Outcome::PASS
    }

    fn reject(&mut self, e: &Entry, told: Outcome, behind: bool, now: MonoTime) -> Outcome {
        self.counters.rejected += 1;
        if behind {
            self.alarms.raise(GateAlarmKind::Behind, Some(e.track), now);
        }
        self.await_confirmation(e.track, now);
        told
    }

    pub(super) fn late_pass(&mut self, track: TrackId, now: MonoTime) {
        self.counters.late_passes += 1;
        self.alarms.raise(GateAlarmKind::LatePass, Some(track), now);
    }

    /// Whether a command given now is too late: the part is at the gate already, and it was due a while ago.
    fn is_behind(&self, at_gate: i64, now: MonoTime, encoder: Option<i64>) -> bool {
        let belt = &self.belt;
        let slack = belt.units(TOLERANCE) - belt.units(belt.lead());
        let past = belt.position(now, encoder).map(|p| p - at_gate);
        past.is_some_and(|p| p > slack.max(0))
    }
}
