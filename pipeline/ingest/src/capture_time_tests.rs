//! Streams that are held, jump, drift and jitter.

use super::*;

fn ms(ms: u64) -> MonoTime {
    MonoTime(ms * 1_000_000)
}

/// A camera of 20 pictures a second whose clock began 7 s after ours, over a link with 30 ms.
struct Camera {
    time: CaptureTime,
    delay_ms: u64,
}

impl Camera {
    fn new() -> Self {
        Self {
            time: CaptureTime::new(Reach::Network, Duration::from_millis(10), true),
            delay_ms: 30,
        }
    }

    fn stamped(&mut self, taken_ms: u64, arrives_ms: u64) -> Moment {
        self.time.stamped(
            (taken_ms + 93_000) * 1_000_000,
            TimeSource::Rtp,
            ms(arrives_ms),
        )
    }

    /// Taken at this time, and arriving as soon as the link allows.
    fn fresh(&mut self, taken_ms: u64) -> Moment {
        self.stamped(taken_ms, taken_ms + self.delay_ms)
    }

    fn settled() -> Self {
        let mut camera = Self::new();
        for n in 0..40 {
            camera.fresh(n * 50);
        }
        camera
    }
}

fn away(moment: &Moment, taken_ms: u64) -> Duration {
    // the least delay is the recipe's
    let truth = ms(taken_ms + 30);
    moment
        .captured
        .since(truth)
        .max(truth.since(moment.captured))
}

#[test]
fn an_even_stream_is_known_to_milliseconds_after_three_frames_and_the_first_is_not() {
    let mut camera = Camera::new();
    let seen: Vec<_> = (0..5).map(|n| camera.fresh(n * 50)).collect();
    assert!(seen[0].timing.uncertainty >= HELD);
    assert!(seen[1].timing.uncertainty >= Duration::from_millis(20));
    assert!(seen[2].timing.uncertainty <= Duration::from_millis(2));
    assert_eq!(seen[4].captured, ms(230));
}

#[test]
fn what_was_held_is_as_old_as_it_is_and_not_trusted_for_a_while() {
    for hold in [150, 700, 1_500, 3_000] {
        let mut camera = Camera::settled();
        let release = 2_000 + hold;
        let mut taken = 2_000;
        while taken + 30 < release {
            let moment = camera.stamped(taken, release);
            assert!(
                away(&moment, taken) <= moment.timing.uncertainty,
                "hold {hold}, {taken}: {moment:?}"
            );
            if release - taken > 130 + 30 {
                assert!(moment.timing.uncertainty >= HELD, "{moment:?}");
            }
            taken += 50;
        }
        let first = camera.fresh(taken);
        assert!(first.timing.uncertainty >= HELD, "hold {hold}: {first:?}");
        let later = (1..=6)
            .map(|n| camera.fresh(taken + n * 50))
            .last()
            .unwrap();
        assert!(
            later.timing.uncertainty <= Duration::from_millis(3),
            "{later:?}"
        );
        assert_eq!(away(&later, taken + 300), Duration::ZERO);
    }
}

#[test]
fn a_connection_that_begins_with_a_queue_is_believed_only_when_the_queue_is_empty() {
    let mut camera = Camera::new();
    let queue: Vec<_> = (0..30).map(|n| camera.stamped(n * 50, 1_500 + n)).collect();
    assert!(queue.iter().all(|m| m.timing.uncertainty >= HELD));
    let after: Vec<_> = (30..36).map(|n| camera.fresh(n * 50)).collect();
    assert!(after[0].timing.uncertainty >= HELD);
    assert!(after[4].timing.uncertainty <= Duration::from_millis(3));
}

#[test]
fn a_single_late_frame_has_its_own_time() {
    let mut camera = Camera::settled();
    let late = camera.stamped(2_000, 2_090);
    assert!(away(&late, 2_000) <= Duration::from_micros(100), "{late:?}");
    assert!(late.late > Duration::from_millis(59), "{late:?}");
    assert!(late.timing.uncertainty <= Duration::from_millis(2));
    assert!(camera.fresh(2_050).timing.uncertainty <= Duration::from_millis(2));
}

