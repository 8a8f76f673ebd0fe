//! What a view costs outside the network: pixels to tensor, and outputs to findings.

use criterion::{Criterion, criterion_group, criterion_main};
use sightline_domain::{BoxView, PixelFormat, ViewToTensor};
use sightline_engine::bundle::{Channel, Color, DecoderKind, DecoderSpec, Dtype, InputSpec};
use sightline_engine::bundle::{Layout, Resize};
use sightline_engine::decode::Decoder;
use sightline_engine::preprocess::{Placement, Preprocessor};
use sightline_engine::{ReferencePicture, RegionOutput};
use std::hint::black_box;

fn input(side: u32, color: Color, channels: &[Channel]) -> InputSpec {
    let n = color.channels();
    InputSpec {
        name: "images".into(),
        width: side,
        height: side,
        layout: Layout::Nchw,
        dtype: Dtype::F32,
        color,
        scale: 1.0 / 255.0,
        mean: vec![0.0; n],
        std: vec![1.0; n],
        resize: Resize::Letterbox,
        resize_to: None,
        antialias: false,
        pad_value: 114,
        channels: channels.to_vec(),
    }
}

fn noise(width: u32, height: u32, format: PixelFormat) -> ReferencePicture {
    let mut picture = ReferencePicture::blank(width, height, format);
    let mut state = 1_u32;
    for byte in &mut picture.bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    picture
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn preprocess(c: &mut Criterion) {
    let mut group = c.benchmark_group("preprocess");
    let pair = [Channel::Image, Channel::Reference];
    for (name, size, format, side, color, channels) in [
        (
            "gray 640x640 to 640, 1:1",
            (640, 640),
            PixelFormat::Gray8,
            640,
            Color::Gray,
            &pair[..1],
        ),
        (
            "gray 640x640 and reference, 1:1",
            (640, 640),
            PixelFormat::Gray8,
            640,
            Color::Gray,
            &pair[..],
        ),
        (
            "gray 1280x1024 to 640",
            (1280, 1024),
            PixelFormat::Gray8,
            640,
            Color::Gray,
            &pair[..1],
        ),
        (
            "rgb 640x480 to 320",
            (640, 480),
            PixelFormat::Rgb,
            320,
            Color::Rgb,
            &pair[..1],
        ),
        (
            "nv12 640x480 to 320",
            (640, 480),
            PixelFormat::Nv12,
            320,
            Color::Rgb,
            &pair[..1],
        ),
        (
            "i420 640x480 to 320",
            (640, 480),
            PixelFormat::I420,
            320,
            Color::Rgb,
            &pair[..1],
        ),
        (
            "nv12 1920x1080 to 640",
            (1920, 1080),
            PixelFormat::Nv12,
            640,
            Color::Rgb,
            &pair[..1],
        ),
        (
            "bayer 1280x1024 to 640",
            (1280, 1024),
            PixelFormat::BayerRggb,
            640,
            Color::Rgb,
            &pair[..1],
        ),
    ] {
        let spec = input(side, color, channels);
        let picture = noise(size.0, size.1, format);
        let mut tensor = vec![0.0; spec.elements()];
        let mut pre = Preprocessor::new(&spec);
        group.bench_function(name, |b| {
            b.iter(|| {
                let view = black_box(picture.picture());
                pre.run(view, Some(view), None, &mut tensor)
                    .expect("it fits")
            });
        });
    }
    group.finish();
}

/// A head of `anchors` columns in which one of `every` is above the floor.
fn head(anchors: usize, classes: usize, every: usize) -> Vec<f32> {
    let mut values = vec![0.01; (4 + classes) * anchors];
    for a in 0..anchors {
        values[a] = (a % 640) as f32;
        values[anchors + a] = (a * 7 % 640) as f32;
        values[2 * anchors + a] = 30.0;
        values[3 * anchors + a] = 30.0;
        if a % every == 0 {
            values[(4 + a % classes) * anchors + a] = 0.3 + (a % 97) as f32 * 0.005;
        }
    }
    values
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let whole = Placement {
        map: ViewToTensor {
            scale_x: 1.0,
            scale_y: 1.0,
            offset_x: 0.0,
            offset_y: 0.0,
        },
        bounds: BoxView {
            x: 0.0,
            y: 0.0,
            w: 640.0,
            h: 640.0,
        },
    };
    let spec = DecoderSpec {
        score_floor: 0.25,
        ..DecoderSpec::of(DecoderKind::YoloV8)
    };
    for (name, anchors, classes, every) in [
        ("v8 6 classes, 8400 anchors, 10 found", 8_400, 6, 840),
        ("v8 80 classes, 8400 anchors, 84 found", 8_400, 80, 100),
        ("v8 1 class, 100000 anchors, all found", 100_000, 1, 1),
    ] {
        let values = head(anchors, classes, every);
        let mut decoder = Decoder::of(&spec, &input(640, Color::Gray, &[Channel::Image]), classes);
        let mut out = RegionOutput::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                decoder
                    .decode(
                        black_box(&values),
                        &[4 + classes, anchors],
                        &whole,
                        &mut out,
                    )
                    .expect("it fits");
                out.detections.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, preprocess, decode);
criterion_main!(benches);
