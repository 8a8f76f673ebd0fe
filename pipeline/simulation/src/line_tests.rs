//! A station that knows the truth runs the line: clean, held, burst, with faults.

use super::*;
use crate::fault::{Condition, Fault, FaultKind, GatePosition, Window};
use crate::part::PartMix;
use crate::seat::QUEUE;
use sightline_domain::{DispositionReason, Evaluation, FrameId};
use std::time::Duration;

const START: MonoTime = MonoTime(1_000_000_000);

fn settings() -> LineSettings {
    LineSettings {
        board_px: 192,
        cameras: vec![LineCamera::default(), LineCamera { offset_mm: 70.0 }],
        mix: PartMix {
            defective_share: 0.5,
            ..PartMix::default()
        },
        ..LineSettings::default()
    }
}

/// A station that knows the truth: decides at the second camera, commands in time, holds when a reject goes unseen.
struct Station {
    line: Line,
    now: MonoTime,
    due: VecDeque<(MonoTime, TrackId, Disposition)>,
    awaited: VecDeque<(TrackId, MonoTime)>,
    arrivals: Vec<Arrival>,
    exposures: Vec<Vec<Exposure>>,
    holds: u32,
    watches_sensor: bool,
}

impl Station {
    fn new(settings: &LineSettings) -> Self {
        Self {
            line: Line::new(settings, START).expect("good settings"),
            now: START,
            due: VecDeque::new(),
            awaited: VecDeque::new(),
            arrivals: Vec::new(),
            exposures: vec![Vec::new(); settings.cameras.len()],
            holds: 0,
            watches_sensor: true,
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now = self.now + Duration::from_millis(1);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(arrival) = self.line.arrival(now) {
            let flap = arrival.at + Duration::from_millis(1_500);
            let bad = arrival.part.truth().is_defective();
            let (evaluation, disposition) = match bad {
                true => (Evaluation::NotOK, Disposition::Reject),
                false => (Evaluation::OK, Disposition::Pass),
            };
            let reason = DispositionReason::Verdict;
            let decision = StationDecision {
                evaluation,
                disposition,
                reason,
                all_views_healthy: true,
            };
            self.line.decided(arrival.part.track, decision);
            self.due.push_back((flap, arrival.part.track, disposition));
            self.arrivals.push(arrival);
        }
        for camera in 0..self.exposures.len() {
            while let Some(exposure) = self.line.exposure(camera, now) {
                self.exposures[camera].push(exposure);
            }
        }
        while let Some((_, track, disposition)) = self
            .due
            .pop_front_if(|(flap, ..)| *flap <= now + Duration::from_millis(10))
        {
            self.line.actuate(track, disposition, now);
            if disposition == Disposition::Reject {
                self.awaited
                    .push_back((track, now + Duration::from_millis(100)));
            }
        }
        while let Some((track, _)) = self.line.confirmation(now) {
            self.awaited.retain(|(t, _)| *t != track);
        }
        if self.watches_sensor && self.awaited.front().is_some_and(|(_, until)| *until < now) {
            self.hold();
        }
    }

    fn hold(&mut self) {
        self.holds += 1;
        self.line.hold(true, self.now);
        let stands = self.line.encoder(self.now);
        let later = self.now + Duration::from_secs(3);
        assert_eq!(self.line.arrival(later), None);
        assert_eq!(self.line.encoder(later), stands);
        assert_eq!(self.line.next_arrival_at(), None);
        self.line.repair_gate(later);
        self.line.hold(false, later);
        self.now = later;
        self.awaited.clear();
        self.due
            .iter_mut()
            .for_each(|d| d.0 = d.0 + Duration::from_secs(3));
    }

    fn finish(&mut self) -> TruthCounts {
        self.line.stop_feeding(self.now);
        self.run(10_000);
        assert_eq!(self.line.on_the_way(), 0);
        assert_eq!(self.line.dropped(), 0);
        self.line.counts()
    }
}

#[test]
fn a_station_that_knows_everything_runs_a_clean_line() {
    let mut station = Station::new(&settings());
    station.run(20_000);
    let counts = station.finish();
    assert!(counts.parts > 50 && counts.defective > 10, "{counts:?}");
    assert!(counts.clean(), "{counts:?}");
    assert_eq!(
        (
            counts.escapes,
            counts.overkill,
            counts.good_rejected_for_faults
        ),
        (0, 0, 0)
    );
    assert_eq!(counts.rejected, counts.defective);
}

#[test]
fn parts_come_in_order_at_their_spacing_and_cameras_see_them_at_their_offset() {
    let mut station = Station::new(&settings());
    station.run(20_000);
    for (i, pair) in station.arrivals.windows(2).enumerate() {
        assert_eq!(pair[0].part.track, TrackId(i as u64 + 1));
        let gap_ms = pair[1].at.since(pair[0].at).as_secs_f64() * 1e3;
        assert!(
            (199.0..=401.0).contains(&gap_ms),
            "{gap_ms} ms at 200 mm/s and 40 to 80 mm"
        );
        assert_eq!(
            pair[0].encoder,
            Some((pair[0].part.position_mm * 10.0).floor() as i64)
        );
    }
    for (camera, delay_us) in [(0, 150_000), (1, 350_000)] {
        for (arrival, exposure) in station.arrivals.iter().zip(&station.exposures[camera]) {
            assert_eq!(arrival.part, exposure.part);
            assert!((exposure.at.signed_us(arrival.at) - delay_us).abs() <= 1);
            assert_eq!(exposure.frame_id, FrameId(arrival.part.track.0));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_line_and_another_another() {
    let run = |seed| {
        let mut station = Station::new(&LineSettings { seed, ..settings() });
        station.run(5_000);
        station.arrivals
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_gate_stuck_in_pass_is_held_in_time_but_never_counts_as_clean() {
    let what = FaultKind::GateStuck {
        at: GatePosition::Pass,
    };
    let faults = vec![Fault {
        what,
        window: Window::Time {
            from_ms: 4_000,
            for_ms: 60_000,
        },
    }];
    let settings = LineSettings {
        faults,
        ..settings()
    };
    let mut station = Station::new(&settings);
    station.run(12_000);
    let counts = station.finish();
    assert_eq!(station.holds, 1);
    assert!(counts.contained >= 1 && counts.escapes == 0, "{counts:?}");
    assert!(counts.promise_kept() && !counts.clean(), "{counts:?}");

    let mut blind = Station::new(&settings);
    blind.watches_sensor = false;
    blind.run(12_000);
    let counts = blind.finish();
    assert!(
        counts.escapes_by_other > 0 && counts.escapes_by_model == 0,
        "{counts:?}"
    );
    assert!(!counts.promise_kept(), "{counts:?}");
}

#[test]
fn a_burst_brings_parts_closer_together_while_it_lasts() {
    let window = Window::Parts {
        from: 11,
        count: 10,
    };
    let faults = vec![Fault {
        what: FaultKind::Burst { factor: 8.0 },
        window,
    }];
    let mut station = Station::new(&LineSettings {
        faults,
        ..settings()
    });
    station.run(20_000);
    let gap_mm =
        |i: usize| station.arrivals[i].part.position_mm - station.arrivals[i - 1].part.position_mm;
    assert!(
        (10..20).all(|i| gap_mm(i) <= 10.0),
        "parts 11 to 20 are close"
    );
    assert!(
        (1..10).chain(20..30).all(|i| gap_mm(i) >= 40.0),
        "the others are not"
    );
}

#[test]
fn a_camera_fault_is_on_its_frames_and_a_frozen_number_repeats() {
    let fault = |camera, condition, from| Fault {
        what: FaultKind::Camera { camera, condition },
        window: Window::Parts { from, count: 3 },
    };
    let faults = vec![
        fault(0, Condition::Unplugged, 4),
        fault(1, Condition::FrozenNumber, 6),
    ];
    let mut station = Station::new(&LineSettings {
        faults,
        ..settings()
    });
    station.run(8_000);
    let first: Vec<_> = station.exposures[0]
        .iter()
        .take(8)
        .map(|e| e.condition == Condition::Unplugged)
        .collect();
    assert_eq!(first, [false, false, false, true, true, true, false, false]);
    let numbers: Vec<_> = station.exposures[1]
        .iter()
        .take(10)
        .map(|e| e.frame_id.0)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 5, 5, 5, 6, 7]);
}

#[test]
fn what_nobody_fetches_is_dropped_and_counted_not_hoarded() {
    let mut line = Line::new(&settings(), START).expect("good settings");
    line.advance(START + Duration::from_secs(600));
    assert!(line.dropped() > 0);
    assert!(line.arrivals.len() <= QUEUE && line.cameras.iter().all(|c| c.waiting.len() <= QUEUE));
    assert!(
        line.seen_by_eye.len() < 8,
        "{} parts kept",
        line.seen_by_eye.len()
    );
}

#[test]
fn settings_out_of_range_are_refused_with_what_was_found() {
    let bad = LineSettings {
        cameras: vec![],
        ..settings()
    };
    let message = Line::new(&bad, START).expect_err("no cameras").to_string();
    assert!(
        message.contains("cameras must be 1 to 16, found 0"),
        "{message}"
    );
    let bad = LineSettings {
        board_px: 100,
        ..settings()
    };
    let message = Line::new(&bad, START).expect_err("small board").to_string();
    assert!(message.contains("found 100 x 100"), "{message}");
}
