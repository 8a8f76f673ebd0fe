//! The fast paths against a naive reference in `f64` that converts the whole picture first.

use super::color::Matrix;
use super::{PictureError, Preprocessor, bayer};
use crate::ReferencePicture;
use crate::bundle::{Channel, Color, Dtype, InputSpec, Layout, Resize};
use proptest::prelude::*;
use sightline_domain::{BoxView, LevelRange, Levels, PictureRef, PixelFormat};

fn spec(width: u32, height: u32, color: Color, resize: Resize) -> InputSpec {
    let n = color.channels();
    InputSpec {
        name: "images".into(),
        width,
        height,
        layout: Layout::Nchw,
        dtype: Dtype::F32,
        color,
        scale: 1.0 / 255.0,
        mean: [0.4, 0.45, 0.5][..n].to_vec(),
        std: [0.2, 0.25, 0.3][..n].to_vec(),
        resize,
        resize_to: None,
        antialias: false,
        pad_value: 114,
        channels: vec![Channel::Image],
    }
}

fn noise(width: u32, height: u32, format: PixelFormat, seed: u64) -> ReferencePicture {
    let mut picture = ReferencePicture::blank(width, height, format);
    let mut state = seed | 1;
    for byte in &mut picture.bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    picture
}

fn is_yuv(p: &PictureRef<'_>) -> bool {
    matches!(
        p.format,
        PixelFormat::Nv12 | PixelFormat::I420 | PixelFormat::Yuy2
    )
}

/// Red, green, blue, or Y, U, V, of one pixel, the obvious way.
fn pixel(p: &PictureRef<'_>, x: usize, y: usize) -> [f64; 3] {
    let byte = |plane: usize, row: usize, column: usize| {
        f64::from(p.bytes[p.layout.offsets[plane] + row * p.layout.strides[plane] + column])
    };
    match p.format {
        PixelFormat::Gray8 => [byte(0, y, x); 3],
        PixelFormat::Rgb => [0, 1, 2].map(|c| byte(0, y, x * 3 + c)),
        PixelFormat::Bgr => [2, 1, 0].map(|c| byte(0, y, x * 3 + c)),
        PixelFormat::Nv12 => {
            let pair = x / 2 * 2;
            [
                byte(0, y, x),
                byte(1, y / 2, pair),
                byte(1, y / 2, pair + 1),
            ]
        }
        PixelFormat::I420 => [byte(0, y, x), byte(1, y / 2, x / 2), byte(2, y / 2, x / 2)],
        PixelFormat::Yuy2 => {
            let quad = x / 2 * 4;
            [
                byte(0, y, x * 2),
                byte(0, y, quad + 1),
                byte(0, y, quad + 3),
            ]
        }
        _ => demosaic(p, x, y),
    }
}

/// Each colour is the mean of its nearest sites in the 3 x 3 window around the pixel.
fn demosaic(p: &PictureRef<'_>, x: usize, y: usize) -> [f64; 3] {
    let (red_x, red_y) = bayer::red_site(p.format);
    let color_at = |x: usize, y: usize| match (x % 2 == red_x, y % 2 == red_y) {
        (true, true) => 0,
        (false, false) => 2,
        _ => 1,
    };
    let (left, right) = bayer::around(x, p.width as usize);
    let (up, down) = bayer::around(y, p.height as usize);
    let mut sums = [[(0.0, 0); 3]; 3];
    // distance 0, 1, 2 (diagonal), parity as if the neighbour were not mirrored
    for (dy, row) in [(1, up), (0, y), (1, down)] {
        for (dx, column) in [(1, left), (0, x), (1, right)] {
            let color = color_at(x + dx, y + dy);
            let value = p.bytes[p.layout.offsets[0] + row * p.layout.strides[0] + column];
            let cell = &mut sums[color][dx + dy];
            *cell = (cell.0 + f64::from(value), cell.1 + 1);
        }
    }
    sums.map(|by_distance| {
        let nearest = by_distance.into_iter().find(|(_, n)| *n > 0);
        let (sum, n) = nearest.expect("every colour is in a 3 x 3 window");
        sum / f64::from(n)
    })
}

