//! A network camera whose stream is held, for 0.1 to 3 s, and let go in a burst: no part may be given a picture that was
//! taken outside its window. The pictures say themselves when they were taken.
//!
//! Eight holds by default; `SIGHTLINE_HOLDS=1000` runs for about an hour.

use rand::{RngExt, SeedableRng};
use sightline_configs::station::{Camera, Source};
use sightline_domain::{CameraId, Clock, MonoTime, SystemClock, TrackId, ViewId};
use sightline_flow::associate::{Assigned, Associator, ExpectedView, Memory, Part, Sighting};
use sightline_frames::{MemoryWish, TapSink, Tapped};
use sightline_ingest::{CameraContext, start};
use sightline_tests::process::Killed;
use sightline_tests::{free_port, until};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FPS: u32 = 20;
const OFFSET_MS: u64 = 40;
const WINDOW_MS: u64 = 45;
/// What a picture takes from the clock that is painted into it to our pad at least, and what a loaded machine adds.
const WAY_MS: i64 = 40;

fn serve(port: u16) -> Killed {
    let child = Command::new(env!("CARGO_BIN_EXE_clock_camera"))
        .args([port.to_string(), FPS.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = Killed(child.expect("the camera starts"));
    until("the camera listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    child
}

/// A link that can be held: what comes meanwhile is kept and let go at once.
fn link(to: u16, held: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let held = Arc::clone(held);
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).expect("the camera is there");
            let copies = [&near, &far].map(|s| s.try_clone().expect("a second handle"));
            let [near_again, far_again] = copies;
            pump(near_again, far, None);
            pump(far_again, near, Some(Arc::clone(&held)));
        }
    });
    port
}

fn pump(mut from: TcpStream, mut to: TcpStream, held: Option<Arc<AtomicBool>>) {
    let _ = to.set_nodelay(true);
    std::thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            while held.as_ref().is_some_and(|held| held.load(SeqCst)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
    });
}

/// The milliseconds painted into a picture.
fn painted(view: &sightline_frames::View) -> u32 {
    let picture = view.lease.picture();
    let stride = picture.layout.strides[0];
    (0..32).fold(0, |ms, bit| {
        let (x, y) = (bit % 8 * 40 + 20, bit / 8 * 60 + 30);
        ms | u32::from(picture.bytes[y * stride + x] > 128) << bit
    })
}

/// The association of one line, fed by the camera and by triggers.
struct Line {
    assoc: Associator<u32>,
    /// Due time of each part, painted clock, ms.
    due: HashMap<u64, u32>,
    given: HashMap<u64, u32>,
    wrong: Vec<String>,
    seen: u64,
    clock: Arc<dyn Clock>,
}

impl Line {
    fn take(&mut self, out: Vec<Assigned<u32>>) {
        for assigned in out {
            match assigned {
                Assigned::Claimed { track, frame, .. } => {
                    let off = i64::from(frame.wrapping_sub(self.due[&track.0]) as i32);
                    let reach = WINDOW_MS as i64;
                    if !(-reach - WAY_MS..=reach + 2).contains(&off) {
                        self.wrong
                            .push(format!("part {}: its picture is {off} ms off", track.0));
                    }
                    self.given.insert(track.0, frame);
                }
                Assigned::Missed { track, .. } => {
                    self.given.remove(&track.0);
                }
                Assigned::Unclaimed { .. } => {}
            }
        }
    }

    fn trigger(&mut self, track: u64, view: ExpectedView) {
        let (now, utc) = (self.clock.now(), self.clock.utc());
        self.due
            .insert(track, (utc.0 / 1_000) as u32 + OFFSET_MS as u32);
        let part = Part {
            track: TrackId(track),
            at: now,
            uncertainty: Duration::ZERO,
            deadline: now + Duration::from_millis(900),
        };
        let mut out = Vec::new();
        self.assoc.expire(now, &mut out);
        self.assoc.trigger(part, &[view], None, now, &mut out);
        self.take(out);
    }

    fn frame(&mut self, tag: u32, sighting: Sighting, now: MonoTime) {
        self.seen += 1;
        let mut out = Vec::new();
        self.assoc.expire(now, &mut out);
        self.assoc.frame(sighting, tag, now, &mut out);
        self.take(out);
    }
}

