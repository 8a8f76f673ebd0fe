//! YUV rows: limited range, BT.601 below 720 rows and BT.709 from there (ITU-R BT.601-7, BT.709-6), chroma repeated.

use super::rows::plane;
use sightline_model::{PictureRef, PixelFormat};
use std::ops::Range;

/// `255 / 219`: luminance 16..235 to 0..255.
pub(super) const Y_GAIN: f32 = 255.0 / 219.0;

/// What chroma adds to red, green and blue, per unit above 128.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    pub r_v: f32,
    pub g_u: f32,
    pub g_v: f32,
    pub b_u: f32,
}

impl Matrix {
    /// Of luminance weights `kr` and `kb`.
    fn of(kr: f32, kb: f32) -> Self {
        let kg = 1.0 - kr - kb;
        let gain = 255.0 / 224.0;
        Self {
            r_v: 2.0 * (1.0 - kr) * gain,
            g_u: -2.0 * (1.0 - kb) * kb / kg * gain,
            g_v: -2.0 * (1.0 - kr) * kr / kg * gain,
            b_u: 2.0 * (1.0 - kb) * gain,
        }
    }

    /// By the picture's height.
    pub(super) fn for_height(height: u32) -> Self {
        if height < 720 {
            Self::of(0.299, 0.114)
        } else {
            Self::of(0.2126, 0.0722)
        }
    }
}

fn expand(y: u8) -> f32 {
    (f32::from(y) - 16.0) * Y_GAIN
}

pub(super) fn luma_row(p: &PictureRef<'_>, y: usize, columns: Range<usize>, out: &mut [f32]) {
    let width = p.width as usize;
    if p.format == PixelFormat::Yuy2 {
        let row = plane(p, 0, width.div_ceil(2) * 4).row(y);
        let row = &row[columns.start * 2..];
        for (out, pair) in out.iter_mut().zip(row.chunks_exact(2)) {
            *out = expand(pair[0]).clamp(0.0, 255.0);
        }
    } else {
        let row = &plane(p, 0, width).row(y)[columns];
        for (out, &luma) in out.iter_mut().zip(row) {
            *out = expand(luma).clamp(0.0, 255.0);
        }
    }
}

/// Red, green and blue of row `y`. The planes first hold luminance and chroma, then are turned in place.
pub(super) fn rgb_row(
    p: &PictureRef<'_>,
    y: usize,
    columns: Range<usize>,
    r: &mut [f32],
    g: &mut [f32],
    b: &mut [f32],
) {
    let width = p.width as usize;
    let half = width.div_ceil(2);
    match p.format {
        PixelFormat::Yuy2 => {
            let row = plane(p, 0, half * 4).row(y);
            spread(columns.clone(), g, b, |i| (row[i * 4 + 1], row[i * 4 + 3]));
            for (luma, x) in r.iter_mut().zip(columns) {
                *luma = f32::from(row[x * 2]);
            }
        }
        PixelFormat::Nv12 => {
            let luma = &plane(p, 0, width).row(y)[columns.clone()];
            r.iter_mut().zip(luma).for_each(|(r, &l)| *r = f32::from(l));
            let uv = plane(p, 1, half * 2).row(y / 2);
            spread(columns, g, b, |i| (uv[i * 2], uv[i * 2 + 1]));
        }
        _ => {
            let luma = &plane(p, 0, width).row(y)[columns.clone()];
            r.iter_mut().zip(luma).for_each(|(r, &l)| *r = f32::from(l));
            let (u, v) = (plane(p, 1, half).row(y / 2), plane(p, 2, half).row(y / 2));
            spread(columns, g, b, |i| (u[i], v[i]));
        }
    }
    let m = Matrix::for_height(p.height);
    for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
        let (luma, u, v) = ((*r - 16.0) * Y_GAIN, *g - 128.0, *b - 128.0);
        *r = (luma + m.r_v * v).clamp(0.0, 255.0);
        *g = (luma + m.g_u * u + m.g_v * v).clamp(0.0, 255.0);
        *b = (luma + m.b_u * u).clamp(0.0, 255.0);
    }
}

/// Writes chroma pair `x / 2` to each column `x`.
fn spread(
    columns: Range<usize>,
    u_out: &mut [f32],
    v_out: &mut [f32],
    pair: impl Fn(usize) -> (u8, u8),
) {
    // an odd first column is the second of its pair
    let head = (columns.start % 2).min(columns.len());
    if head == 1 {
        let (u, v) = pair(columns.start / 2);
        (u_out[0], v_out[0]) = (f32::from(u), f32::from(v));
    }
    let first = (columns.start + head) / 2;
    let rest = u_out[head..].chunks_mut(2).zip(v_out[head..].chunks_mut(2));
    for (i, (us, vs)) in rest.enumerate() {
        let (u, v) = pair(first + i);
        us.fill(f32::from(u));
        vs.fill(f32::from(v));
    }
}
