//! The gate on the simulated belt while the encoder or the belt misbehaves: a thousand seeds for each kind of fault. No
//! bad part passes, what is told is what happened, and the gate finds its step again.

use sightline_configs::station::{Gate, GateAt, GateKind, GateMechanism};
use sightline_domain::{
    Disposition, DispositionReason, Evaluation, MonoTime, TrackId, Trigger, UtcMicros,
};
use sightline_simulation::{
    BeltSettings, EncoderFault, Fault, FaultKind, GatePosition, GateSettings, Line, LineSettings,
    PartTruth, StationDecision, Window, seed,
};
use sightline_verdict::{Confirmation, GateAlarmKind, GateSchedule, Outcome, Registered};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const SEEDS: u64 = 1_000;
/// The line runs so long, and the fault comes in its second third, ms.
const RUN_MS: u64 = 9_000;
/// So long after the end of a fault the gate follows what sets out.
const SETTLED: Duration = Duration::from_millis(300);
/// From a part's arrival to its verdict; no part is at the gate sooner.
const VERDICT_AFTER: Duration = Duration::from_millis(60);

/// What decides when the gate is told what: ours, or the rules that were before, to show that this test can fail.
enum Brain {
    Ours(Box<GateSchedule>),
    Believing(Believing),
}

/// Believes whatever count it is given, and carries a command out however late it is.
#[derive(Default)]
struct Believing {
    way: i64,
    coming: Vec<(i64, TrackId, Disposition)>,
}

/// One line with its gate, driven as the gate's thread drives it.
struct World {
    line: Line,
    gate: Brain,
    now: MonoTime,
    /// Parts that wait for their verdict: when, and whether they are bad.
    undecided: BTreeMap<u64, (MonoTime, bool)>,
    held: bool,
    kick: bool,
    unsynchronised: bool,
    /// Good parts that set out so late that the gate must have found its step before, and how many of them were to pass.
    late: BTreeSet<u64>,
    followed: u64,
    over: MonoTime,
}

struct Story {
    what: FaultKind,
    mechanism: GateMechanism,
    believing: bool,
}

/// A number from `low` to `high`, of this seed and place.
fn pick(seed: u64, place: u64, low: u64, high: u64) -> u64 {
    low + seed::derive(seed, place) % (high - low + 1)
}

impl World {
    fn new(number: u64, story: &Story) -> Self {
        let speed = pick(number, 1, 100, 600) as f64;
        let per_mm = [2.0, 10.0, 25.0][pick(number, 2, 0, 2) as usize];
        let position_mm = pick(number, 3, 120, 500) as f64;
        let (from_ms, for_ms) = (
            pick(number, 4, RUN_MS / 3, RUN_MS / 2),
            pick(number, 5, 50, 1_500),
        );
        let window = Window::Time { from_ms, for_ms };
        let start = MonoTime(1_000_000_000);
        let settings = LineSettings {
            seed: number,
            drawn: false,
            belt: BeltSettings {
                speed_mm_s: speed,
                counts_per_mm: per_mm,
                spacing_min_mm: 40.0,
                spacing_max_mm: 160.0,
            },
            gate: GateSettings {
                position_mm,
                actuation_ms: 2.5,
                pass_hold_ms: 20.0,
                sensor_ms: 20.0,
                rest: match story.mechanism {
                    GateMechanism::Divert => GatePosition::Reject,
                    GateMechanism::Kick => GatePosition::Pass,
                },
                ..GateSettings::default()
            },
            faults: vec![Fault {
                what: story.what,
                window,
            }],
            ..LineSettings::default()
        };
        let gate = Gate {
            kind: GateKind::Simulated,
            at: GateAt::EncoderCounts((position_mm * per_mm) as i64),
            lead_ms: 5.0,
            confirm_within_ms: Some(100.0),
            mechanism: story.mechanism,
            actuation_ms: None,
            max_counts_per_s: None,
        };
        Self {
            line: Line::new(&settings, start).expect("a good line"),
            gate: match story.believing {
                true => Brain::Believing(Believing {
                    way: (position_mm * per_mm) as i64,
                    ..Believing::default()
                }),
                false => Brain::Ours(Box::new(GateSchedule::new(&gate, 64).expect("a good gate"))),
            },
            now: start,
            undecided: BTreeMap::new(),
            held: false,
            kick: story.mechanism == GateMechanism::Kick,
            unsynchronised: false,
            late: BTreeSet::new(),
            followed: 0,
            over: start + Duration::from_millis(from_ms + for_ms) + SETTLED,
        }
    }

