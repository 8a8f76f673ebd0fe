//! What a person must know of the gate. One state a kind, latest wins: a burst of trouble needs no queue.

use sightline_configs::station::GateMechanism;
use sightline_domain::{Alarm, AlarmKind, MonoTime, TrackId, UtcMicros};

/// What is wrong at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateAlarmKind {
    /// A commanded reject was not seen by the sensor in time. Holds the line until acknowledged.
    Unconfirmed,
    /// The sensor saw a part that was not rejected.
    Unexpected,
    /// More parts between trigger and gate than the schedule has room for.
    Full,
    /// A reject was commanded when the part was at the gate already.
    Behind,
    /// The encoder does not answer. Holds the line until it does.
    EncoderLost,
    /// The gate did not take a reject command. Holds the line until acknowledged.
    Refused,
    /// A verdict came for a part the gate never heard of.
    Unregistered,
    /// Nobody knows where the parts are that are under way; they are rejected.
    Unsynchronised,
    /// The sensor saw a part in the bin before its command was due.
    Uncommanded,
    /// A pass was not commanded in time, so the part was rejected.
    LatePass,
}

impl GateAlarmKind {
    /// Every kind, in this order.
    pub const ALL: [Self; 10] = [
        Self::Unconfirmed,
        Self::Unexpected,
        Self::Full,
        Self::Behind,
        Self::EncoderLost,
        Self::Refused,
        Self::Unregistered,
        Self::Unsynchronised,
        Self::Uncommanded,
        Self::LatePass,
    ];

    /// Whether the line is asked to stop while the alarm is active. A gate that kicks lets through whatever it does not
    /// act on, so that it needs a person where a diverter only rejects too much.
    pub fn holds(self, mechanism: GateMechanism) -> bool {
        match self {
            Self::Unconfirmed | Self::EncoderLost | Self::Refused => true,
            Self::Behind | Self::Unsynchronised | Self::Full => mechanism == GateMechanism::Kick,
            _ => false,
        }
    }

    /// The alarm people see.
    pub fn alarm(self) -> AlarmKind {
        match self {
            Self::Unconfirmed => AlarmKind::GateUnconfirmed,
            Self::Unexpected => AlarmKind::GateUnexpected,
            Self::Full => AlarmKind::GateFull,
            Self::Behind => AlarmKind::GateBehind,
            Self::EncoderLost => AlarmKind::GateEncoderLost,
            Self::Refused => AlarmKind::GateRefused,
            Self::Unregistered => AlarmKind::GateUnregistered,
            Self::Unsynchronised => AlarmKind::GateUnsynchronised,
            Self::Uncommanded => AlarmKind::GateUncommanded,
            Self::LatePass => AlarmKind::GateLatePass,
        }
    }

    /// What was expected and what to do.
    fn message(self) -> &'static str {
        match self {
            Self::Unconfirmed => {
                "the sensor was to see this rejected part in time and did not; take the part off by hand, check gate and sensor, then acknowledge"
            }
            Self::Unexpected => {
                "the sensor saw a part in the reject bin that was not rejected; check the gate and sort the bin by hand, then acknowledge"
            }
            Self::Full => {
                "there is no room for more parts between trigger and gate, this one is rejected at once; check the belt and the gate's distance, then acknowledge"
            }
            Self::Behind => {
                "the reject was commanded only when the part was at the gate; check that it was taken off, give more lead_ms or relieve the box, then acknowledge"
            }
            Self::EncoderLost => {
                "the encoder was to give counts and gives none, so nobody knows when parts reach the gate; check its power and wiring"
            }
            Self::Refused => {
                "the gate did not take the reject command; take the part off by hand, clear the gate's fault, then acknowledge"
            }
            Self::Unregistered => {
                "a verdict came for a part the gate has not heard of, it cannot be rejected; take it off by hand, check the trigger, then acknowledge"
            }
            Self::Unsynchronised => {
                "nobody knows where the parts between trigger and gate are, they are rejected until the gate is in step again; check encoder, wiring and belt"
            }
            Self::Uncommanded => {
                "the sensor saw this part in the reject bin before the gate was to be told; check the encoder and the gate's distance, then acknowledge"
            }
            Self::LatePass => {
                "the pass was commanded too late, so the part was rejected; give more lead_ms or relieve the box, then acknowledge"
            }
        }
    }
}

