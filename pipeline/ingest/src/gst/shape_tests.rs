use super::*;

fn caps_of(format: PixelFormat, width: i32, height: i32) -> gst::Caps {
    let caps = match format.name().strip_prefix("BAYER_") {
        Some(mosaic) => gst::Caps::builder("video/x-bayer").field("format", mosaic.to_lowercase()),
        None => gst::Caps::builder("video/x-raw").field("format", format.name()),
    };
    caps.field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(1, 1))
        .build()
}

fn read(caps: &gst::Caps, camera: &Camera) -> Result<(Incoming, Shape, LevelsKnown), String> {
    of_caps(caps, &Target::of(camera), &Said::default())
}

fn camera(format: PixelFormat) -> Camera {
    Camera {
        format,
        ..Camera::named("c")
    }
}

#[test]
fn every_format_of_ours_has_gstreamers_own_layout_and_is_taken_as_it_is() {
    gst::init().unwrap();
    for format in PixelFormat::ALL {
        let (incoming, shape, _) = read(&caps_of(format, 34, 18), &camera(format)).unwrap();
        assert_eq!((shape.width, shape.height, shape.format), (34, 18, format));
        assert_eq!(shape.layout, format.default_layout(34, 18), "{format:?}");
        assert!(incoming.as_is, "{format:?}");
    }
}

#[test]
fn what_cannot_become_the_cameras_format_is_refused_by_name() {
    gst::init().unwrap();
    let gray16 = gst::Caps::builder("video/x-raw")
        .field("format", "GRAY16_LE")
        .field("width", 4i32)
        .field("height", 4i32)
        .build();
    let why = read(&gray16, &camera(PixelFormat::Rgb)).unwrap_err();
    assert!(why.contains("can become RGB"), "{why}");
    let bggr = caps_of(PixelFormat::BayerBggr, 4, 4);
    assert!(read(&bggr, &camera(PixelFormat::BayerRggb)).is_err());
}

#[test]
fn rows_without_padding_are_known_by_the_buffers_size_alone() {
    gst::init().unwrap();
    for (format, bytes) in [
        (PixelFormat::Gray8, 641 * 481),
        (PixelFormat::Rgb, 3 * 641 * 481),
        (PixelFormat::BayerRggb, 641 * 481),
        (PixelFormat::I420, 641 * 481 + 2 * 321 * 241),
        (PixelFormat::Nv12, 641 * 481 + 642 * 241),
        (PixelFormat::Yuy2, 4 * 321 * 481),
    ] {
        let (incoming, shape, _) = read(&caps_of(format, 641, 481), &camera(format)).unwrap();
        let of = |bytes| incoming.planes(&gst::Buffer::from_mut_slice(vec![0u8; bytes]));
        if format != PixelFormat::Yuy2 {
            assert_ne!(of(bytes), shape.layout, "{format:?}");
        }
        assert_eq!(of(bytes).len, bytes, "{format:?}");
        assert_eq!(of(bytes + 1), shape.layout, "{format:?}");
        assert_eq!(of(shape.layout.len), shape.layout, "{format:?}");
    }
}

#[test]
fn levels_are_the_sources_then_the_settings_then_a_guess_that_is_told() {
    gst::init().unwrap();
    use crate::status::KnownFrom::{Guess, Setting, Source};
    use sightline_domain::ColorMatrix::{Bt601, Bt709, Bt2020};
    use sightline_domain::LevelRange::{Full, Video};
    let of = |colorimetry: Option<&str>, rows: i32, set: bool| {
        let said = Said::default();
        let mut caps = caps_of(PixelFormat::Nv12, 64, rows);
        if let Some(words) = colorimetry {
            caps.make_mut().set("colorimetry", words);
        }
        said.hear_raw(caps.structure(0).unwrap(), &caps);
        let camera = Camera {
            range: set.then_some(Full),
            matrix: set.then_some(Bt2020),
            ..camera(PixelFormat::Nv12)
        };
        let (_, shape, known) = of_caps(&caps, &Target::of(&camera), &said).unwrap();
        assert_eq!(shape.levels, known.levels);
        (
            known.levels.range,
            known.levels.matrix,
            known.range,
            known.matrix.unwrap(),
        )
    };
    assert_eq!(of(Some("bt709"), 480, true), (Video, Bt709, Source, Source));
    assert_eq!(
        of(Some("1:4:0:0"), 720, true),
        (Full, Bt601, Source, Source)
    );
    assert_eq!(of(None, 480, true), (Full, Bt2020, Setting, Setting));
    assert_eq!(of(None, 480, false), (Video, Bt601, Guess, Guess));
    assert_eq!(of(None, 720, false), (Video, Bt709, Guess, Guess));
    assert_eq!(
        of(Some("1:0:0:0"), 720, false),
        (Full, Bt709, Source, Guess)
    );
}
