//! Real sockets: two consoles, and everything that a hostile or broken one can do.

use sightline_domain::{Health, UtcMicros};
use sightline_wire::preview::Pixels;
use sightline_wire::snapshot::{LineFacts, Pulse};
use sightline_wire::*;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that another thread does.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A station with one camera whose frames are numbered by asking.
#[derive(Default)]
struct Station {
    frames: AtomicU64,
    asked: AtomicU64,
}

struct Visitor;

impl ClientSession for Visitor {
    fn answer(&self, ask: Ask) -> Reply {
        match ask {
            Ask::Acknowledge { .. } => Answer::Done.into(),
            _ => Refusal::NotThere.into(),
        }
    }
    fn session(&self) -> Session {
        Session::default()
    }
}

impl Host for Station {
    fn welcome(&self, _: &str) -> Box<dyn ClientSession> {
        Box::new(Visitor)
    }
    fn preview(
        &self,
        wish: &PreviewRequest,
        _: Option<(u64, bool)>,
        pixels: &mut Vec<u8>,
    ) -> Option<PreviewHead> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        pixels.clear();
        pixels.resize(usize::from(wish.width) * usize::from(wish.height), 7);
        Some(PreviewHead {
            camera: wish.camera,
            frame_id: self.frames.fetch_add(1, Ordering::SeqCst),
            captured: UtcMicros(0),
            width: wish.width,
            height: wish.height,
            view_width: 640,
            view_height: 640,
            pixels: Pixels::Gray,
            health: Health::Ok,
            judged: None,
        })
    }
}

struct Rig {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    board: Arc<Board>,
    station: Arc<Station>,
    server: Option<Server>,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.sock");
    let mut rig = Rig {
        _folder: folder,
        path,
        board: Arc::default(),
        station: Arc::default(),
        server: None,
    };
    rig.start();
    rig
}

impl Rig {
    fn start(&mut self) {
        let settings = ServerSettings {
            period: Duration::from_millis(5),
            patience: Duration::from_millis(300),
            ..ServerSettings::at(self.path.clone())
        };
        self.server =
            Some(Server::start(settings, self.board.clone(), self.station.clone()).unwrap());
    }

    fn client(&self) -> Client {
        Client::start(&self.path, "test", || {}).unwrap()
    }

    fn say(&self, ok: u64) {
        self.board.post(Section::Line(LineFacts {
            ok,
            ..LineFacts::default()
        }));
    }

    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn consoles(&self) -> usize {
        self.server.as_ref().map_or(0, Server::consoles)
    }
}

fn ok(client: &Client) -> u64 {
    client.look(|s, _, _| s.line.ok)
}

/// Reads to the end; true if the station hung up rather than letting us wait.
fn hung_up(mut stream: UnixStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn two_consoles_see_the_same_state_previews_and_their_own_answers() {
    let rig = rig();
    rig.say(1);
    let (a, b) = (rig.client(), rig.client());
    until("the first state", || ok(&a) == 1 && ok(&b) == 1);
    rig.say(2);
    until("the change", || ok(&a) == 2 && ok(&b) == 2);

    a.watch(vec![PreviewRequest {
        camera: 4,
        width: 64,
        height: 36,
    }]);
    until("a preview", || {
        let previews = a.take_previews();
        previews
            .get(&4)
            .is_some_and(|p| p.bytes == vec![7; 64 * 36])
    });
    assert!(b.take_previews().is_empty(), "b wants none");

    let asked = b.ask(Ask::Acknowledge { alarm: "x".into() });
    let mut answers = Vec::new();
    until("the answer", || {
        answers.extend(b.take_answers());
        !answers.is_empty()
    });
    assert_eq!(answers[0].0, asked.expect("it is up"));
    assert_eq!(answers[0].1, Answer::Done.into());
    assert!(a.take_answers().is_empty());
}

#[test]
fn a_station_that_comes_back_is_found_again_with_the_same_wishes() {
    let mut rig = rig();
    let client = rig.client();
    client.watch(vec![PreviewRequest {
        camera: 0,
        width: 8,
        height: 8,
    }]);
    until("a preview", || !client.take_previews().is_empty());
    rig.server = None;
    until("the loss", || matches!(client.link(), Link::Down { .. }));
    assert_eq!(client.ask(Ask::LogOut), None, "nobody there to ask");
    client.take_previews();
    rig.start();
    until("a preview again", || !client.take_previews().is_empty());
}

#[test]
fn only_the_owner_and_the_group_may_connect_and_one_station_listens() {
    let rig = rig();
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&rig.path), 0o660);
    let second = Server::start(
        ServerSettings::at(rig.path.clone()),
        Arc::default(),
        Arc::new(Station::default()),
    );
    assert!(matches!(second, Err(WireError::Taken { .. })));
    let path = rig.path.clone();
    drop(rig);
    assert!(!path.exists());
}

