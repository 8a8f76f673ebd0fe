//! What was recorded is inspected again with the same bytes as the outcome.

mod rig;

use rig::*;
use sightline_configs::station::{Gate, GateAt, GateKind};
use sightline_domain::*;
use sightline_flow::*;
use sightline_frames::{Missed, TapSink, Tapped, TriggerSink, View};
use sightline_verdict::{Confirmation, GateDriver, GateError, GateSchedule};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_millis(50);
const SHAPE: CameraShape = CameraShape {
    slots: 4,
    slot_bytes: (SIDE * SIDE) as u64,
};

/// A belt of one count a millisecond, and a gate that writes down what it does.
struct Belt(Arc<Mutex<Vec<String>>>);

impl GateDriver for Belt {
    fn encoder(&mut self, now: MonoTime) -> Option<i64> {
        Some((now.0 / 1_000_000) as i64)
    }
    fn actuate(&mut self, track: TrackId, d: Disposition, now: MonoTime) -> Result<(), GateError> {
        self.0
            .lock()
            .unwrap()
            .push(format!("{track} {d:?} {}", now.0));
        Ok(())
    }
    fn poll_confirmations(&mut self, _: MonoTime, _: &mut Vec<Confirmation>) {}
    fn hold(&mut self, _: bool) {}
}

/// A line in lockstep: what its results and its gate came to.
struct Line {
    step: Lockstep,
    results: sightline_queue::Receiver<(InspectionResult, Box<[u8]>)>,
    gate: Arc<Mutex<Vec<String>>>,
}

impl Line {
    fn new(cameras: usize) -> Self {
        let clock = Arc::new(MockClock::default());
        let settings = FlowSettings::new(clock.clone(), vec![4; cameras]);
        let (tx, results) = sightline_queue::bounded("kept", 10_000);
        let gate = Arc::default();
        let schedule = Gate {
            kind: GateKind::Simulated,
            at: GateAt::EncoderCounts(80),
            lead_ms: 2.0,
            confirm_within_ms: None,
            mechanism: Default::default(),
            actuation_ms: None,
            max_counts_per_s: None,
        };
        let setup = GateSetup {
            schedule: GateSchedule::new(&schedule, 64).unwrap(),
            driver: Box::new(Belt(Arc::clone(&gate))),
        };
        let first = build(wide(plan(1, cameras, DEADLINE)), 1, 2, &script());
        let heard = Arc::new(Heard::default());
        let sink = Box::new(Kept(tx));
        let step =
            Lockstep::new(settings, clock, first, Some(setup), maker(), sink, heard).unwrap();
        Self {
            step,
            results,
            gate,
        }
    }

    /// Everything that came out, as bytes.
    fn outcome(
        results: &sightline_queue::Receiver<(InspectionResult, Box<[u8]>)>,
        gate: &Mutex<Vec<String>>,
    ) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some((_, bytes)) = results.try_recv() {
            all.extend_from_slice(&bytes);
            all.push(b'\n');
        }
        for line in gate.lock().unwrap().iter() {
            all.extend_from_slice(line.as_bytes());
            all.push(b'\n');
        }
        all
    }

    fn replay(recording: &[u8], cameras: usize) -> (LineCounts, Vec<u8>) {
        let line = Self::new(cameras);
        let counts = line
            .step
            .replay(Recording::open(recording).unwrap())
            .unwrap();
        (counts, Self::outcome(&line.results, &line.gate))
    }
}

/// A line with everything that happens on lines: defects, lost and late frames, a camera that goes and comes.
fn eventful(line: &mut Line, to: &mut Recorder<Vec<u8>>) {
    let pools = [pool("a", 4), pool("b", 4)];
    let ms = |ms: u64| MonoTime(ms * 1_000_000 + ms);
    let mut numbers = [10u64, 500];
    for n in 0..200u64 {
        let at = ms(100 + n * 23);
        let mut t = trigger(n + 1, at);
        t.encoder = Some((at.0 / 1_000_000) as i64);
        t.part_id = (n % 4 == 0).then(|| format!("P{n}").into());
        to.trigger(at, &t);
        to.write().unwrap();
        line.step.trigger(at, t);
        if n == 60 {
            to.camera_down(at, CameraId(1));
            to.write().unwrap();
            line.step.camera_down(at, CameraId(1));
        }
        for camera in 0..2u16 {
            let number = &mut numbers[usize::from(camera)];
            *number += 1;
            let seen = at + Duration::from_micros(900 * u64::from(camera) + 13 * (n % 7));
            let comes = seen + Duration::from_millis(if n % 31 == 0 { 70 } else { 2 });
            let picture = Picture {
                defects: u8::from(n % 9 == u64::from(camera)) * 3,
                ..Picture::default()
            };
            let item = match (n + u64::from(camera)) % 17 {
                3 => continue,
                5 => Tapped::Missed(Missed {
                    camera: CameraId(camera),
                    frame_id: Some(FrameId(*number)),
                    at: seen,
                    reason: MissReason::Undecodable,
                }),
                _ if n > 60 && n < 90 && camera == 1 => continue,
                _ => Tapped::View(View {
                    lease: lease(&pools[usize::from(camera)], camera, *number, seen, picture)
                        .unwrap(),
                    reference: None,
                }),
            };
            to.tapped(comes, &item);
            to.write().unwrap();
            line.step.deliver(comes, item);
        }
    }
}

