//! Rules one by one, then properties over random lines.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

const MS: u64 = 1_000_000;
const MEMORY: Memory = Memory {
    owed_per_camera: 64,
    held_per_camera: 4,
};

fn ms(ms: u64) -> MonoTime {
    MonoTime(ms * MS)
}

fn view(id: u16, camera: u16, offset_ms: u64, window_ms: u64, counted: bool) -> ExpectedView {
    ExpectedView {
        view: ViewId(id),
        camera: CameraId(camera),
        offset: Duration::from_millis(offset_ms),
        window: Duration::from_millis(window_ms),
        counted,
    }
}

/// An association with one recipe, whose frames are plain numbers.
struct Line {
    assoc: Associator<u32>,
    views: Vec<ExpectedView>,
    next: u64,
}

impl Line {
    fn new(views: &[ExpectedView]) -> Self {
        let mut assoc = Associator::new(4, MEMORY);
        assoc.prepare(views);
        Self {
            assoc,
            views: views.to_vec(),
            next: 1,
        }
    }

    fn trigger(&mut self, at_ms: u64) -> Vec<Assigned<u32>> {
        let part = Part {
            track: TrackId(self.next),
            at: ms(at_ms),
            uncertainty: Duration::ZERO,
            deadline: ms(at_ms + 200),
        };
        self.next += 1;
        let mut out = Vec::new();
        self.assoc
            .trigger(part, &self.views, None, ms(at_ms), &mut out);
        out
    }

    fn frame(&mut self, camera: u16, id: u64, at_ms: u64) -> Vec<Assigned<u32>> {
        let mut out = Vec::new();
        let (s, t) = (sighting(camera, id, at_ms), ms(at_ms));
        self.assoc.frame(s, id as u32, t, &mut out);
        out
    }
}

fn sighting(camera: u16, id: u64, at_ms: u64) -> Sighting {
    Sighting {
        camera: CameraId(camera),
        frame_id: Some(FrameId(id)),
        captured: ms(at_ms),
        uncertainty: Duration::ZERO,
        repeated: false,
    }
}

fn claimed(track: u64, view: u16, frame: u32) -> Assigned<u32> {
    Assigned::Claimed {
        track: TrackId(track),
        view: ViewId(view),
        frame,
    }
}

fn missed(track: u64, view: u16, reason: MissReason) -> Assigned<u32> {
    Assigned::Missed {
        track: TrackId(track),
        view: ViewId(view),
        reason,
    }
}

#[test]
fn a_frame_goes_to_the_nearest_part_within_the_window() {
    let mut line = Line::new(&[view(0, 0, 10, 20, false)]);
    assert_eq!(line.trigger(100), []);
    assert_eq!(line.trigger(150), []);
    assert_eq!(line.frame(0, 7, 162), [claimed(2, 0, 7)]);
    assert_eq!(line.frame(0, 8, 119), [claimed(1, 0, 8)]);
    // a second frame in the window of an answered view is nobody's
    let camera = CameraId(0);
    assert_eq!(
        line.frame(0, 9, 151),
        [Assigned::Unclaimed { camera, frame: 9 }]
    );
}

/// A frame whose time is known to no better than this.
fn unsure(line: &mut Line, id: u64, at_ms: u64, by_ms: u64, now_ms: u64) -> Vec<Assigned<u32>> {
    let mut out = Vec::new();
    let s = Sighting {
        uncertainty: Duration::from_millis(by_ms),
        ..sighting(0, id, at_ms)
    };
    line.assoc.frame(s, id as u32, ms(now_ms), &mut out);
    out
}

#[test]
fn what_two_parts_can_claim_is_nobodys_and_a_clear_frame_still_counts() {
    let mut line = Line::new(&[view(0, 0, 0, 45, false)]);
    line.trigger(100);
    line.trigger(180);
    let nobodys = |id| {
        vec![Assigned::Unclaimed {
            camera: CameraId(0),
            frame: id,
        }]
    };
    assert_eq!(line.frame(0, 1, 140), nobodys(1));
    assert_eq!(line.frame(0, 2, 190), [claimed(2, 0, 2)]);
    let mut out = Vec::new();
    assert_eq!(line.assoc.next_expiry(), Some(ms(298)));
    line.assoc.expire(ms(298), &mut out);
    assert_eq!(out, [missed(1, 0, MissReason::Ambiguous)]);
}

