//! The recipe's golden picture is laid onto each part before the engine sees both; what cannot be laid is never OK.
#![cfg(feature = "registration")]

mod rig;

use rig::*;
use sightline_configs::recipe::{Reference, Registration};
use sightline_domain::*;
use sightline_engine::scripted::{Script, ScriptedEngine};
use sightline_engine::{ReferencePicture, Task};
use sightline_frames::{FramePool, MemoryWish, PoolConfig, TapSink, Tapped, View};
use std::sync::Arc;
use std::time::Duration;

const SIDE: u32 = 200;

/// A board of dark tracks and pads, moved by `(dx, dy)` pixels.
fn board(dx: i32, dy: i32) -> Vec<u8> {
    let dark = |x: i32, y: i32| {
        let track =
            x.rem_euclid(40) < 6 && y > 20 && y < 170 || y.rem_euclid(50) < 5 && x > 15 && x < 160;
        let pad =
            (x - 70).pow(2) + (y - 90).pow(2) < 300 || (x - 140).pow(2) + (y - 50).pow(2) < 150;
        track || pad
    };
    let side = SIDE as i32;
    let pixels = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    pixels
        .map(|(x, y)| if dark(x - dx, y - dy) { 40 } else { 210 })
        .collect()
}

/// One finding where more than a few pixels differ between the part and its golden picture, away from the border.
fn differences() -> Script {
    Script {
        answer: Arc::new(|view, _, out| {
            let golden = view.reference.as_ref().expect("a golden picture");
            let pairs = view.lease.bytes().iter().zip(golden.picture().bytes);
            let inner = |i: &usize| {
                let (x, y) = (i % SIDE as usize, i / SIDE as usize);
                (15..185).contains(&x) && (15..185).contains(&y)
            };
            let differs = |(i, (a, b)): (usize, (&u8, &u8))| inner(&i) && a.abs_diff(*b) > 100;
            let differ = pairs.enumerate().filter(|p| differs(*p)).count();
            if differ > 300 {
                out.detections.push(Detection {
                    class: ClassId(0),
                    score: 0.9,
                    bbox_view: BoxView {
                        x: 0.0,
                        y: 0.0,
                        w: 9.0,
                        h: 9.0,
                    },
                    area: None,
                    verifier: None,
                });
            }
        }),
        ..Script::default()
    }
}

fn line(registration: Registration, golden: bool) -> (Rig, FramePool) {
    let mut compared = plan(1, 1, Duration::from_secs(5));
    compared.views[0].reference = Some(Reference {
        picture: golden.then(|| "golden.png".into()),
        registration,
        max_shift_px: 12.0,
        max_rotation_deg: 2.0,
        min_correlation: 0.5,
    });
    let mut first = build(compared, 1, 1, &script());
    let mut wants = info(1, Task::Detect, &["open"]);
    wants.wants_reference = true;
    let engine = ScriptedEngine::new(wants, differences());
    first.workers[0].models[0].detector = Box::new(engine);
    let mut picture = ReferencePicture::blank(SIDE, SIDE, PixelFormat::Gray8);
    picture.bytes = board(0, 0);
    first.references = vec![golden.then(|| Arc::new(picture))];
    let pool = FramePool::new(PoolConfig {
        name: "boards".into(),
        slots: 4,
        slot_bytes: (SIDE * SIDE) as usize,
        memory: MemoryWish::Plain,
    });
    (Rig::new(first, Options::default()), pool.unwrap())
}

