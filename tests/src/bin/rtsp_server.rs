//! GStreamer's own RTSP server as a process that can be killed.
//!
//! `rtsp_server PORT [STREAMS WIDTH HEIGHT FPS]` serves H.264 of a moving ball at `/cam`, `/cam1`, `/cam2` … and prints a
//! line `SENT /path MICROSECONDS` (since 1970) whenever a picture goes to the payloader.

use gstreamer::prelude::*;
use gstreamer_rtsp_server::{RTSPMedia, RTSPMediaFactory, RTSPServer, prelude::*};
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let numbers: Vec<u32> = std::env::args()
        .skip(1)
        .map(|a| {
            a.parse()
                .unwrap_or_else(|e| panic!("expected a number, found `{a}`: {e}"))
        })
        .collect();
    let [port, rest @ ..] = &numbers[..] else {
        panic!("expected PORT [STREAMS WIDTH HEIGHT FPS]");
    };
    let [streams, width, height, fps] = *rest else {
        return serve(*port, 1, 320, 240, 20);
    };
    serve(*port, streams, width, height, fps);
}

fn serve(port: u32, streams: u32, width: u32, height: u32, fps: u32) {
    gstreamer::init().expect("GStreamer");
    let server = RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port.to_string());
    for stream in 0..streams {
        let path = match stream {
            0 => "/cam".to_string(),
            n => format!("/cam{n}"),
        };
        let factory = RTSPMediaFactory::new();
        factory.set_launch(&format!(
            "( videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1 ! \
             x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} ! rtph264pay name=pay0 pt=96 )"
        ));
        factory.set_shared(true);
        let named = path.clone();
        factory.connect_media_configure(move |_, media| {
            // Without this the server holds each picture back for the latency of its source, one picture long.
            let pipeline = gstreamer::Pipeline::new();
            pipeline.set_latency(gstreamer::ClockTime::ZERO);
            media.take_pipeline(&pipeline);
            tell_sent(media, &named);
        });
        server
            .mount_points()
            .expect("mount points")
            .add_factory(&path, factory);
    }
    let _attached = server.attach(None).expect("the port is free");
    gstreamer::glib::MainLoop::new(None, false).run();
}

#[allow(clippy::disallowed_methods, reason = "the clock of another process")]
fn tell_sent(media: &RTSPMedia, path: &str) {
    let bin = media
        .element()
        .downcast::<gstreamer::Bin>()
        .expect("a launch line is a bin");
    let payloader = bin.by_name("pay0").expect("the launch line names it");
    let path = path.to_string();
    let pad = payloader
        .static_pad("sink")
        .expect("a payloader has a sink");
    pad.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_micros());
        println!("SENT {path} {now}");
        gstreamer::PadProbeReturn::Ok
    });
}