#[test]
fn a_frame_that_may_be_older_than_the_part_is_nobodys() {
    let mut line = Line::new(&[view(0, 0, 40, 45, false)]);
    line.trigger(1_000);
    assert_eq!(unsure(&mut line, 1, 1_030, 1_000, 1_030).len(), 1);
    assert_eq!(unsure(&mut line, 2, 1_050, 20, 1_050), [claimed(1, 0, 2)]);
}

#[test]
fn a_trigger_that_comes_later_takes_an_answer_back_that_may_be_its_own() {
    let mut line = Line::new(&[view(0, 0, 20, 45, false)]);
    line.trigger(100);
    assert_eq!(line.frame(0, 1, 120), [claimed(1, 0, 1)]);
    assert_eq!(line.trigger(130), [missed(1, 0, MissReason::Ambiguous)]);
}

#[test]
fn a_second_frame_of_a_triggered_camera_leaves_a_doubt_about_the_first() {
    let mut line = Line::new(&[view(0, 0, 0, 20, false)]);
    line.trigger(100);
    assert_eq!(line.frame(0, 1, 101), [claimed(1, 0, 1)]);
    line.assoc.set_triggered(&[CameraId(0)]);
    let out = line.frame(0, 2, 110);
    assert_eq!(out[0], missed(1, 0, MissReason::Ambiguous));
}

#[test]
fn numbers_decide_in_overlapping_windows_once_a_clear_frame_has_shown_them() {
    let mut line = Line::new(&[view(0, 0, 0, 45, true)]);
    line.trigger(1_000);
    assert_eq!(line.frame(0, 50, 1_001), [claimed(1, 0, 50)]);
    for n in 1..20u64 {
        let at = 1_100 + n * 30;
        line.trigger(at);
        assert_eq!(
            line.frame(0, 50 + n, at + 2),
            [claimed(n + 1, 0, 50 + n as u32)]
        );
    }
    // shown in a burst, they show nothing
    let mut line = Line::new(&[view(0, 0, 0, 45, true)]);
    let all: Vec<_> = (0..20u64)
        .flat_map(|n| {
            let mut out = line.trigger(1_000 + n * 30);
            out.extend(line.frame(0, n, 1_013 + n * 30));
            out
        })
        .collect();
    let kept = all
        .iter()
        .filter(|a| matches!(a, Assigned::Claimed { .. }))
        .count();
    let taken = all
        .iter()
        .filter(|a| matches!(a, Assigned::Missed { .. }))
        .count();
    // each is taken back by the next trigger, but the last one
    assert!(kept - taken <= 1, "{all:?}");
}

#[test]
fn a_frame_before_its_trigger_is_held_a_window_long() {
    let mut line = Line::new(&[view(0, 0, 0, 20, false)]);
    assert_eq!(line.frame(0, 1, 95), []);
    assert_eq!(line.trigger(100), [claimed(1, 0, 1)]);
    assert_eq!(line.frame(0, 2, 195), []);
    let mut out = Vec::new();
    line.assoc.expire(ms(215), &mut out);
    assert_eq!(out, []);
    assert_eq!(line.assoc.next_expiry(), Some(MonoTime(215 * MS + 1)));
    line.assoc.expire(MonoTime(215 * MS + 1), &mut out);
    let camera = CameraId(0);
    assert_eq!(out, [Assigned::Unclaimed { camera, frame: 2 }]);
    assert_eq!(line.trigger(200), []);
}

#[test]
fn held_frames_are_bounded_and_the_oldest_goes_first() {
    let mut line = Line::new(&[view(0, 0, 0, 20, false)]);
    for id in 0..4 {
        assert_eq!(line.frame(0, id, 100 + id), []);
    }
    let camera = CameraId(0);
    assert_eq!(
        line.frame(0, 4, 104),
        [Assigned::Unclaimed { camera, frame: 0 }]
    );
}

#[test]
fn a_gap_in_the_numbers_tells_at_once_which_part_lost_its_frame() {
    let mut line = Line::new(&[view(0, 0, 0, 20, true)]);
    line.trigger(100);
    assert_eq!(line.frame(0, 40, 101), [claimed(1, 0, 40)]);
    line.trigger(200);
    line.trigger(300);
    assert_eq!(
        line.frame(0, 42, 301),
        [claimed(3, 0, 42), missed(2, 0, MissReason::NotArrived)]
    );
}

