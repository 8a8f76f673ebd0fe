use super::*;
use sightline_configs::station::Retry;
use sightline_domain::{Clock, MockClock};

fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        stall: Some(Duration::from_secs(2)),
        is_silent: false,
        retry: Retry {
            first_ms: 250,
            max_ms: 4_000,
            jitter: 0.2,
            give_up_after: None,
        },
        seed: 7,
    }
}

struct Rig {
    clock: MockClock,
    camera: Supervisor,
}

impl Rig {
    fn new(limits: Limits) -> Self {
        let clock = MockClock::default();
        let camera = Supervisor::new(limits, clock.now());
        Self { clock, camera }
    }

    fn hear(&mut self, event: Event) -> Vec<Action> {
        self.camera.handle(event, self.clock.now())
    }

    fn after_ms(&mut self, ms: u64) -> Vec<Action> {
        self.clock.advance(Duration::from_millis(ms));
        self.hear(Event::Tick)
    }

    /// Moves to the moment the camera asked to be woken at.
    fn wake(&mut self) -> Vec<Action> {
        self.clock
            .advance_to(self.camera.wakes_at().expect("it waits for time"));
        self.hear(Event::Tick)
    }

    fn state(&self) -> CameraState {
        self.camera.standing().state
    }
}

#[test]
fn a_first_frame_makes_it_live_and_silence_stalls_then_closes_it() {
    let mut rig = Rig::new(limits());
    assert_eq!(rig.hear(Event::Alive), []);
    assert_eq!(rig.state(), CameraState::Live);
    assert_eq!(rig.after_ms(1_999), []);
    assert_eq!(rig.after_ms(1), [], "its frame may still come");
    assert_eq!(rig.state(), CameraState::Stalled);
    assert_eq!(rig.after_ms(2_000), [Action::TellDown, Action::Close]);
    assert_eq!(rig.state(), CameraState::Retrying);
    assert_eq!(rig.wake(), [Action::Open]);
    assert_eq!(rig.state(), CameraState::Connecting);
    assert_eq!(rig.hear(Event::Alive), []);
    assert_eq!(rig.state(), CameraState::Live);
    assert_eq!(
        rig.hear(Event::Lost("cable".into())),
        [Action::TellDown, Action::Close]
    );
    assert_eq!(&*rig.camera.standing().reason, "cable");
}

#[test]
fn a_source_that_gives_up_waiting_for_a_silent_camera_is_opened_at_once_and_nobody_is_alarmed() {
    let mut rig = Rig::new(Limits {
        stall: None,
        is_silent: true,
        ..limits()
    });
    rig.hear(Event::Alive);
    assert_eq!(rig.after_ms(2_000), []);
    let gone = || Event::Lost("no buffer for 2 s".into());
    assert_eq!(rig.hear(gone()), [Action::Close, Action::Open]);
    assert_eq!(rig.state(), CameraState::Connecting);
    assert_eq!(rig.hear(gone()), [Action::TellDown, Action::Close]);
    assert_eq!(rig.state(), CameraState::Retrying);
}

#[test]
fn frames_counted_between_ticks_keep_it_live() {
    let mut rig = Rig::new(limits());
    rig.hear(Event::Alive);
    rig.clock.advance(Duration::from_millis(1_500));
    rig.camera.saw_frame(rig.clock.now());
    assert_eq!(rig.after_ms(600), []);
    assert_eq!(rig.state(), CameraState::Live);
}

#[test]
fn a_stalled_camera_that_speaks_again_is_live_without_reopening() {
    let mut rig = Rig::new(limits());
    rig.hear(Event::Alive);
    rig.after_ms(2_000);
    assert_eq!(rig.hear(Event::Alive), []);
    assert_eq!(rig.state(), CameraState::Live);
    assert_eq!(rig.after_ms(2_000), []);
    assert_eq!(
        rig.after_ms(2_000),
        [Action::TellDown, Action::Close],
        "a new fall is told anew"
    );
}

#[test]
fn waits_double_to_the_bound_with_jitter_and_start_over_after_a_steady_time() {
    let mut rig = Rig::new(limits());
    let mut waits = Vec::new();
    for _ in 0..7 {
        assert!(
            rig.hear(Event::Lost("no route".into()))
                .contains(&Action::Close)
        );
        let wait = rig
            .camera
            .standing()
            .next_retry
            .unwrap()
            .since(rig.clock.now());
        waits.push(wait.as_secs_f64() * 1_000.0);
        assert_eq!(rig.wake(), [Action::Open]);
    }
    for (n, wait) in waits.iter().enumerate() {
        let base = (250.0 * f64::from(1 << n)).min(4_000.0);
        assert!(
            *wait >= base * 0.8 - 1e-6 && *wait <= (base * 1.2).min(4_000.0) + 1e-6,
            "{waits:?}"
        );
    }
    assert!(
        waits
            .iter()
            .zip(&waits[1..])
            .any(|(a, b)| (b / a - 2.0).abs() > 0.01),
        "no jitter: {waits:?}"
    );

    // One frame is not a recovery: a flapping camera keeps its long wait.
    rig.hear(Event::Alive);
    rig.hear(Event::Lost("flap".into()));
    assert!(
        rig.camera
            .standing()
            .next_retry
            .unwrap()
            .since(rig.clock.now())
            > Duration::from_secs(3)
    );
    rig.wake();
    rig.hear(Event::Alive);
    rig.clock.advance(Duration::from_secs(5));
    rig.hear(Event::Lost("later".into()));
    assert!(
        rig.camera
            .standing()
            .next_retry
            .unwrap()
            .since(rig.clock.now())
            <= Duration::from_millis(300)
    );
}

#[test]
fn it_gives_up_only_after_so_many_attempts_without_a_frame() {
    let mut limits = limits();
    limits.retry.give_up_after = Some(2);
    let mut rig = Rig::new(limits);
    rig.hear(Event::Lost("refused".into()));
    rig.wake();
    rig.hear(Event::Alive);
    rig.hear(Event::Lost("refused".into()));
    assert_eq!(
        rig.state(),
        CameraState::Retrying,
        "the frame between started the count over"
    );
    rig.wake();
    assert_eq!(rig.after_ms(5_000), [Action::Close]);
    rig.wake();
    assert_eq!(rig.hear(Event::Lost("refused".into())), [Action::Close]);
    assert_eq!(rig.state(), CameraState::Failed);
    assert!(rig.camera.standing().reason.contains("refused"));
    assert_eq!(rig.camera.wakes_at(), None);
    assert_eq!(rig.hear(Event::Alive), []);
}

#[test]
fn an_end_closes_and_late_words_of_a_closed_session_change_nothing() {
    let mut rig = Rig::new(limits());
    rig.hear(Event::Alive);
    assert_eq!(rig.hear(Event::Ended), [Action::Close]);
    assert_eq!(rig.state(), CameraState::Ended);
    assert_eq!(rig.hear(Event::Lost("late".into())), []);

    let mut rig = Rig::new(limits());
    rig.hear(Event::Lost("gone".into()));
    assert_eq!(rig.hear(Event::Alive), []);
    assert_eq!(rig.state(), CameraState::Retrying);
}

#[test]
fn a_source_on_demand_may_be_silent_for_ever() {
    let mut rig = Rig::new(Limits {
        stall: None,
        ..limits()
    });
    rig.hear(Event::Alive);
    assert_eq!(rig.after_ms(3_600_000), []);
    assert_eq!(rig.state(), CameraState::Live);
}
