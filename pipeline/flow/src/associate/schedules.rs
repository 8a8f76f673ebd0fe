//! Thousands of lines drawn from seeds: parts at drawn distances, triggers that come late or never, frames that are lost,
//! held, come twice or out of step. No part may be judged by another part's picture.
//!
//! `SIGHTLINE_SCHEDULES=200000 cargo test -p sightline-flow --lib schedules` draws more.

use super::*;
use std::collections::HashMap;

/// Splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `from` up to and without `to`.
    fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from).max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

const US: u64 = 1_000;

/// What happens, in us.
enum Event {
    Trigger {
        part: u64,
        at: u64,
    },
    Frame {
        tag: u32,
        captured: u64,
        uncertainty: u64,
        number: u64,
    },
    Lost {
        captured: u64,
        number: u64,
    },
    Down,
}

struct Schedule {
    events: Vec<(u64, Event)>,
    /// Which part each frame shows; `None`: nobody's, or as much of one as of another.
    shows: HashMap<u32, Option<u64>>,
    view: ExpectedView,
    unsure: u64,
    triggered: bool,
}

/// The part nearest to `t` among all that passed, also those whose trigger was lost.
fn shown(dues: &[u64], t: u64) -> Option<u64> {
    let nearest = dues
        .iter()
        .zip(0u64..)
        .min_by_key(|(due, _)| due.abs_diff(t))?;
    Some(nearest.1)
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn draw(seed: u64) -> Schedule {
    let mut dice = Dice(seed);
    let triggered = dice.one_in(2);
    let window = dice.within(5, 60) * 1_000;
    let offset = dice.within(0, 80) * 1_000;
    let unsure = dice.within(0, 8) * 1_000;
    let (low, spread) = (dice.within(15, 400) * 1_000, dice.within(1, 300) * 1_000);
    let latency = dice.within(1, 60) * 1_000;
    let trouble = dice.within(3, 40);
    let (mut events, mut shows) = (Vec::new(), HashMap::new());
    let mut at = 2_000_000;
    let dues: Vec<u64> = (0..60)
        .map(|_| {
            at += dice.within(low, low + spread);
            at + offset
        })
        .collect();
    for (part, due) in (0u64..).zip(&dues) {
        // a trigger that is lost belongs to a part that is there all the same; nobody can know of it where windows overlap
        let apart = low > 2 * (window + 2 * unsure) + 4_000;
        if !(apart && dice.one_in(trouble * 4)) {
            let told = due - offset + dice.within(0, unsure + 1);
            events.push((told, Event::Trigger { part, at: told }));
        }
    }
    let exposures: Vec<u64> = if triggered {
        let jitter: Vec<u64> = dues.iter().map(|_| dice.within(0, 1_000)).collect();
        dues.iter().zip(jitter).map(|(due, j)| due + j).collect()
    } else {
        let period = dice.within(8, 60) * 1_000;
        (1_900_000..at + 500_000).step_by(period as usize).collect()
    };
    let mut hold_until = 0;
    let mut number = dice.within(0, 1_000);
    for (tag, captured) in (0u32..).zip(exposures) {
        if dice.one_in(trouble * 5) {
            hold_until = captured + dice.within(100_000, 3_000_000);
        }
        number += 1;
        match dice.within(0, trouble * 6) {
            0 => number -= 1, // slept through it, no gap
            1 => {}           // lost on the wire, a gap
            2 => {
                let arrives = captured + latency;
                events.push((arrives, Event::Lost { captured, number }));
            }
            fate => {
                let arrives = (captured + latency + dice.within(0, 30_000)).max(hold_until);
                let late = arrives - captured - latency > 100_000;
                let uncertainty = match late || dice.one_in(trouble) {
                    true => dice.within(1_000, 1_000_000),
                    false => dice.within(200, 3_000),
                };
                // what is said lies within what it is uncertain by
                let error = dice.within(0, uncertainty * 2);
                let said = (captured + error).saturating_sub(uncertainty).min(arrives);
                shows.insert(tag, shown(&dues, captured));
                let frame = |tag| Event::Frame {
                    tag,
                    captured: said,
                    uncertainty,
                    number,
                };
                events.push((arrives, frame(tag)));
                if fate == 3 && triggered {
                    number += 1;
                    let ghost = captured.saturating_sub(dice.within(1_000, 30_000));
                    shows.insert(tag + 1_000_000, shown(&dues, ghost));
                    events.push((
                        arrives,
                        Event::Frame {
                            tag: tag + 1_000_000,
                            captured: ghost,
                            uncertainty: 500,
                            number,
                        },
                    ));
                }
            }
        }
        if dice.one_in(trouble * 60) {
            events.push((captured, Event::Down));
            number = dice.within(0, 1_000);
        }
    }
    events.sort_by_key(|(at, _)| *at);
    let duration = Duration::from_micros;
    let view = ExpectedView {
        view: ViewId(0),
        camera: CameraId(0),
        offset: duration(offset),
        window: duration(window),
        counted: dice.one_in(2),
    };
    Schedule {
        events,
        shows,
        view,
        unsure,
        triggered,
    }
}

/// Which part was judged by which frame in the end, and how many parts were not.
fn run(schedule: &Schedule) -> (HashMap<u64, u32>, usize) {
    let memory = Memory {
        owed_per_camera: 64,
        held_per_camera: 8,
    };
    let mut assoc = Associator::new(1, memory);
    if schedule.triggered {
        assoc.set_triggered(&[CameraId(0)]);
    }
    let views = [schedule.view];
    assoc.prepare(&views);
    let (mut judged, mut parts, mut out) = (HashMap::new(), 0, Vec::new());
    for (now, event) in &schedule.events {
        let now = MonoTime(now * US);
        assoc.expire(now, &mut out);
        let sighting = |captured: u64, uncertainty: u64, number: u64| Sighting {
            camera: CameraId(0),
            frame_id: Some(FrameId(number)),
            captured: MonoTime(captured * US),
            uncertainty: Duration::from_micros(uncertainty),
            repeated: false,
        };
        match event {
            Event::Trigger { part, at } => {
                parts += 1;
                let at = MonoTime(at * US);
                let part = Part {
                    track: TrackId(*part),
                    at,
                    uncertainty: Duration::from_micros(schedule.unsure),
                    deadline: at + Duration::from_millis(900),
                };
                assoc.trigger(part, &views, None, now, &mut out);
            }
            Event::Frame {
                tag,
                captured,
                uncertainty,
                number,
            } => {
                assoc.frame(
                    sighting(*captured, *uncertainty, *number),
                    *tag,
                    now,
                    &mut out,
                );
            }
            Event::Lost { captured, number } => {
                assoc.lost(
                    sighting(*captured, 0, *number),
                    MissReason::NoFreeSlot,
                    now,
                    &mut out,
                );
            }
            Event::Down => assoc.camera_down(CameraId(0), &mut out),
        }
        for assigned in out.drain(..) {
            match assigned {
                Assigned::Claimed { track, frame, .. } => {
                    judged.insert(track.0, frame);
                }
                Assigned::Missed { track, .. } => {
                    judged.remove(&track.0);
                }
                Assigned::Unclaimed { .. } => {}
            }
        }
    }
    (judged, parts)
}

#[test]
fn no_part_is_judged_by_another_parts_picture() {
    let asked = std::env::var("SIGHTLINE_SCHEDULES").ok();
    let schedules = asked.and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let (mut judged, mut parts) = (0, 0);
    for seed in 0..schedules {
        let schedule = draw(seed);
        let (given, triggers) = run(&schedule);
        for (part, frame) in &given {
            assert_eq!(
                schedule.shows[frame],
                Some(*part),
                "seed {seed}: part {part} was judged by frame {frame} ({:?}, triggered {})",
                schedule.view,
                schedule.triggered
            );
        }
        judged += given.len();
        parts += triggers;
    }
    println!("{schedules} schedules, {parts} parts, {judged} judged, each by its own picture");
    assert!(
        judged * 4 > parts,
        "{judged} of {parts}: too careful to be of use"
    );
}