#[test]
fn time_stamps_that_jump_are_not_believed_and_do_not_lose_the_camera() {
    for jump in [-5_000i64, 5_000, 700] {
        let mut camera = Camera::settled();
        let mut last = None;
        for n in 40..60u64 {
            let arrives = n * 50 + 30;
            let stamp = (n * 50 + 10_000).saturating_add_signed(jump);
            let moment =
                camera
                    .time
                    .stamped((stamp + 83_000) * 1_000_000, TimeSource::Rtp, ms(arrives));
            if n == 40 {
                assert!(moment.timing.uncertainty >= HELD, "{jump}: {moment:?}");
            }
            last = Some((moment, arrives));
        }
        let (moment, arrives) = last.unwrap();
        assert_eq!(moment.captured, ms(arrives), "{jump}");
        assert!(
            moment.timing.uncertainty <= Duration::from_millis(3),
            "{jump}: {moment:?}"
        );
    }
}

#[test]
fn drift_and_jitter_stay_within_what_is_said() {
    for ppm in [-150i64, 0, 150] {
        let mut camera = Camera::new();
        let mut worst = Duration::ZERO;
        for n in 0..20_000u64 {
            let taken = n * 50_000; // us
            let stamp = taken.saturating_add_signed(taken as i64 * ppm / 1_000_000) + 1_000_000;
            let jitter = (n * 7_919) % 13 * 1_000;
            let arrival = MonoTime((taken + 30_000 + jitter) * 1_000);
            let moment = camera.time.stamped(stamp * 1_000, TimeSource::Rtp, arrival);
            let truth = MonoTime((taken + 30_000) * 1_000);
            let off = moment
                .captured
                .since(truth)
                .max(truth.since(moment.captured));
            if n > 40 {
                assert!(
                    off <= moment.timing.uncertainty,
                    "{ppm} ppm, {n}: {off:?}, {moment:?}"
                );
                worst = worst.max(moment.timing.uncertainty);
            }
        }
        assert!(worst <= Duration::from_millis(16), "{ppm} ppm: {worst:?}");
    }
}

#[test]
fn a_stream_that_stays_late_is_told() {
    let mut camera = Camera::settled();
    let told = (0..200u64)
        .map(|n| camera.stamped(2_000 + n * 50, 2_900 + n * 50))
        .position(|m| m.is_stale);
    assert_eq!(told, Some(101));
}

#[test]
fn without_time_stamps_a_gap_and_a_burst_make_frames_doubtful() {
    let mut time = CaptureTime::new(Reach::Network, Duration::from_millis(10), true);
    let even: Vec<_> = (0..20).map(|n| time.arrived(ms(n * 50))).collect();
    assert!(even[..4].iter().all(|m| m.timing.uncertainty >= HELD));
    assert_eq!(even[10].timing.uncertainty, Duration::from_millis(10));
    // nothing for 1 s, then what was taken meanwhile
    for k in 0..19u64 {
        let arrival = ms(1_950 + k / 4);
        let moment = time.arrived(arrival);
        let taken = ms(1_000 + k * 50);
        let off = moment
            .captured
            .since(taken)
            .max(taken.since(moment.captured));
        assert!(off <= moment.timing.uncertainty, "{k}: {moment:?}");
    }
    let after: Vec<_> = (0..8).map(|n| time.arrived(ms(2_000 + n * 50))).collect();
    assert!(after[0].timing.uncertainty >= HELD);
    assert_eq!(after[7].timing.uncertainty, Duration::from_millis(10));
}

#[test]
fn a_triggered_camera_without_time_stamps_may_be_silent() {
    let mut time = CaptureTime::new(Reach::Network, Duration::from_millis(10), false);
    for at in [100, 900, 950, 9_000] {
        let moment = time.arrived(ms(at));
        assert_eq!((moment.captured, moment.late), (ms(at), Duration::ZERO));
        assert_eq!(moment.timing.uncertainty, Duration::from_millis(10));
    }
}

#[test]
fn stamps_that_a_parser_counts_are_no_clock() {
    for nominal in [40, 62] {
        let mut camera = Camera::new();
        let seen: Vec<_> = (0..120u64)
            .map(|n| camera.stamped(n * nominal, n * 50))
            .collect();
        let last = seen.last().unwrap();
        assert_eq!(
            last.timing.source,
            TimeSource::Arrival,
            "{nominal}: {last:?}"
        );
        assert!(seen.iter().all(|m| !m.is_stale));
    }
}
