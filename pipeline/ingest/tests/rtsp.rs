//! A network camera whose server is killed, comes back, and freezes; the server is GStreamer's own, in a process of
//! its own so that it can really be killed.

mod support;

use gstreamer_rtsp_server::{RTSPMediaFactory, RTSPServer, prelude::*};
use sightline_configs::station::{Camera, Source};
use sightline_domain::MissReason;
use sightline_ingest::{CameraState, start};
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use support::{Notes, camera, context, is, wait};

const LONG: Duration = Duration::from_secs(20);
/// What is promised: the camera is back so long after its server's return.
const BACK_WITHIN: Duration = Duration::from_secs(5);
const PORT: &str = "SIGHTLINE_TEST_RTSP_PORT";

/// Not a test of its own: the server's process, which is this test program started again with a port.
#[test]
#[ignore = "runs as the server of the other test"]
fn server_process() {
    let Ok(port) = std::env::var(PORT) else {
        return;
    };
    gstreamer::init().unwrap();
    let server = RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port);
    let factory = RTSPMediaFactory::new();
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball background-color=0xff606060 ! video/x-raw,width=320,height=240,framerate=20/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )",
    );
    factory.set_shared(true);
    server.mount_points().unwrap().add_factory("/cam", factory);
    let _attached = server.attach(None).unwrap();
    gstreamer::glib::MainLoop::new(None, false).run();
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts the server and waits until it listens.
    fn start(port: u16) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server_process", "--ignored", "--nocapture"])
            .env(PORT, port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LONG, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, port }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn rtsp(port: u16) -> Camera {
    let mut config = camera(Source::Rtsp {
        url: format!("rtsp://127.0.0.1:{port}/cam"),
        latency_ms: 0,
        tcp: true,
        multicast: false,
        timeout_ms: 10_000,
        stream: None,
        ca_file: None,
    });
    config.retry = sightline_configs::station::Retry::default();
    config.stall_ms = 600;
    config
}

#[test]
fn a_killed_or_frozen_server_is_noticed_told_and_connected_again_while_others_run_on() {
    let other_notes = Arc::new(Notes::default());
    let mut other = camera(Source::Pipeline {
        description: "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=50/1"
            .into(),
        ends: false,
    });
    other.name = "other".into();
    let other = start(context(other, Arc::clone(&other_notes), Path::new(""))).unwrap();

    let port = free_port();
    let notes = Arc::new(Notes::default());
    let cam = start(context(rtsp(port), Arc::clone(&notes), Path::new(""))).unwrap();
    wait(&cam, LONG, is(CameraState::Retrying));
    let reason = cam.status().reason;
    assert!(reason.to_lowercase().contains("connect"), "{reason}");
    std::thread::sleep(Duration::from_secs(2)); // let the back-off grow

    let mut server = Server::start(port);
    let back = wait(&cam, BACK_WITHIN, is(CameraState::Live));
    wait(&cam, LONG, |c| c.status().counts.frames >= 20);
    assert!(
        notes
            .views()
            .iter()
            .all(|m| (m.width, m.height, m.host_copies) == (320, 240, 0))
    );
    println!("first connection {back:?} after the server's start");

    let mut by_udp = rtsp(port);
    by_udp.name = "udp".into();
    by_udp.source = Source::Rtsp {
        url: format!("rtsp://127.0.0.1:{port}/cam"),
        latency_ms: 20,
        tcp: false,
        multicast: false,
        timeout_ms: 10_000,
        stream: None,
        ca_file: None,
    };
    let by_udp = start(context(by_udp, Arc::new(Notes::default()), Path::new(""))).unwrap();
    wait(&by_udp, LONG, |c| c.status().counts.frames >= 5);
    by_udp.stop().unwrap();

    server.child.kill().unwrap();
    let _ = server.child.wait();
    wait(&cam, Duration::from_secs(2), |c| {
        c.status().state != CameraState::Live
    });
    std::thread::sleep(Duration::from_secs(2));
    let down = notes
        .misses()
        .iter()
        .filter(|(_, why)| *why == MissReason::CameraDown)
        .count();
    assert_eq!(down, 2, "once before the first connection and once now");
    let server = Server::start(server.port);
    let back = wait(&cam, BACK_WITHIN, is(CameraState::Live));
    println!("back {back:?} after the server's return");

    let frames = cam.status().counts.frames;
    wait(&cam, LONG, |c| c.status().counts.frames > frames + 5);
    server.signal("-STOP");
    wait(&cam, LONG, is(CameraState::Stalled));
    wait(&cam, LONG, is(CameraState::Retrying));
    std::thread::sleep(Duration::from_millis(700));
    server.signal("-CONT");
    let back = wait(&cam, BACK_WITHIN, is(CameraState::Live));
    println!("back {back:?} after the server woke");

    let status = other.status();
    assert_eq!(status.state, CameraState::Live);
    let views = other_notes.views();
    let longest = views
        .windows(2)
        .map(|w| w[1].captured.since(w[0].captured))
        .max()
        .unwrap();
    assert!(
        longest < Duration::from_millis(600),
        "the other camera waited {longest:?}"
    );
    assert!(other_notes.misses().is_empty());
    drop(server);
    cam.stop().unwrap();
    other.stop().unwrap();
}
