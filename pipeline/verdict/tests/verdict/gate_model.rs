//! The gate against a naive model, over random interleavings: a disposition is final exactly once, what `decide`
//! says is what the gate does, and nothing passes without a verdict that says so in time.

use crate::common::*;
use proptest::prelude::*;
use sightline_configs::station::{Gate, GateAt, GateKind};
use sightline_domain::{Disposition, DispositionReason as Reason, MonoTime, TrackId, Trigger};
use sightline_verdict::{Confirmation, GateCommand, GateSchedule, Outcome, Registered};
use std::collections::BTreeMap;
use std::time::Duration;

const DELAY: u64 = 80;
const LEAD: u64 = 5;
const WITHIN: u64 = 30;
const ROOM: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    Trigger(u64),
    Decide(u64, bool),
    Wait(u64),
    Poll,
    Confirm,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1u64..16).prop_map(Op::Trigger),
        6 => (1u64..16, any::<bool>()).prop_map(|(t, pass)| Op::Decide(t, pass)),
        4 => (1u64..40).prop_map(Op::Wait),
        4 => Just(Op::Poll),
        1 => Just(Op::Confirm),
    ]
}

struct Part {
    due: MonoTime,
    refused: bool,
    said: Option<Outcome>,
    done: Option<Disposition>,
}

struct World {
    gate: GateSchedule,
    parts: BTreeMap<u64, Part>,
    /// Rejects the sensor owes a signal for, with the latest moment.
    owed: Vec<(u64, MonoTime)>,
    unconfirmed: u64,
    now: MonoTime,
}

impl World {
    /// The belt runs evenly, 10 counts a ms, so that time and encoder say the same.
    fn encoder(&self) -> Option<i64> {
        Some((self.now.0 / 100_000) as i64)
    }

    fn trigger(&mut self, track: u64) -> Result<(), TestCaseError> {
        let t = Trigger {
            encoder: self.encoder(),
            ..trigger(track, self.now)
        };
        let registered = self.gate.register(&t, self.now);
        if self.parts.contains_key(&track) {
            prop_assert_eq!(registered, Registered::Duplicate);
            return Ok(());
        }
        let inside = |p: &&Part| !p.refused && (p.done.is_none() || p.said.is_none());
        let refused = self.parts.values().filter(inside).count() >= ROOM;
        prop_assert_eq!(registered == Registered::Scheduled, !refused);
        self.parts.insert(
            track,
            Part {
                due: self.now + Duration::from_millis(DELAY - LEAD),
                refused,
                said: None,
                done: refused.then_some(Disposition::Reject),
            },
        );
        Ok(())
    }