fn channels(p: &PictureRef<'_>, color: Color, sampled: [f64; 3]) -> Vec<f64> {
    let [mut r, mut g, mut b] = sampled;
    if is_yuv(p) {
        let m = Matrix::of(p.levels);
        let l = match p.levels.range {
            LevelRange::Full => sampled[0],
            LevelRange::Video => (sampled[0] - 16.0) * 255.0 / 219.0,
        };
        let (u, v) = (sampled[1] - 128.0, sampled[2] - 128.0);
        if color == Color::Gray {
            return vec![l.clamp(0.0, 255.0)];
        }
        r = (l + f64::from(m.r_v) * v).clamp(0.0, 255.0);
        g = (l + f64::from(m.g_u) * u + f64::from(m.g_v) * v).clamp(0.0, 255.0);
        b = (l + f64::from(m.b_u) * u).clamp(0.0, 255.0);
    }
    match color {
        Color::Rgb => vec![r, g, b],
        Color::Bgr => vec![b, g, r],
        Color::Gray => vec![0.299 * r + 0.587 * g + 0.114 * b],
    }
}

/// Samples the region bilinearly at view position `(vx, vy)` of pixel centres, borders replicated.
fn sample(p: &PictureRef<'_>, color: Color, region: [usize; 4], vx: f64, vy: f64) -> Vec<f64> {
    let [x0, y0, w, h] = region;
    let clamp = |v: f64, from: usize, n: usize| v.clamp(from as f64, (from + n - 1) as f64);
    let (vx, vy) = (clamp(vx, x0, w), clamp(vy, y0, h));
    let (fx, fy) = (vx.floor(), vy.floor());
    let (ax, ay) = (vx - fx, vy - fy);
    let (ix, iy) = (fx as usize, fy as usize);
    let (jx, jy) = ((ix + 1).min(x0 + w - 1), (iy + 1).min(y0 + h - 1));
    let at = |x, y| pixel(p, x, y);
    let (a, b, c, d) = (at(ix, iy), at(jx, iy), at(ix, jy), at(jx, jy));
    let blended = [0, 1, 2].map(|i| {
        (a[i] * (1.0 - ax) + b[i] * ax) * (1.0 - ay) + (c[i] * (1.0 - ax) + d[i] * ax) * ay
    });
    channels(p, color, blended)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn every_format_and_fit_agrees_with_the_naive_reference(
        format in prop::sample::select(&PixelFormat::ALL[..]),
        color in prop::sample::select(&[Color::Gray, Color::Rgb, Color::Bgr][..]),
        resize in prop::sample::select(&[Resize::Letterbox, Resize::Stretch, Resize::Crop][..]),
        (vw, vh) in (1u32..40, 1u32..40),
        (tw, th) in (1u32..40, 1u32..40),
        // the sizes that have paths of their own, and any other
        times in prop::option::of(1u32..=3),
        crop in prop::option::of((0f32..30.0, 0f32..30.0, 1f32..30.0, 1f32..30.0)),
        seed in any::<u64>(),
        levels in (0u8..6).prop_map(|n| Levels::of_number(n).expect("there are six")),
    ) {
        let (vw, vh) = times.map_or((vw, vh), |n| (tw * n, th * n));
        let spec = spec(tw, th, color, resize);
        let picture = noise(vw, vh, format, seed);
        let view = PictureRef { levels, ..picture.picture() };
        let crop = crop.map(|(x, y, w, h)| BoxView { x, y, w, h });
        let mut tensor = vec![f32::NAN; spec.elements()];
        let mut pre = Preprocessor::new(&spec);
        let placed = match pre.run(view, None, crop, &mut tensor) {
            Ok(placed) => placed,
            Err(PictureError::EmptyRegion { .. }) => {
                let c = crop.expect("only a crop can be empty");
                prop_assert!(c.x + 1e-3 >= vw as f32 || c.y + 1e-3 >= vh as f32);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        let b = placed.bounds;
        let region = [b.x, b.y, b.w, b.h].map(|n| n as usize);
        let m = placed.map;
        let (tw, th) = (tw as usize, th as usize);
        let shown = m.box_to_tensor(&b);
        for y in 0..th {
            for x in 0..tw {
                let (cx, cy) = (x as f32 + 0.5, y as f32 + 0.5);
                let covered = resize != Resize::Letterbox
                    || (cx > shown.x && cx < shown.x + shown.w && cy > shown.y && cy < shown.y + shown.h);
                let vx = (f64::from(cx) - f64::from(m.offset_x)) / f64::from(m.scale_x) - 0.5;
                let vy = (f64::from(cy) - f64::from(m.offset_y)) / f64::from(m.scale_y) - 0.5;
                let want = if covered { sample(&view, color, region, vx, vy) } else { vec![114.0; color.channels()] };
                for (c, want) in want.into_iter().enumerate() {
                    let want = (want / 255.0 - f64::from(spec.mean[c])) / f64::from(spec.std[c]);
                    let got = f64::from(tensor[(c * th + y) * tw + x]);
                    prop_assert!((got - want).abs() < 0.005, "{c},{y},{x}: {got} for {want}");
                }
            }
        }
    }
}

#[test]
fn the_reference_is_cut_the_same_way_and_follows_the_image() {
    let mut spec = spec(8, 8, Color::Gray, Resize::Letterbox);
    spec.channels.push(Channel::Reference);
    let view = noise(20, 10, PixelFormat::Gray8, 1);
    let reference = noise(20, 10, PixelFormat::Gray8, 2);
    let mut pre = Preprocessor::new(&spec);
    let mut pair = vec![0.0; spec.elements()];
    pre.run(view.picture(), Some(reference.picture()), None, &mut pair)
        .expect("both fit");
    let mut swapped = vec![0.0; spec.elements()];
    pre.run(
        reference.picture(),
        Some(view.picture()),
        None,
        &mut swapped,
    )
    .expect("both fit");
    assert_eq!(pair[..64], swapped[64..]);
    assert_eq!(pair[64..], swapped[..64]);
    assert_ne!(pair[..64], pair[64..]);
    let missing = pre.run(view.picture(), None, None, &mut pair);
    assert_eq!(missing, Err(PictureError::NoReference));
    let small = noise(10, 10, PixelFormat::Gray8, 2);
    let other = pre.run(view.picture(), Some(small.picture()), None, &mut pair);
    assert!(matches!(other, Err(PictureError::ReferenceSize { .. })));
}

#[test]
fn letterbox_lands_where_the_exporters_put_it() {
    let spec = spec(640, 640, Color::Gray, Resize::Letterbox);
    let view = ReferencePicture::blank(1280, 721, PixelFormat::Gray8);
    let mut tensor = vec![0.0; spec.elements()];
    let placed = Preprocessor::new(&spec)
        .run(view.picture(), None, None, &mut tensor)
        .expect("it fits");
    // 721 / 2 = 360.5 rounds to the even 360; 280 / 2 = 140 above
    assert_eq!(placed.map.scale_x, 0.5);
    assert_eq!((placed.map.offset_x, placed.map.offset_y), (0.0, 140.0));
    assert_eq!(placed.map.scale_y, 360.0 / 721.0);
    let pad = (114.0 / 255.0 - 0.4) / 0.2;
    assert!((tensor[0] - pad).abs() < 1e-6 && (tensor[640 * 640 - 1] - pad).abs() < 1e-6);
    assert!((tensor[140 * 640] + 2.0).abs() < 1e-6);
}

#[test]
fn pictures_that_are_not_there_are_refused_with_their_sizes() {
    let spec = spec(4, 4, Color::Rgb, Resize::Stretch);
    let mut pre = Preprocessor::new(&spec);
    let mut tensor = vec![0.0; spec.elements()];
    for format in PixelFormat::ALL {
        let mut picture = noise(5, 5, format, 3);
        picture.bytes.truncate(picture.layout.len - 4);
        let cut = pre.run(picture.picture(), None, None, &mut tensor);
        assert!(
            matches!(cut, Err(PictureError::Layout { .. })),
            "{format:?}"
        );
        let empty = ReferencePicture::blank(0, 5, format);
        let none = pre.run(empty.picture(), None, None, &mut tensor);
        assert_eq!(
            none,
            Err(PictureError::Empty {
                width: 0,
                height: 5
            })
        );
    }
    let nan = BoxView {
        x: f32::NAN,
        y: 0.0,
        w: 1.0,
        h: 1.0,
    };
    let view = noise(5, 5, PixelFormat::Rgb, 3);
    let region = pre.run(view.picture(), None, Some(nan), &mut tensor);
    assert!(matches!(region, Err(PictureError::EmptyRegion { .. })));
}

/// Pillow's bilinear filter as its documentation says it: a triangle as wide as the shrinking, over what there is.
fn pillow(view: &ReferencePicture, region: [f64; 4], out: (usize, usize)) -> Vec<f64> {
    let (w, h) = (view.width as usize, view.height as usize);
    let weights = |i: usize, from: f64, step: f64, len: usize| -> Vec<f64> {
        let scale = step.max(1.0);
        let centre = (i as f64 + 0.5) * step + from;
        let near = |x: usize| (1.0 - ((x as f64 + 0.5 - centre) / scale).abs()).max(0.0);
        let all: Vec<f64> = (0..len).map(near).collect();
        let sum: f64 = all.iter().sum();
        all.iter().map(|w| w / sum).collect()
    };
    let [x, y, rw, rh] = region;
    let mut picture = Vec::new();
    for j in 0..out.1 {
        let down = weights(j, y, rh / out.1 as f64, h);
        for i in 0..out.0 {
            let along = weights(i, x, rw / out.0 as f64, w);
            let at = |r: usize, c: usize| f64::from(view.bytes[r * view.layout.strides[0] + c]);
            let row = |r: usize| (0..w).map(|c| at(r, c) * along[c]).sum::<f64>();
            picture.push((0..h).map(|r| row(r) * down[r]).sum());
        }
    }
    picture
}

#[test]
fn shrinking_with_antialias_is_pillows_filter() {
    let view = noise(61, 40, PixelFormat::Gray8, 7);
    for (resize, resize_to, region) in [
        (Resize::Stretch, None, [0.0, 0.0, 61.0, 40.0]),
        // the shorter side to 16, the longer to floor(24.4) = 24; the middle 12 x 12 from (6, 2)
        (
            Resize::Crop,
            Some(16),
            [6.0 * 61.0 / 24.0, 2.0 * 2.5, 12.0 * 61.0 / 24.0, 30.0],
        ),
    ] {
        let mut spec = spec(12, 12, Color::Gray, resize);
        (spec.resize_to, spec.antialias) = (resize_to, true);
        let mut tensor = vec![0.0; spec.elements()];
        Preprocessor::new(&spec)
            .run(view.picture(), None, None, &mut tensor)
            .expect("it fits");
        for (found, wanted) in tensor.iter().zip(pillow(&view, region, (12, 12))) {
            let wanted = (wanted / 255.0 - 0.4) / 0.2;
            assert!(
                (f64::from(*found) - wanted).abs() < 1e-4,
                "{resize:?}: {found} for {wanted}"
            );
        }
    }
}

/// Red, green and blue of the matrices' own definition: Y = Kr R + Kg G + Kb B, Cb = (B - Y) / (2 (1 - Kb)), Cr = (R - Y) /
/// (2 (1 - Kr)), quantised as ITU-R BT.601-7, BT.709-6 and BT.2020-2 say.
#[test]
fn colours_of_the_itu_definitions_come_back_in_every_range_and_matrix() {
    let colours: [[f64; 3]; 8] = [
        [255.0, 0.0, 0.0],
        [0.0, 255.0, 0.0],
        [0.0, 0.0, 255.0],
        [255.0, 255.0, 255.0],
        [0.0, 0.0, 0.0],
        [128.0, 64.0, 32.0],
        [32.0, 128.0, 64.0],
        [180.0, 180.0, 180.0],
    ];
    let weights = [(0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)];
    for number in 0..6 {
        let levels = Levels::of_number(number).unwrap();
        let (kr, kb) = weights[usize::from(number) % 3];
        for [r, g, b] in colours {
            let y = (kr * r + (1.0 - kr - kb) * g + kb * b) / 255.0;
            let (cb, cr) = (
                (b / 255.0 - y) / (2.0 * (1.0 - kb)),
                (r / 255.0 - y) / (2.0 * (1.0 - kr)),
            );
            let coded = match levels.range {
                LevelRange::Full => [255.0 * y, 128.0 + 255.0 * cb, 128.0 + 255.0 * cr],
                LevelRange::Video => [16.0 + 219.0 * y, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr],
            }
            .map(|v| v.round().clamp(0.0, 255.0) as u8);
            let [y, cb, cr] = coded;
            let bytes = [[y; 32].as_slice(), &[cb; 8], &[cr; 8]].concat();
            let picture = PictureRef {
                width: 8,
                height: 4,
                format: PixelFormat::I420,
                levels,
                layout: PixelFormat::I420.default_layout(8, 4),
                bytes: &bytes,
            };
            let spec = spec(8, 4, Color::Rgb, Resize::Stretch);
            let mut tensor = vec![0.0; spec.elements()];
            Preprocessor::new(&spec)
                .run(picture, None, None, &mut tensor)
                .unwrap();
            for (plane, want) in [r, g, b].into_iter().enumerate() {
                let got =
                    f64::from(tensor[plane * 32] * spec.std[plane] + spec.mean[plane]) * 255.0;
                assert!((got - want).abs() < 1.5, "{levels}: {want} came as {got}");
            }
        }
    }
}