/// One alarm's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateAlarm {
    /// What is wrong.
    pub kind: GateAlarmKind,
    /// Active or cleared.
    pub active: bool,
    /// More of why, where one kind has several causes.
    pub why: Option<&'static str>,
    /// The part that raised it last, if it was about one.
    pub track: Option<TrackId>,
    /// Times it was raised since it was last cleared.
    pub times: u64,
    /// When it last changed.
    pub since: MonoTime,
}

impl GateAlarm {
    /// As the factory is told, `since` translated to UTC by the caller.
    pub fn to_alarm(&self, since: UtcMicros) -> Alarm {
        let what = self.kind.message();
        let why = self.why.map_or_else(String::new, |why| format!("{why}; "));
        let message = match self.track {
            Some(track) => format!("part {track}: {why}{what} ({} so far)", self.times),
            None => format!("{why}{what} ({} so far)", self.times),
        };
        Alarm {
            id: self.kind.alarm().into(),
            active: self.active,
            since,
            message,
        }
    }
}

/// The state of every kind, and which of them changed since they were last told.
#[derive(Debug)]
pub(super) struct Alarms {
    states: [GateAlarm; GateAlarmKind::ALL.len()],
    changed: [bool; GateAlarmKind::ALL.len()],
    /// Raised and not told before it was cleared: told as raised first.
    missed: [bool; GateAlarmKind::ALL.len()],
}

impl Alarms {
    pub(super) fn new() -> Self {
        Self {
            states: GateAlarmKind::ALL.map(|kind| GateAlarm {
                kind,
                active: false,
                why: None,
                track: None,
                times: 0,
                since: MonoTime(0),
            }),
            changed: [false; GateAlarmKind::ALL.len()],
            missed: [false; GateAlarmKind::ALL.len()],
        }
    }

    pub(super) fn raise(&mut self, kind: GateAlarmKind, track: Option<TrackId>, now: MonoTime) {
        self.raise_because(kind, None, track, now);
    }

    pub(super) fn raise_because(
        &mut self,
        kind: GateAlarmKind,
        why: Option<&'static str>,
        track: Option<TrackId>,
        now: MonoTime,
    ) {
        let state = &mut self.states[kind as usize];
        if !state.active {
            state.times = 0;
            state.since = now;
        }
        state.active = true;
        state.times += 1;
        state.track = track;
        state.why = why.or(state.why);
        self.changed[kind as usize] = true;
    }

    pub(super) fn clear(&mut self, kind: GateAlarmKind, now: MonoTime) {
        let state = &mut self.states[kind as usize];
        if state.active {
            self.missed[kind as usize] |= self.changed[kind as usize];
            state.active = false;
            state.since = now;
            self.changed[kind as usize] = true;
        }
    }

    pub(super) fn is_active(&self, kind: GateAlarmKind) -> bool {
        self.states[kind as usize].active
    }

    pub(super) fn active(&self) -> impl Iterator<Item = GateAlarm> + '_ {
        self.states.iter().filter(|s| s.active).copied()
    }

    pub(super) fn next_change(&mut self) -> Option<GateAlarm> {
        let at = self.changed.iter().position(|c| *c)?;
        if std::mem::take(&mut self.missed[at]) {
            let active = true;
            return Some(GateAlarm {
                active,
                ..self.states[at]
            });
        }
        self.changed[at] = false;
        Some(self.states[at])
    }
}

#[cfg(test)]
mod tests {
    use super::{GateAlarmKind, GateMechanism};
    use sightline_domain::AlarmEffect;

    #[test]
    fn what_stops_the_belt_holds_the_station() {
        let holds = |k: &GateAlarmKind| k.holds(GateMechanism::Divert);
        for kind in GateAlarmKind::ALL.into_iter().filter(holds) {
            assert_eq!(kind.alarm().effect(), AlarmEffect::Hold, "{kind:?}");
        }
    }
}