#[test]
fn number_against_time_is_out_of_step_and_then_learned_anew() {
    let mut line = Line::new(&[view(0, 0, 0, 20, true)]);
    line.trigger(100);
    assert_eq!(line.frame(0, 40, 101), [claimed(1, 0, 40)]);
    line.trigger(200);
    // a number too many: a spurious frame somewhere between
    assert_eq!(
        line.frame(0, 42, 201),
        [missed(2, 0, MissReason::OutOfStep)]
    );
    line.trigger(300);
    assert_eq!(line.frame(0, 43, 301).last(), Some(&claimed(3, 0, 43)));
    line.trigger(400);
    assert_eq!(line.frame(0, 44, 401), [claimed(4, 0, 44)]);
}

#[test]
fn a_lost_exposure_without_a_gap_never_shifts_the_frames() {
    // windows overlap: the second part's frame lies in the first part's window too
    let mut line = Line::new(&[view(0, 0, 0, 20, true)]);
    line.trigger(100);
    assert_eq!(line.frame(0, 0, 100), [claimed(1, 0, 0)]);
    line.trigger(200);
    line.trigger(215);
    // the camera slept through part 2, and part 3's frame carries part 2's number
    assert_eq!(
        line.frame(0, 1, 214),
        [
            missed(2, 0, MissReason::OutOfStep),
            missed(3, 0, MissReason::OutOfStep),
            Assigned::Unclaimed {
                camera: CameraId(0),
                frame: 1
            }
        ]
    );
}

#[test]
fn a_camera_that_is_down_is_missed_at_once_until_it_delivers() {
    let mut line = Line::new(&[view(0, 0, 0, 20, true), view(1, 1, 0, 20, false)]);
    line.trigger(100);
    let mut out = Vec::new();
    line.assoc.camera_down(CameraId(0), &mut out);
    assert_eq!(out, [missed(1, 0, MissReason::CameraDown)]);
    assert_eq!(line.trigger(200), [missed(2, 0, MissReason::CameraDown)]);
    assert_eq!(line.frame(1, 5, 201), [claimed(2, 1, 5)]);
    // back with numbers that begin anew
    assert_eq!(line.frame(0, 0, 290), []);
    assert_eq!(line.trigger(300), [claimed(3, 0, 0)]);
    line.trigger(400);
    assert_eq!(line.frame(0, 1, 400), [claimed(4, 0, 1)]);
}

#[test]
fn a_lost_frame_with_a_number_misses_its_own_part() {
    let mut line = Line::new(&[view(0, 0, 0, 20, true)]);
    line.trigger(100);
    line.frame(0, 0, 100);
    line.trigger(200);
    let mut out = Vec::new();
    line.assoc.lost(
        sighting(0, 1, 201),
        MissReason::NoFreeSlot,
        ms(201),
        &mut out,
    );
    assert_eq!(out, [missed(2, 0, MissReason::NoFreeSlot)]);
    line.trigger(300);
    assert_eq!(line.frame(0, 2, 301), [claimed(3, 0, 2)]);
}

#[test]
fn more_parts_than_memory_miss_the_oldest_aloud() {
    let views = [view(0, 0, 0, 20, false)];
    let mut line = Line::new(&views);
    line.assoc = Associator::new(
        1,
        Memory {
            owed_per_camera: 2,
            ..MEMORY
        },
    );
    line.assoc.prepare(&views);
    line.trigger(100);
    line.trigger(200);
    assert_eq!(line.trigger(300), [missed(1, 0, MissReason::Overflow)]);
}

/// What may happen on a line.
#[derive(Clone, Debug)]
enum Event {
    Trigger,
    Frame { camera: u16, skip: u8, jitter: i8 },
    Lost { camera: u16, numbered: bool },
    Down(u16),
    Wait(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Trigger),
        6 => (0..3u16, 0..3u8, -40..40i8)
            .prop_map(|(camera, skip, jitter)| Event::Frame { camera, skip, jitter }),
        1 => (0..3u16, any::<bool>()).prop_map(|(camera, numbered)| Event::Lost { camera, numbered }),
        1 => (0..3u16).prop_map(Event::Down),
        4 => (1..60u8).prop_map(Event::Wait),
    ]
}

/// What came out so far, checked as it comes.
#[derive(Default)]
struct Book {
    frames_out: HashSet<u32>,
    answered: HashSet<(u64, u16)>,
    /// Answered by a frame that a later trigger may take back, once.
    claimed: HashSet<(u64, u16)>,
}

