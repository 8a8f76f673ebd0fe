//! Every kind of picture against the definitions of ITU-R BT.601-7, BT.709-6 and BT.2020-2 in `f64`.

use super::*;
use crate::gst::{
    levels::Said,
    shape::{self, Target},
};
use sightline_configs::station::Camera;
use sightline_domain::ColorMatrix;
use sightline_domain::{CameraId, FrameId, Health, MonoTime, Timing, UtcMicros};
use sightline_frames::{MemoryWish, PoolConfig};

const COLOURS: [[f64; 3]; 8] = [
    [255.0, 0.0, 0.0],
    [0.0, 255.0, 0.0],
    [0.0, 0.0, 255.0],
    [255.0, 255.0, 255.0],
    [0.0, 0.0, 0.0],
    [128.0, 64.0, 32.0],
    [50.0, 100.0, 200.0],
    [180.0, 180.0, 180.0],
];

fn weights(matrix: ColorMatrix) -> (f64, f64) {
    match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
        ColorMatrix::Bt2020 => (0.2627, 0.0593),
    }
}

fn coded([r, g, b]: [f64; 3], levels: Levels) -> [u8; 3] {
    let (kr, kb) = weights(levels.matrix);
    let y = (kr * r + (1.0 - kr - kb) * g + kb * b) / 255.0;
    let cb = (b / 255.0 - y) / (2.0 * (1.0 - kb));
    let cr = (r / 255.0 - y) / (2.0 * (1.0 - kr));
    let numbers = match levels.range {
        LevelRange::Full => [255.0 * y, 128.0 + 255.0 * cb, 128.0 + 255.0 * cr],
        LevelRange::Video => [16.0 + 219.0 * y, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr],
    };
    numbers.map(|n| n.round().clamp(0.0, 255.0) as u8)
}

/// What these numbers mean, back by the definition.
fn meant([y, cb, cr]: [u8; 3], levels: Levels) -> [f64; 3] {
    let (kr, kb) = weights(levels.matrix);
    let (y, c) = match levels.range {
        LevelRange::Full => (f64::from(y) / 255.0, 255.0),
        LevelRange::Video => ((f64::from(y) - 16.0) / 219.0, 224.0),
    };
    let (cb, cr) = ((f64::from(cb) - 128.0) / c, (f64::from(cr) - 128.0) / c);
    let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    [r, g, b].map(|v| (v * 255.0).clamp(0.0, 255.0))
}

/// One colour all over, as GStreamer lays it out.
fn buffer(caps: &gst::Caps, [y, cb, cr]: [u8; 3]) -> gst::Buffer {
    let info = gstreamer_video::VideoInfo::from_caps(caps).unwrap();
    let mut bytes = vec![0xAA; info.size()];
    let (w, h) = (info.width() as usize, info.height() as usize);
    let (w2, h2) = (w.div_ceil(2), h.div_ceil(2));
    let (offset, stride) = (info.offset(), info.stride());
    let mut put = |plane: usize, rows: usize, row: Vec<u8>| {
        for i in 0..rows {
            let at = offset[plane] + i * stride[plane] as usize;
            bytes[at..at + row.len()].copy_from_slice(&row);
        }
    };
    match info.format().to_str().as_str() {
        "I420" => {
            put(0, h, vec![y; w]);
            put(1, h2, vec![cb; w2]);
            put(2, h2, vec![cr; w2]);
        }
        "Y444" => {
            put(0, h, vec![y; w]);
            put(1, h, vec![cb; w]);
            put(2, h, vec![cr; w]);
        }
        "NV12" => {
            put(0, h, vec![y; w]);
            put(1, h2, [cb, cr].repeat(w2));
        }
        "YUY2" => put(0, h, [y, cb, y, cr].repeat(w2)),
        other => panic!("{other}"),
    }
    gst::Buffer::from_mut_slice(bytes)
}

fn pool() -> FramePool {
    FramePool::new(PoolConfig {
        name: "test".into(),
        slots: 2,
        slot_bytes: 1 << 20,
        memory: MemoryWish::Plain,
    })
    .unwrap()
}

fn taken(caps: &gst::Caps, buffer: gst::Buffer, camera: &Camera) -> Lease {
    let target = Target::of(camera);
    let (incoming, shape, _) = shape::of_caps(caps, &target, &Said::default()).unwrap();
    assert!(!incoming.as_is, "{caps}");
    let meta = FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(0),
        captured: MonoTime(0),
        captured_utc: UtcMicros(0),
        timing: Timing::default(),
        numbered: false,
        width: shape.width,
        height: shape.height,
        format: shape.format,
        levels: shape.levels,
        layout: incoming.planes(&buffer),
        health: Health::Ok,
        host_copies: 0,
    };
    convert(&pool(), buffer, &incoming, meta).unwrap()
}

/// Without a word about them, levels are what the camera is set to.
fn camera(format: PixelFormat, levels: Levels) -> Camera {
    Camera {
        format,
        range: Some(levels.range),
        matrix: Some(levels.matrix),
        ..Camera::named("c")
    }
}

fn caps(format: &str, width: i32, height: i32) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(1, 1))
        .build()
}

