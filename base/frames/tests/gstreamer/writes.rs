//! Elements write into our slots, and what they write there is what they write elsewhere.

use super::line::*;
use sightline_domain::PixelFormat;
use sightline_frames::*;

#[test]
fn a_source_writes_into_slots() {
    serves_without_copies(&source(300, "GRAY8"), 300, 4, 1);
    serves_without_copies(&source(60, "NV12"), 60, 6, 3);
}

#[test]
fn a_source_behind_a_queue_writes_into_slots() {
    let text = format!("{} ! queue max-size-buffers=2", source(300, "I420"));
    serves_without_copies(&text, 300, 7, 2);
}

#[test]
fn a_converter_writes_into_slots() {
    let text = format!(
        "{} ! videoconvert ! video/x-raw,format=GRAY8",
        source(300, "I420")
    );
    serves_without_copies(&text, 300, 4, 1);
    let text = format!(
        "{} ! videoconvert ! video/x-raw,format=RGB",
        source(60, "I420")
    );
    serves_without_copies(&text, 60, 5, 2);
}

#[test]
fn decoders_write_into_slots() {
    // whole blocks only: jpegenc fills the rest of the last ones with whatever it finds
    let jpeg = format!(
        "{} ! jpegenc ! jpegdec",
        sized_source(200, "I420", 320, 240)
    );
    serves_without_copies(&jpeg, 200, 6, 2);
    let png = format!("{} ! pngenc ! pngdec", source(60, "RGB"));
    serves_without_copies(&png, 60, 6, 2);
    let encode = "x264enc tune=zerolatency speed-preset=ultrafast threads=1 ! \
                  video/x-h264,profile=constrained-baseline ! h264parse";
    let openh264 = format!("{} ! {encode} ! openh264dec", source(200, "I420"));
    serves_without_copies(&openh264, 200, 6, 2);
}

#[test]
fn libav_decodes_h264_into_slots_and_keeps_none_of_them() {
    for (kind, width, height) in [
        ("tune=zerolatency", 640, 480),
        ("bframes=2", 640, 480),
        ("bframes=2", 322, 242),
        ("bframes=2", 720, 578),
    ] {
        let source = sized_source(100, "I420", width, height);
        let encode = format!("x264enc speed-preset=ultrafast {kind} threads=1 ! h264parse");
        let slot_bytes = slot_bytes_for_decoders(PixelFormat::I420, width, height);
        for decoder in ["avdec_h264 max-threads=2", "decodebin"] {
            let text = format!("{source} ! {encode} ! {decoder}");
            serves_from_slots_of(slot_bytes, &text, 100, 8, 2);
        }
    }
}