struct Eye(Arc<Mutex<Line>>);

impl TapSink for Eye {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        let mut line = self.0.lock().expect("nobody panicked");
        let now = line.clock.now();
        match item {
            Tapped::View(view) => {
                let meta = *view.lease.meta();
                let sighting = Sighting {
                    camera: meta.camera,
                    frame_id: meta.numbered.then_some(meta.frame_id),
                    captured: meta.captured,
                    uncertainty: meta.timing.uncertainty,
                    repeated: false,
                };
                line.frame(painted(&view), sighting, now);
            }
            Tapped::Missed(missed) => {
                let mut out = Vec::new();
                line.assoc.camera_down(missed.camera, &mut out);
                line.take(out);
            }
        }
        Ok(())
    }
}

fn camera(port: u16) -> Camera {
    let mut camera = Camera {
        source: Source::Rtsp {
            url: format!("rtsp://127.0.0.1:{port}/cam"),
            latency_ms: 0,
            tcp: true,
            multicast: false,
            timeout_ms: 10_000,
            stream: None,
            ca_file: None,
        },
        stall_ms: 5_000,
        ..Camera::named("cam")
    };
    camera.health.frozen_after = 0;
    camera.health.focus_share = 0.0;
    camera
}

fn expected() -> ExpectedView {
    ExpectedView {
        view: ViewId(0),
        camera: CameraId(0),
        offset: Duration::from_millis(OFFSET_MS),
        window: Duration::from_millis(WINDOW_MS),
        counted: false,
    }
}

#[test]
fn no_part_is_given_a_picture_that_was_held_or_is_anothers() {
    let asked = std::env::var("SIGHTLINE_HOLDS").ok();
    let holds: u64 = asked.and_then(|n| n.parse().ok()).unwrap_or(8);
    let port = free_port();
    let _server = serve(port);
    let held = Arc::new(AtomicBool::new(false));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut assoc = Associator::new(
        1,
        Memory {
            owed_per_camera: 64,
            held_per_camera: 4,
        },
    );
    let view = expected();
    assoc.prepare(&[view]);
    let line = Arc::new(Mutex::new(Line {
        assoc,
        due: HashMap::new(),
        given: HashMap::new(),
        wrong: Vec::new(),
        seen: 0,
        clock: Arc::clone(&clock),
    }));
    let cam = start(CameraContext {
        id: CameraId(0),
        config: camera(link(port, &held)),
        memory: MemoryWish::Auto,
        sink: Arc::new(Eye(Arc::clone(&line))),
        clock,
        source: None,
        base_dir: ".".into(),
        wants_reference: false,
        raised: false,
    })
    .expect("it starts");
    let seen = || line.lock().expect("nobody panicked").seen;
    until("pictures come", || seen() > 20);

    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut track = 0;
    let part = |track: &mut u64| {
        *track += 1;
        line.lock().expect("nobody panicked").trigger(*track, view);
    };
    let mut quiet = 0;
    for _ in 0..holds {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(dice.random_range(250..450)));
            part(&mut track);
            quiet += 1;
        }
        std::thread::sleep(Duration::from_millis(dice.random_range(250..450)));
        let release = Instant::now() + Duration::from_millis(dice.random_range(100..3_000));
        held.store(true, SeqCst);
        std::thread::sleep(release.saturating_duration_since(Instant::now()));
        if dice.random_bool(0.3) {
            part(&mut track);
        }
        held.store(false, SeqCst);
        std::thread::sleep(Duration::from_millis(dice.random_range(10..120)));
        part(&mut track);
        std::thread::sleep(Duration::from_millis(400));
    }
    cam.stop().expect("it stops");
    let line = line.lock().expect("nobody panicked");
    println!(
        "{holds} holds, {track} parts, {} given a picture, {} pictures",
        line.given.len(),
        line.seen
    );
    assert!(line.wrong.is_empty(), "{:#?}", line.wrong);
    // a loaded machine may cost some of those that nothing disturbed, not most
    assert!(
        line.given.len() as u64 * 2 > quiet,
        "{} of {quiet} undisturbed parts",
        line.given.len()
    );
}