    fn decide(&mut self, track: u64, pass: bool) -> Result<(), TestCaseError> {
        let verdict = if pass {
            Outcome::PASS
        } else {
            Outcome::reject(Reason::Verdict)
        };
        let Some(part) = self.parts.get(&track) else {
            return Ok(());
        };
        let (now, encoder) = (self.now, self.encoder());
        let said = self.gate.decide(TrackId(track), verdict, now, encoder);
        if part.said.is_some() {
            prop_assert!(said.is_err());
            return Ok(());
        }
        let expected = if part.refused {
            Outcome::reject(Reason::Overflow)
        } else if part.done.is_some() || now >= part.due {
            Outcome::reject(Reason::Late)
        } else {
            verdict
        };
        prop_assert_eq!(said, Ok(expected));
        if let Some(part) = self.parts.get_mut(&track) {
            part.said = Some(expected);
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), TestCaseError> {
        let (now, encoder) = (self.now, self.encoder());
        let overdue = self.owed.len();
        self.owed.retain(|(_, until)| *until >= now);
        self.unconfirmed += (overdue - self.owed.len()) as u64;
        let commands: Vec<GateCommand> = self.gate.poll(now, encoder).collect();
        let order = commands
            .iter()
            .map(|c| (self.parts[&c.track.0].due, c.track));
        prop_assert!(order.is_sorted());
        let mut corrected = Vec::new();
        for c in commands {
            let part = self.parts.get_mut(&c.track.0).expect("it was told");
            prop_assert!(now >= part.due, "too early");
            let late = now > part.due + Duration::from_micros(LEAD * 500);
            if late && part.said == Some(Outcome::PASS) {
                part.said = Some(Outcome::reject(Reason::Late));
                corrected.push(c.track);
            }
            let expected = part.said.unwrap_or(Outcome::reject(Reason::NoVerdict));
            prop_assert_eq!(
                (c.disposition, c.reason),
                (expected.disposition, expected.reason)
            );
            prop_assert_eq!(part.done.replace(c.disposition), None);
            if c.disposition == Disposition::Reject {
                let until = now + Duration::from_millis(LEAD + WITHIN);
                self.owed.push((c.track.0, until));
                // no more are awaited than there is room for
                if self.owed.len() > ROOM {
                    self.owed.remove(0);
                    self.unconfirmed += 1;
                }
            }
        }
        while let Some(correction) = self.gate.next_correction() {
            prop_assert_eq!(correction.outcome, Outcome::reject(Reason::Late));
            prop_assert_eq!(
                Some(correction.track),
                (!corrected.is_empty()).then(|| corrected.remove(0))
            );
        }
        prop_assert!(
            corrected.is_empty(),
            "told to pass and not corrected: {corrected:?}"
        );
        let left = self
            .parts
            .values()
            .any(|p| p.done.is_none() && p.due <= now);
        prop_assert!(!left, "a part is past the gate without a command");
        Ok(())
    }

    fn confirm(&mut self) {
        self.owed.retain(|(_, until)| *until >= self.now);
        if let Some((track, _)) = self.owed.pop() {
            let track = Some(TrackId(track));
            self.gate.confirmed(
                Confirmation {
                    track,
                    at: self.now,
                },
                self.now,
            );
        }
    }
}

fn run(at: GateAt, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let gate = Gate {
        kind: GateKind::Simulated,
        at,
        lead_ms: LEAD as f64,
        confirm_within_ms: Some(WITHIN as f64),
        mechanism: Default::default(),
        actuation_ms: None,
        max_counts_per_s: None,
    };
    let mut w = World {
        gate: GateSchedule::new(&gate, ROOM).expect("good settings"),
        parts: BTreeMap::new(),
        owed: Vec::new(),
        unconfirmed: 0,
        now: ms(0),
    };
    // the speed is known before the first part comes
    w.poll()?;
    w.now = ms(100);
    w.poll()?;
    for op in ops {
        match op {
            Op::Trigger(track) => w.trigger(track)?,
            Op::Decide(track, pass) => w.decide(track, pass)?,
            Op::Wait(by) => w.now = w.now + Duration::from_millis(by),
            Op::Poll => w.poll()?,
            Op::Confirm => {
                // the schedule's own view of what is overdue is that of its last poll
                w.poll()?;
                w.confirm();
            }
        }
    }
    w.now = w.now + Duration::from_secs(2);
    w.poll()?;
    w.poll()?;
    for track in 1..16 {
        w.decide(track, true)?;
    }
    w.poll()?;
    for part in w.parts.values() {
        let (said, done) = (part.said.expect("decided"), part.done.expect("commanded"));
        prop_assert_eq!(said.disposition, done);
    }
    let c = w.gate.counters();
    prop_assert_eq!(c.registered, c.passed + c.rejected + c.refused);
    prop_assert_eq!(
        (c.dispositions, c.registered),
        (w.parts.len() as u64, w.parts.len() as u64)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn by_time_a_disposition_is_final_once(ops in prop::collection::vec(op(), 1..120)) {
        run(GateAt::DelayMs(DELAY as f64), ops)?;
    }

    #[test]
    fn by_encoder_a_disposition_is_final_once(ops in prop::collection::vec(op(), 1..120)) {
        run(GateAt::EncoderCounts(DELAY as i64 * 10), ops)?;
    }
}
