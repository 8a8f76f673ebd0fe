//! An RTSP camera that paints into every picture when it was taken, so that a test knows which picture a part was given.
//!
//! `clock_camera PORT FPS` serves JPEG over RTSP at `/cam`, 320x240: 32 fields of 40x60 pixels, black or white, are the
//! bits of the milliseconds since 1970, lowest first.

use gstreamer::prelude::*;
use gstreamer_rtsp_server::{RTSPMediaFactory, RTSPServer, prelude::*};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const WIDTH: usize = 320;
const HEIGHT: usize = 240;

#[allow(clippy::disallowed_methods, reason = "the clock of another process")]
fn now_ms() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u32)
}

fn picture(ms: u32) -> Vec<u8> {
    let mut pixels = vec![0u8; WIDTH * HEIGHT];
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = (at % WIDTH, at / WIDTH);
        let bit = x / 40 + y / 60 * 8;
        *pixel = if ms >> bit & 1 == 1 { 220 } else { 40 };
    }
    pixels
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|a| a.parse::<u32>().expect("a number"));
    let (port, fps) = (numbers.next().expect("PORT"), numbers.next().expect("FPS"));
    gstreamer::init().expect("GStreamer");
    let server = RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port.to_string());
    let factory = RTSPMediaFactory::new();
    factory.set_shared(true);
    factory.set_launch(&format!(
        "( appsrc name=eye is-live=true do-timestamp=true format=time \
         caps=video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},framerate={fps}/1 ! videoconvert ! \
         video/x-raw,format=I420 ! jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26 )"
    ));
    factory.connect_media_configure(move |_, media| {
        let bin = media.element().downcast::<gstreamer::Bin>().expect("a bin");
        let eye = bin.by_name("eye").expect("the launch line names it");
        std::thread::spawn(move || {
            let begun = Instant::now();
            for n in 1.. {
                let due = begun + Duration::from_secs_f64(f64::from(n) / f64::from(fps));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let buffer = gstreamer::Buffer::from_mut_slice(picture(now_ms()));
                let pushed = eye.emit_by_name::<gstreamer::FlowReturn>("push-buffer", &[&buffer]);
                if pushed != gstreamer::FlowReturn::Ok {
                    return;
                }
            }
        });
    });
    let mounts = server.mount_points().expect("mount points");
    mounts.add_factory("/cam", factory);
    let _attached = server.attach(None).expect("the port is free");
    gstreamer::glib::MainLoop::new(None, false).run();
}