#[test]
fn a_recording_replayed_gives_the_same_bytes_every_time() {
    let mut line = Line::new(2);
    let mut to = Recorder::new(Vec::new(), &[SHAPE; 2]).unwrap();
    eventful(&mut line, &mut to);
    let end = MonoTime(6_000_000_000);
    line.step.advance_to(end);
    let recording = to.finish(end).unwrap();
    let counts = line.step.finish();
    let outcome = Line::outcome(&line.results, &line.gate);
    assert_eq!(
        (counts.triggers, counts.results, counts.dispositions),
        (200, 200, 200)
    );
    assert!(
        counts.ok > 50 && counts.not_ok > 10 && counts.not_decidable > 30,
        "{counts:?}"
    );
    for _ in 0..2 {
        let (again, bytes) = Line::replay(&recording, 2);
        assert_eq!(again, counts);
        assert!(bytes == outcome, "a replay differs");
    }
    let text = String::from_utf8(outcome).unwrap();
    assert!(
        text.contains("\"late\"") || text.contains("late"),
        "late frames are in it"
    );
    assert_eq!(text.lines().filter(|l| l.starts_with('{')).count(), 200);
}

#[test]
fn a_recording_that_was_cut_short_is_inspected_as_far_as_it_goes() {
    let mut line = Line::new(2);
    let mut to = Recorder::new(Vec::new(), &[SHAPE; 2]).unwrap();
    eventful(&mut line, &mut to);
    let recording = to.finish(MonoTime(6_000_000_000)).unwrap();
    let half = &recording[..recording.len() / 2];
    let line = Line::new(2);
    let error = line
        .step
        .replay(Recording::open(half).unwrap())
        .unwrap_err();
    assert!(
        matches!(error, RecordingError::CutShort { records } if records > 100),
        "{error}"
    );
    let told = std::iter::from_fn(|| line.results.try_recv()).count();
    assert!(
        (60..200).contains(&told),
        "{told} parts of the half have their result"
    );
}

#[test]
fn a_live_run_replayed_comes_to_the_same_verdicts() {
    let deadline = Duration::from_secs(5);
    let mut rig = Rig::new(
        build(plan(1, 2, deadline), 2, 1, &script()),
        Options::default(),
    );
    let recorder = Recorder::new(Vec::new(), &[SHAPE; 2]).unwrap();
    let events: Arc<dyn FlowEvents> = rig.heard.clone();
    let taps = RecordingTap::new(
        rig.flow.tap(),
        rig.flow.trigger(),
        recorder,
        Arc::clone(&rig.clock),
        events,
    );
    let mut live = Vec::new();
    for n in 1..=60u64 {
        let now = rig.clock.now();
        taps.trigger(trigger(n, now)).unwrap();
        for camera in 0..2 {
            let picture = Picture {
                defects: u8::from(n % 5 == u64::from(camera)),
                ..Picture::default()
            };
            let lease = lease(&rig.pools[usize::from(camera)], camera, n, now, picture).unwrap();
            let view = View {
                lease,
                reference: None,
            };
            taps.deliver(Tapped::View(view)).unwrap();
        }
        let result = rig.result();
        assert_ne!(result.evaluation, Evaluation::NotDecidable);
        live.push((result.track_id, result.evaluation, result.views));
        rig.next_track += 1;
    }
    let recording = taps.finish().unwrap().expect("it was recording");
    rig.flow.stop();

    let clock = Arc::new(MockClock::default());
    let settings = FlowSettings::new(clock.clone(), vec![4; 2]);
    let (tx, results) = sightline_queue::bounded("kept", 100);
    let first = build(plan(1, 2, deadline), 2, 1, &script());
    let heard = Arc::new(Heard::default());
    let step = Lockstep::new(
        settings,
        clock,
        first,
        None,
        maker(),
        Box::new(Kept(tx)),
        heard,
    );
    let counts = step
        .unwrap()
        .replay(Recording::open(recording.as_slice()).unwrap())
        .unwrap();
    assert_eq!(counts.results, 60);
    for (track, evaluation, views) in live {
        let (again, _) = results.try_recv().unwrap();
        assert_eq!((again.track_id, again.evaluation), (track, evaluation));
        assert_eq!(
            again.views, views,
            "what was found, when it was captured, by whom"
        );
    }
}

#[test]
fn a_changeover_in_lockstep_is_between_parts() {
    let mut line = Line::new(1);
    let frames = pool("a", 4);
    let ms = |ms: u64| MonoTime(ms * 1_000_000);
    let view = |n: u64, at| {
        Tapped::View(View {
            lease: lease(&frames, 0, n, at, Picture::default()).unwrap(),
            reference: None,
        })
    };
    line.step.trigger(ms(10), trigger(1, ms(10)));
    line.step
        .activate(build(wide(plan(2, 1, DEADLINE)), 1, 1, &script()))
        .unwrap();
    line.step.deliver(ms(11), view(1, ms(11)));
    line.step.trigger(ms(110), trigger(2, ms(110)));
    line.step.deliver(ms(111), view(2, ms(111)));
    line.step.finish();
    let generations: Vec<_> = std::iter::from_fn(|| line.results.try_recv())
        .map(|(r, _)| (r.track_id, r.generation, r.evaluation))
        .collect();
    assert_eq!(
        generations,
        [(1, 1, Evaluation::OK), (2, 2, Evaluation::OK)]
    );
}