#[test]
fn a_socket_left_by_a_station_that_was_killed_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Server::start(
        ServerSettings::at(path.clone()),
        Arc::default(),
        Arc::new(Station::default()),
    );
    assert!(server.is_ok());
}

#[test]
fn garbage_huge_frames_and_wrong_versions_are_sent_away() {
    let rig = rig();
    let client = rig.client();
    let frame = |message: &ToStation| {
        let mut bytes = Vec::new();
        framing::write(&mut bytes, message, &[]).unwrap();
        bytes
    };
    let hello = frame(&ToStation::hello("liar"));
    let old = frame(&ToStation::Hello {
        magic: message::MAGIC,
        version: VERSION + 1,
        name: "old".into(),
    });
    let rubbish: Vec<u8> = (0..5_000u32).map(|i| (i * 37 % 251) as u8).collect();
    let huge = u32::MAX.to_le_bytes().to_vec();
    let cases = [
        rubbish.clone(),
        huge.clone(),
        old,
        frame(&ToStation::Alive),
        [hello.clone(), hello.clone()].concat(),
        [hello.clone(), huge].concat(),
        [hello, rubbish].concat(),
    ];
    for bytes in cases {
        let mut stream = rig.raw();
        // It may hang up while we still write.
        let _ = stream.write_all(&bytes);
        assert!(hung_up(stream), "{:?}…", &bytes[..4]);
    }
    rig.say(9);
    until("the good console goes on", || ok(&client) == 9);
}

#[test]
fn a_thousand_connections_that_say_nothing_disturb_nobody() {
    let rig = rig();
    let client = rig.client();
    until("the good console", || client.link() == Link::Up);
    // As many as the test may open at once.
    let crowd: Vec<_> = (0..1_000)
        .filter_map(|_| UnixStream::connect(&rig.path).ok())
        .collect();
    assert!(crowd.len() > 400, "{}", crowd.len());
    rig.say(5);
    until("the good console goes on", || ok(&client) == 5);
    assert_eq!(rig.consoles(), 1);
    // Without a hello they are sent away, and there is room again.
    let late = rig.client();
    until("another console", || late.link() == Link::Up);
    drop(crowd);
}

#[test]
fn there_are_no_more_consoles_than_seats_and_a_seat_comes_free() {
    let rig = rig();
    let mut clients: Vec<_> = (0..4).map(|_| rig.client()).collect();
    until("four", || rig.consoles() == 4);
    let mut hello = rig.raw();
    framing::write(&mut hello, &ToStation::hello("fifth"), &[]).unwrap();
    assert!(hung_up(hello));
    assert_eq!(rig.consoles(), 4);
    clients.pop();
    let fifth = rig.client();
    until("the fifth", || fifth.link() == Link::Up);
}

#[test]
fn a_console_that_stops_reading_is_let_go_and_costs_no_pictures() {
    let rig = rig();
    let client = rig.client();
    until("the good console", || client.link() == Link::Up);
    let mut stopped = rig.raw();
    framing::write(&mut stopped, &ToStation::hello("stopped"), &[]).unwrap();
    let wish = PreviewRequest {
        camera: 0,
        width: 640,
        height: 480,
    };
    framing::write(&mut stopped, &ToStation::Watch(vec![wish]), &[]).unwrap();
    until("it is sent pictures", || {
        rig.station.asked.load(Ordering::SeqCst) > 0
    });
    until("it is let go", || rig.consoles() == 1);
    // What fits into the socket's buffer, and one that is stuck: then nothing is scaled for it any more.
    let asked = rig.station.asked.load(Ordering::SeqCst);
    assert!(asked < 20, "{asked} pictures for nobody");
    rig.say(3);
    until("the good console goes on", || ok(&client) == 3);
}

#[test]
fn a_station_ends_also_when_its_socket_was_taken_away() {
    let mut rig = rig();
    std::fs::remove_file(&rig.path).unwrap();
    rig.server = None;
}

#[test]
fn a_heart_beat_is_noticed() {
    let rig = rig();
    let client = rig.client();
    until("up", || client.link() == Link::Up);
    assert_eq!(client.look(|_, _, beat| beat), None);
    rig.board.post(Section::Pulse(Pulse {
        at: UtcMicros(1),
        uptime_s: 1,
    }));
    until("a beat", || client.look(|_, _, beat| beat.is_some()));
}