#[test]
fn yuv_of_every_range_and_matrix_is_within_a_level_of_the_definition() {
    gst::init().unwrap();
    for format in ["I420", "NV12", "YUY2", "Y444"] {
        for (width, height) in [(64, 48), (641, 481), (3, 3)] {
            let caps = caps(format, width, height);
            for number in 0..6 {
                let levels = Levels::of_number(number).unwrap();
                for colour in COLOURS {
                    let numbers = coded(colour, levels);
                    let want = meant(numbers, levels);
                    for target in [PixelFormat::Rgb, PixelFormat::Bgr, PixelFormat::Gray8] {
                        let of = buffer(&caps, numbers);
                        let lease = taken(&caps, of, &camera(target, levels));
                        let stride = lease.meta().layout.strides[0];
                        let (w, h) = (width as usize, height as usize);
                        let bytes = lease.bytes();
                        let luma = levels.range.expand(f32::from(numbers[0])).clamp(0.0, 255.0);
                        for (x, y) in [(0, 0), (w - 1, 0), (w / 2, h / 2), (w - 1, h - 1)] {
                            let at = |c| f64::from(bytes[y * stride + x * 3 + c]);
                            let off = match target {
                                PixelFormat::Gray8 => {
                                    (f64::from(bytes[y * stride + x]) - f64::from(luma)).abs()
                                }
                                PixelFormat::Rgb => {
                                    (0..3).map(|c| (at(c) - want[c]).abs()).fold(0.0, f64::max)
                                }
                                _ => (0..3)
                                    .map(|c| (at(2 - c) - want[c]).abs())
                                    .fold(0.0, f64::max),
                            };
                            assert!(
                                off <= 1.0,
                                "{format} {width}x{height} {levels} {numbers:?} to {target:?} at {x},{y}: {off} off"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_luminance_of_a_video_range_is_rounded_as_the_definition() {
    let from: Vec<u8> = (0..=255).collect();
    let mut to = [0; 256];
    luma(from.iter(), &mut to, LevelRange::Video);
    for (y, got) in from.iter().zip(to) {
        let want = ((f64::from(*y) - 16.0) * 255.0 / 219.0).clamp(0.0, 255.0);
        assert_eq!(got, want.round() as u8, "{y}");
    }
}

#[test]
fn deep_samples_are_cut_by_bits_or_window_in_both_byte_orders() {
    gst::init().unwrap();
    let cut = |format: &str, bits, window, sample: u16| {
        let camera = Camera {
            bits,
            window,
            ..Camera::named("c")
        };
        let two = match format {
            "GRAY16_BE" => sample.to_be_bytes(),
            _ => sample.to_le_bytes(),
        };
        let lease = taken(
            &caps(format, 6, 2),
            gst::Buffer::from_mut_slice(two.repeat(12)),
            &camera,
        );
        assert_eq!(lease.bytes()[0], lease.bytes()[8 + 5]);
        lease.bytes()[0]
    };
    for format in ["GRAY16_LE", "GRAY16_BE"] {
        let of = |bits, window, samples: [u16; 3]| samples.map(|s| cut(format, bits, window, s));
        assert_eq!(of(None, None, [0, 32_768, 65_535]), [0, 128, 255]);
        assert_eq!(of(Some(12), None, [0, 2_048, 4_095]), [0, 128, 255]);
        assert_eq!(of(Some(10), None, [1, 512, 1_023]), [0, 128, 255]);
        assert_eq!(
            of(None, Some([200, 3_000]), [100, 1_600, 4_000]),
            [0, 128, 255]
        );
    }
}

#[test]
fn deep_mosaics_become_mosaics_of_8_bits() {
    gst::init().unwrap();
    let camera = Camera {
        format: PixelFormat::BayerRggb,
        ..Camera::named("c")
    };
    for (format, full) in [
        ("rggb10le", 1_023u16),
        ("rggb12le", 4_095),
        ("rggb16le", 65_535),
    ] {
        let caps = gst::Caps::builder("video/x-bayer")
            .field("format", format)
            .field("width", 6i32)
            .field("height", 2i32)
            .build();
        let row: Vec<u8> = [0, full / 2, full, 0, full / 2, full]
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect();
        let lease = taken(&caps, gst::Buffer::from_mut_slice(row.repeat(2)), &camera);
        let got = &lease.bytes()[..6];
        assert!(
            got[0] == 0 && got[1].abs_diff(127) <= 1 && got[2] == 255,
            "{format}: {got:?}"
        );
    }
}

#[test]
fn packed_colour_becomes_bt601_luminance() {
    gst::init().unwrap();
    for (format, pixel) in [
        ("RGB", vec![200, 100, 50]),
        ("BGR", vec![50, 100, 200]),
        ("RGBx", vec![200, 100, 50, 9]),
        ("BGRA", vec![50, 100, 200, 9]),
    ] {
        let buffer = gst::Buffer::from_mut_slice(pixel.repeat(16));
        let lease = taken(&caps(format, 4, 4), buffer, &Camera::named("c"));
        // 0.299 * 200 + 0.587 * 100 + 0.114 * 50
        assert_eq!(lease.bytes()[0], 124, "{format}");
    }
}

#[test]
fn rows_without_padding_are_taken_where_the_size_proves_them() {
    gst::init().unwrap();
    let caps = caps("RGB", 5, 3);
    let bytes: Vec<u8> = (0..45).flat_map(|i| [i as u8; 1]).collect();
    let lease = taken(
        &caps,
        gst::Buffer::from_mut_slice(bytes),
        &Camera::named("c"),
    );
    // the first pixel of the second row: 15, 16, 17
    assert_eq!(lease.bytes()[8], 16);
    let camera = Camera::named("c");
    let target = Target::of(&camera);
    let (incoming, shape, _) = shape::of_caps(&caps, &target, &Said::default()).unwrap();
    let short = gst::Buffer::from_mut_slice(vec![0u8; 44]);
    let meta = FrameMeta {
        layout: incoming.planes(&short),
        width: shape.width,
        height: shape.height,
        ..*lease.meta()
    };
    let refused = convert(&pool(), short, &incoming, meta).unwrap_err();
    assert!(
        matches!(refused, LeaseError::ShortBuffer { .. }),
        "{refused}"
    );
}