impl Book {
    fn take(&mut self, out: &mut Vec<Assigned<u32>>, when: &HashMap<u32, u64>) {
        for assigned in out.drain(..) {
            match assigned {
                Assigned::Claimed { track, view, frame } => {
                    assert!(self.frames_out.insert(frame), "frame {frame} given twice");
                    assert!(self.answered.insert((track.0, view.0)), "view filled twice");
                    self.claimed.insert((track.0, view.0));
                    assert!(when.contains_key(&frame));
                }
                Assigned::Missed {
                    track,
                    view,
                    reason: MissReason::Ambiguous,
                } if self.claimed.remove(&(track.0, view.0)) => {}
                Assigned::Missed { track, view, .. } => {
                    assert!(
                        self.answered.insert((track.0, view.0)),
                        "view answered twice"
                    );
                }
                Assigned::Unclaimed { frame, .. } => {
                    assert!(self.frames_out.insert(frame), "frame {frame} given twice");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_frame_is_given_twice_and_no_view_is_answered_twice(events in prop::collection::vec(event(), 1..200)) {
        let views = [view(0, 0, 0, 15, true), view(1, 1, 5, 25, false), view(2, 2, 0, 15, false), view(3, 2, 40, 15, false)];
        let mut line = Line::new(&views);
        let (mut now_ms, mut frames, mut numbers) = (1_000u64, 0u32, [0u64; 3]);
        let (mut book, mut when, mut out) = (Book::default(), HashMap::new(), Vec::new());
        for event in events {
            match event {
                Event::Trigger => out.extend(line.trigger(now_ms)),
                Event::Frame { camera, skip, jitter } => {
                    let number = &mut numbers[usize::from(camera)];
                    *number += 1 + u64::from(skip);
                    let at = now_ms.saturating_add_signed(i64::from(jitter));
                    when.insert(frames, at);
                    line.assoc.frame(sighting(camera, *number, at), frames, ms(now_ms), &mut out);
                    frames += 1;
                }
                Event::Lost { camera, numbered } => {
                    let mut s = sighting(camera, numbers[usize::from(camera)] + 1, now_ms);
                    s.frame_id = s.frame_id.filter(|_| numbered);
                    line.assoc.lost(s, MissReason::NoFreeSlot, ms(now_ms), &mut out);
                }
                Event::Down(camera) => line.assoc.camera_down(CameraId(camera), &mut out),
                Event::Wait(by) => {
                    now_ms += u64::from(by);
                    line.assoc.expire(ms(now_ms), &mut out);
                }
            }
            book.take(&mut out, &when);
        }
        line.assoc.close(MissReason::NotArrived, &mut out);
        book.take(&mut out, &when);
        prop_assert_eq!(book.frames_out.len(), frames as usize, "a frame was lost without a word");
    }

    /// A camera with one frame a trigger that loses frames (with or without a gap in its numbers) and sees ghosts:
    /// a part may go without, but never gets another part's frame.
    #[test]
    fn a_counted_camera_never_shifts(
        steps in prop::collection::vec((40u64..120, 0u8..12, -8i64..8, 0u64..30), 1..80),
    ) {
        let mut line = Line::new(&[view(0, 0, 0, 20, true)]);
        let (mut at, mut number, mut out) = (1_000u64, 500u64, Vec::new());
        let mut truth = HashMap::new();
        for (spacing, fate, jitter, latency) in steps {
            at += spacing;
            out.extend(line.trigger(at));
            let track = line.next - 1;
            let seen_at = at.saturating_add_signed(jitter);
            match fate {
                0 => {}          // slept through it: no frame, no gap
                1 => number += 1, // lost on the wire: a gap
                fate => {
                    if fate == 2 {
                        // a ghost between the parts
                        line.assoc.frame(sighting(0, number, at - 20), 0, ms(at), &mut out);
                        number += 1;
                    }
                    let tag = u32::try_from(track).unwrap();
                    truth.insert(tag, track);
                    line.assoc.frame(sighting(0, number, seen_at), tag, ms(seen_at + latency), &mut out);
                    number += 1;
                }
            }
        }
        for assigned in out {
            if let Assigned::Claimed { track, frame, .. } = assigned
                && frame != 0
            {
                prop_assert_eq!(truth[&frame], track.0);
            }
        }
    }
}
