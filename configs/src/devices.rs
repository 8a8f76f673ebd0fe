//! What cameras are connected to: one device is one camera's, addresses are addresses.

use crate::check::Report;
use crate::station::{Camera, Expects, Source, StreamChoice};
use std::collections::BTreeMap;

/// The device that only one process can open at once, if the source names one.
fn device(source: &Source) -> Option<String> {
    match source {
        Source::V4l2 { device, .. } => Some(device.to_string_lossy().into_owned()),
        Source::Pipeline { description, .. } => {
            let mut words = description.split_whitespace();
            let element = words.find(|w| matches!(*w, "v4l2src" | "aravissrc" | "libcamerasrc"))?;
            let properties = words.take_while(|w| *w != "!");
            let named = properties.filter_map(|w| {
                let (name, value) = w.split_once('=')?;
                matches!(name, "device" | "camera-name").then(|| value.trim_matches('"').to_owned())
            });
            let default = || (element == "v4l2src").then(|| "/dev/video0".to_owned());
            named.last().or_else(default)
        }
        _ => None,
    }
}

/// Two cameras on one device: the second would never open it.
pub(crate) fn check_shared(r: &mut Report<'_>, cameras: &[Camera]) {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for (i, camera) in cameras.iter().enumerate() {
        let Some(device) = device(&camera.source) else {
            continue;
        };
        let normal: std::path::PathBuf = std::path::Path::new(&device).components().collect();
        if let Some(other) = first.insert(normal.to_string_lossy().into_owned(), &camera.name) {
            r.add(
                format!("cameras[{i}].source"),
                format!(
                    "expected a device of its own, found {device}, which camera `{other}` has already; one device is one camera"
                ),
            );
        }
    }
}

/// An RTSP camera's settings.
pub(crate) fn check_rtsp(r: &mut Report<'_>, at: &str, source: &Source) {
    let Source::Rtsp {
        url,
        latency_ms,
        tcp,
        multicast,
        timeout_ms,
        stream,
        ca_file,
    } = source
    else {
        return;
    };
    let tls = url.starts_with("rtsps://");
    r.require(
        tls || url.starts_with("rtsp://"),
        format!("{at}.url"),
        || format!("expected rtsp://host[:port]/path or rtsps://…, found `{url}`"),
    );
    r.within(format!("{at}.timeout_ms"), *timeout_ms, 100..=120_000, "ms");
    r.within(format!("{at}.latency_ms"), *latency_ms, 0..=60_000, "ms");
    if let Some(StreamChoice::Number(n)) = stream {
        r.within(format!("{at}.stream"), *n, 0..=255, "");
    }
    r.require(!(*multicast && *tcp), format!("{at}.multicast"), || {
        "multicast comes by UDP; write tcp = false, too".into()
    });
    r.require(ca_file.is_none() || tls, format!("{at}.ca_file"), || {
        "only rtsps:// has certificates; write url = \"rtsps://…\", or remove ca_file".into()
    });
    if let Some(StreamChoice::Encoding(encoding)) = stream {
        let good = !encoding.is_empty()
            && encoding
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        r.require(good, format!("{at}.stream"), || {
            format!("expected a number or an encoding such as \"H264\", found `{encoding}`")
        });
    }
}

/// What a camera expects, and how its time is known.
pub(crate) fn check_time(r: &mut Report<'_>, at: &str, camera: &Camera) {
    r.within(
        format!("{at}.arrival_uncertainty_ms"),
        camera.arrival_uncertainty_ms,
        0.0..=10_000.0,
        "ms",
    );
    let by_itself = matches!(camera.source, Source::Video { .. });
    r.require(
        !(by_itself && camera.expects == Expects::Trigger),
        format!("{at}.expects"),
        || "a video file plays by itself; write expects = \"stream\", or remove the line".into(),
    );
}
