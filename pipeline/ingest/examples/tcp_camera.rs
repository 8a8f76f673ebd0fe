//! A camera source of one's own: a camera that sends each picture over TCP as 640 x 480 grey bytes, with a number before it.
//!
//! `cargo run -p sightline-ingest --example tcp_camera` plays the camera, too.
//!
//! A source is opened again and again by its camera's supervisor, which decides when and how often; an open one is a
//! session, here one thread. What it captures goes through its tap, which stamps, judges and counts.

use sightline_configs::station::Camera;
use sightline_domain::{CameraId, FrameId, Levels, MissReason, PixelFormat, SystemClock};
use sightline_frames::{MemoryWish, TapSink, Tapped, View};
use sightline_ingest::source::{
    Arrival, Link, Session, Shape, SharedTap, Source, ThreadSession, Work,
};
use sightline_ingest::{CameraContext, Origin, Reason};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

const SIZE: (u32, u32) = (640, 480);

struct TcpCamera {
    address: SocketAddr,
    name: String,
    place: sightline_threads::Place,
}

impl Source for TcpCamera {
    fn open(&mut self, tap: &SharedTap, link: Link) -> Result<Box<dyn Session>, Reason> {
        let wait = Duration::from_secs(2);
        let stream = TcpStream::connect_timeout(&self.address, wait).map_err(|e| {
            Reason::from(format!("expected a camera at {}, found: {e}", self.address))
        })?;
        // So that the thread looks now and then whether it is still wanted.
        let timeout = stream.set_read_timeout(Some(Duration::from_millis(100)));
        timeout.map_err(|e| Reason::from(e.to_string()))?;
        ThreadSession::start(&self.name, self.place, tap, link, |work| {
            receive(stream, work)
        })
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some(SIZE)
    }
}

fn receive(mut stream: TcpStream, mut work: Work) {
    while let Some(number) = read_number(&mut stream, &work) {
        let stamp = work.tap.stamp();
        let id = FrameId(number);
        let Some(mut slot) = work.tap.pool.open() else {
            return work
                .link
                .lost("expected a free slot, found none; raise `slots`");
        };
        let layout = PixelFormat::Gray8.default_layout(SIZE.0, SIZE.1);
        // Straight into the slot that the engine will read: no copy.
        if read_all(&mut stream, &mut slot.bytes_mut()[..layout.len], &work).is_none() {
            work.tap.miss(Some(id), stamp.at, MissReason::Undecodable);
            break;
        }
        let arrival = Arrival {
            frame_id: id,
            numbered: true,
            stamp,
            shape: Shape {
                width: SIZE.0,
                height: SIZE.1,
                format: PixelFormat::Gray8,
                levels: Levels::default(),
                layout,
            },
            host_copies: 0,
            origin: Origin::default(),
        };
        if let Some(lease) = work.tap.seal(slot, &arrival) {
            let reference = None;
            work.tap.deliver(View { lease, reference });
        }
    }
    if !work.stop.is_raised() {
        work.link
            .lost("expected pictures, found the connection closed");
    }
}

fn read_number(stream: &mut TcpStream, work: &Work) -> Option<u64> {
    let mut bytes = [0; 8];
    read_all(stream, &mut bytes, work)?;
    Some(u64::from_le_bytes(bytes))
}

/// Fills `into`; `None` when the connection ends first, or the session is to.
fn read_all(stream: &mut TcpStream, into: &mut [u8], work: &Work) -> Option<()> {
    let mut have = 0;
    while have < into.len() && !work.stop.is_raised() {
        match stream.read(&mut into[have..]) {
            Ok(0) => return None,
            Ok(n) => have += n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    (have == into.len()).then_some(())
}

/// Where views go in this example: to the main thread, which says what came.
struct ToMain(mpsc::SyncSender<Tapped>);

impl TapSink for ToMain {
    fn deliver(&self, item: Tapped) -> Result<(), Tapped> {
        self.0.try_send(item).map_err(|full| match full {
            mpsc::TrySendError::Full(item) | mpsc::TrySendError::Disconnected(item) => item,
        })
    }
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let device = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the station");
        for number in 1u64..=3 {
            let picture: Vec<u8> = (0..SIZE.0 * SIZE.1).map(|i| (i * 7) as u8).collect();
            stream.write_all(&number.to_le_bytes()).expect("open");
            stream.write_all(&picture).expect("open");
        }
    });
    let (to_main, views) = mpsc::sync_channel(8);
    // The kind does not matter: the source is handed in.
    let text = "name = \"tcp\"\nsource = { kind = \"v4l2\", device = \"/dev/null\" }";
    let (config, _) = sightline_configs::read::<Camera>(Path::new("camera.toml"), text)
        .expect("a camera's settings");
    let mut context = CameraContext {
        id: CameraId(0),
        config,
        memory: MemoryWish::Plain,
        sink: Arc::new(ToMain(to_main)),
        clock: Arc::new(SystemClock::default()),
        source: None,
        base_dir: ".".into(),
        wants_reference: false,
        raised: false,
    };
    context.source = Some(Box::new(TcpCamera {
        address,
        name: context.config.name.clone(),
        place: context.place(),
    }));
    let camera = sightline_ingest::start(context).expect("it can be opened");
    for number in 1..=3 {
        let came = views.recv_timeout(Duration::from_secs(10)).expect("a view");
        let Tapped::View(view) = came else {
            panic!("expected a view")
        };
        println!("{:?}", view.lease.meta());
        assert_eq!(view.lease.meta().frame_id, FrameId(number));
    }
    camera.stop().expect("it ends");
    device.join().expect("it ended");
}

#[test]
fn three_pictures_come() {
    main();
}