    fn arrive(&mut self, number: u64) {
        while let Some(arrival) = self.line.arrival(self.now) {
            let track = arrival.part.track;
            let bad = pick(number, 1_000 + track.0, 0, 3) == 0;
            let truth = PartTruth {
                defects: u32::from(bad),
                ..PartTruth::default()
            };
            self.line.tell_truth(track, truth);
            let trigger = Trigger {
                track_id: track,
                part_id: None,
                at: arrival.at,
                at_utc: UtcMicros(0),
                encoder: arrival.encoder,
                timing: sightline_domain::Timing::default(),
            };
            self.undecided
                .insert(track.0, (self.now + VERDICT_AFTER, bad));
            if !bad && arrival.at >= self.over {
                self.late.insert(track.0);
            }
            match &mut self.gate {
                Brain::Ours(gate) => {
                    if let Registered::Immediate(c) = gate.register(&trigger, self.now) {
                        self.line.actuate(c.track, c.disposition, self.now);
                    }
                }
                Brain::Believing(gate) => {
                    let at = trigger.encoder.unwrap_or_default() + gate.way;
                    gate.coming.push((at, track, Disposition::Reject));
                }
            }
        }
    }

    fn decide(&mut self) {
        let now = self.now;
        let due = |(_, (at, _)): &(&u64, &(MonoTime, bool))| *at <= now;
        let due: Vec<(u64, bool)> = self
            .undecided
            .iter()
            .filter(due)
            .map(|(track, (_, bad))| (*track, *bad))
            .collect();
        for (track, bad) in due {
            self.undecided.remove(&track);
            let asked = match bad {
                true => Outcome::reject(DispositionReason::Verdict),
                false => Outcome::PASS,
            };
            let encoder = self.line.encoder(now);
            let outcome = match &mut self.gate {
                Brain::Ours(gate) => gate
                    .decide(TrackId(track), asked, now, encoder)
                    .expect("the first verdict"),
                Brain::Believing(gate) => {
                    let mut coming = gate.coming.iter_mut();
                    if let Some(part) = coming.find(|c| c.1 == TrackId(track)) {
                        part.2 = asked.disposition;
                    }
                    asked
                }
            };
            let passes = outcome.disposition == Disposition::Pass;
            self.followed += u64::from(passes && self.late.contains(&track));
            let decision = StationDecision {
                evaluation: if bad {
                    Evaluation::NotOK
                } else {
                    Evaluation::OK
                },
                disposition: outcome.disposition,
                reason: outcome.reason,
                all_views_healthy: true,
            };
            self.line.decided(TrackId(track), decision);
        }
    }

    /// What the gate's thread does once.
    fn step(&mut self) {
        let now = self.now;
        let encoder = self.line.encoder(now);
        let gate = match &mut self.gate {
            Brain::Ours(gate) => gate,
            Brain::Believing(gate) => {
                let counts = encoder.unwrap_or_default();
                for (_, track, disposition) in gate.coming.extract_if(.., |c| c.0 <= counts) {
                    self.line.actuate(track, disposition, now);
                }
                return;
            }
        };
        gate.belt_held(self.line.is_held(), now);
        while let Some((track, at)) = self.line.confirmation(now) {
            let track = Some(track);
            gate.confirmed(Confirmation { track, at }, now);
        }
        let commands: Vec<_> = gate.poll(now, encoder).collect();
        for c in commands {
            self.line.actuate(c.track, c.disposition, now);
            gate.acted(c.track, now);
        }
        while let Some(c) = gate.next_correction() {
            let (disposition, reason) = (c.outcome.disposition, c.outcome.reason);
            self.line.corrected(c.track, disposition, reason);
        }
        let lost = |a: sightline_verdict::GateAlarm| a.kind == GateAlarmKind::Unsynchronised;
        self.unsynchronised |= gate.alarms().any(lost);
        let hold = gate.hold();
        if hold != self.held {
            self.held = hold;
            self.line.hold(hold, now);
        } else if hold {
            // somebody comes, looks, takes off what lies there and acknowledges
            if self.kick {
                self.line.take_off(now);
            }
            gate.acknowledge(now);
        }
    }

    fn next_due(&mut self) -> Option<MonoTime> {
        let encoder = self.line.encoder(self.now);
        match &self.gate {
            Brain::Ours(gate) => gate.next_due(self.now, encoder),
            Brain::Believing(_) => Some(self.now + Duration::from_millis(2)),
        }
    }

    fn run(mut self, number: u64) -> Self {
        let end = self.now + Duration::from_millis(RUN_MS);
        while self.now < end {
            self.arrive(number);
            self.decide();
            self.step();
            let due = self.next_due();
            let most = self.now + Duration::from_millis(20);
            let soon = self.now + Duration::from_micros(200);
            self.now = due.map_or(most, |t| t.clamp(soon, most));
        }
        self.line.stop_feeding(self.now);
        let end = self.now + Duration::from_secs(8);
        while self.now < end {
            self.decide();
            self.step();
            self.now = self.now + Duration::from_millis(2);
        }
        self
    }
}

