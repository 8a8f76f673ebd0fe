//! GStreamer's own RTSP server as a process that can be killed: `rtsp_server PORT` serves H.264 at `/cam`, 320x240, 20
//! pictures a second, a moving ball.

use gstreamer_rtsp_server::{RTSPMediaFactory, RTSPServer, prelude::*};

fn main() {
    let port = std::env::args()
        .nth(1)
        .expect("expected a port as the only argument");
    gstreamer::init().expect("GStreamer");
    let server = RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port);
    let factory = RTSPMediaFactory::new();
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=20/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )",
    );
    factory.set_shared(true);
    server
        .mount_points()
        .expect("mount points")
        .add_factory("/cam", factory);
    let _attached = server.attach(None).expect("the port is free");
    gstreamer::glib::MainLoop::new(None, false).run();
}