fn see(rig: &mut Rig, pool: &FramePool, pixels: &[u8], golden: Option<&[u8]>) -> InspectionResult {
    rig.trigger();
    let now = rig.arrived;
    let lease = |pixels: &[u8]| {
        let mut slot = pool.open().unwrap();
        slot.bytes_mut()[..pixels.len()].copy_from_slice(pixels);
        let meta = FrameMeta {
            camera: CameraId(0),
            frame_id: FrameId(now.0),
            captured: now,
            captured_utc: UtcMicros(0),
            timing: Timing::default(),
            numbered: true,
            width: SIDE,
            height: SIDE,
            format: PixelFormat::Gray8,
            levels: sightline_domain::Levels::default(),
            layout: PixelFormat::Gray8.default_layout(SIDE, SIDE),
            health: Health::Ok,
            host_copies: 0,
        };
        slot.seal(meta).unwrap()
    };
    let view = View {
        lease: lease(pixels),
        reference: golden.map(lease),
    };
    rig.tap.deliver(Tapped::View(view)).unwrap();
    rig.result()
}

#[test]
fn a_moved_part_is_compared_with_a_golden_picture_moved_likewise() {
    let (mut still, pool) = line(Registration::None, true);
    let unregistered = see(&mut still, &pool, &board(7, -5), None);
    assert_eq!(
        unregistered.evaluation,
        Evaluation::NotOK,
        "unregistered, everything differs"
    );
    let (mut rig, pool) = line(Registration::Translation, true);
    for (dx, dy) in [(0, 0), (7, -5), (-9, 3), (2, 11)] {
        let result = see(&mut rig, &pool, &board(dx, dy), None);
        assert_eq!(
            result.evaluation,
            Evaluation::OK,
            "moved by {dx}, {dy}: {result:?}"
        );
        assert_eq!(result.views[0].health, Some(Health::Ok));
    }
}

#[test]
fn a_part_that_cannot_be_registered_is_misaligned_and_never_ok() {
    let (mut rig, pool) = line(Registration::Translation, true);
    let blank = vec![128; (SIDE * SIDE) as usize];
    for pixels in [blank, board(40, 40)] {
        let result = see(&mut rig, &pool, &pixels, None);
        assert_eq!(result.evaluation, Evaluation::NotDecidable);
        assert_eq!(result.views[0].health, Some(Health::Misaligned));
        assert_eq!(result.disposition, Disposition::Reject);
    }
    assert_eq!(rig.flow.counters().line.misaligned, 2);
    // and the next good one is good
    assert_eq!(
        see(&mut rig, &pool, &board(1, 1), None).evaluation,
        Evaluation::OK
    );
}

#[test]
fn a_pair_brings_its_own_golden_picture_as_it_is_or_to_be_registered() {
    let (mut rig, pool) = line(Registration::None, false);
    let same = see(&mut rig, &pool, &board(5, 5), Some(&board(5, 5)));
    assert_eq!(same.evaluation, Evaluation::OK);
    let other = see(&mut rig, &pool, &board(5, 5), Some(&board(0, 0)));
    assert_eq!(other.evaluation, Evaluation::NotOK);
    let (mut rig, pool) = line(Registration::Translation, false);
    let moved = see(&mut rig, &pool, &board(5, 5), Some(&board(0, 0)));
    assert_eq!(moved.evaluation, Evaluation::OK, "{moved:?}");
}

#[test]
fn a_golden_picture_that_cannot_be_registered_to_anything_is_refused_at_start() {
    let mut compared = plan(1, 1, Duration::from_secs(5));
    compared.views[0].reference = Some(Reference {
        picture: Some("golden.png".into()),
        registration: Registration::Euclidean,
        max_shift_px: 12.0,
        max_rotation_deg: 2.0,
        min_correlation: 0.5,
    });
    let mut first = build(compared, 1, 1, &script());
    let blank = ReferencePicture::blank(SIDE, SIDE, PixelFormat::Gray8);
    first.references = vec![Some(Arc::new(blank))];
    let clock = Arc::new(SystemClock::default());
    let settings = sightline_flow::FlowSettings::new(clock, vec![4]);
    let (tx, _rx) = sightline_queue::bounded("kept", 1);
    let heard = Arc::new(Heard::default());
    let sink = Box::new(Kept(tx));
    let error = sightline_flow::Flow::start(settings, first, None, maker(), sink, heard);
    let error = error.err().expect("refused");
    assert!(error.to_string().contains("view `view-0`"), "{error}");
}