/// What became of all seeds.
#[derive(Debug, Default)]
struct Sums {
    bad_passed: u64,
    told_otherwise: u64,
    noticed: u64,
}

fn run(story: &Story) -> Sums {
    let mut sums = Sums::default();
    let number_of = if story.believing { 300 } else { seeds() };
    for number in 0..number_of {
        let world = World::new(number, story).run(number);
        let counts = world.line.counts();
        sums.noticed += u64::from(world.unsynchronised);
        sums.bad_passed += counts.escapes;
        sums.told_otherwise += counts.disobeyed;
        let Brain::Ours(gate) = &world.gate else {
            continue;
        };
        let c = gate.counters();
        if counts.escapes > 0 || counts.disobeyed > 0 {
            eprintln!("seed {number}: {counts:?} {c:?}");
        }
        let alarms: Vec<_> = gate.alarms().collect();
        assert!(
            gate.is_synchronised(),
            "seed {number} finds no step: {alarms:?}, {c:?}"
        );
        let all = c.passed + c.rejected + c.refused + gate.coming() as u64;
        assert_eq!(c.registered, all, "seed {number}");
        if story.mechanism == GateMechanism::Divert {
            let late = world.late.len() as u64;
            assert_eq!(
                world.followed, late,
                "seed {number} still rejects good parts"
            );
        }
    }
    sums
}

/// `GATE_SEEDS` for a longer search.
fn seeds() -> u64 {
    let asked = std::env::var("GATE_SEEDS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(SEEDS)
}

fn diverter(what: FaultKind) {
    let story = Story {
        what,
        mechanism: GateMechanism::Divert,
        believing: false,
    };
    let sums = run(&story);
    assert_eq!((sums.bad_passed, sums.told_otherwise), (0, 0), "{what:?}");
    assert!(sums.noticed * 4 >= seeds(), "{what:?}: {sums:?}");
}

fn encoder(fault: EncoderFault) -> FaultKind {
    FaultKind::Encoder { fault }
}

#[test]
fn an_encoder_that_starts_anew_lets_nothing_bad_through() {
    diverter(encoder(EncoderFault::Reset));
}

#[test]
fn an_encoder_that_loses_counts_lets_nothing_bad_through() {
    diverter(encoder(EncoderFault::LosesCounts));
}

#[test]
fn an_encoder_that_wraps_lets_nothing_bad_through() {
    diverter(encoder(EncoderFault::Wraps));
}

#[test]
fn an_encoder_that_counts_backwards_lets_nothing_bad_through() {
    diverter(encoder(EncoderFault::Reversed));
}

#[test]
fn a_noisy_encoder_lets_nothing_bad_through() {
    diverter(encoder(EncoderFault::Noisy));
}

#[test]
fn an_encoder_that_does_not_answer_lets_nothing_bad_through() {
    diverter(encoder(EncoderFault::Silent));
}

#[test]
fn a_belt_that_somebody_stops_lets_nothing_bad_through() {
    diverter(FaultKind::BeltStops);
}

#[test]
fn whoever_believes_the_encoder_lets_bad_parts_through() {
    let kinds = [
        encoder(EncoderFault::Reset),
        encoder(EncoderFault::LosesCounts),
        encoder(EncoderFault::Wraps),
        encoder(EncoderFault::Reversed),
        encoder(EncoderFault::Noisy),
    ];
    let mut bad_passed = 0;
    for what in kinds {
        let sums = run(&Story {
            what,
            mechanism: GateMechanism::Divert,
            believing: true,
        });
        assert!(sums.told_otherwise > 0, "{what:?}: {sums:?}");
        bad_passed += sums.bad_passed;
    }
    assert!(bad_passed > 0, "this line cannot tell a gate that fails");
}

#[test]
fn a_kick_holds_the_line_where_it_may_have_missed() {
    for what in [
        encoder(EncoderFault::Reset),
        encoder(EncoderFault::LosesCounts),
        encoder(EncoderFault::Wraps),
        encoder(EncoderFault::Reversed),
        encoder(EncoderFault::Noisy),
        encoder(EncoderFault::Silent),
    ] {
        let sums = run(&Story {
            what,
            mechanism: GateMechanism::Kick,
            believing: false,
        });
        assert_eq!(sums.bad_passed, 0, "{what:?}: {sums:?}");
        assert!(sums.noticed * 4 >= seeds(), "{what:?}: {sums:?}");
    }
}
