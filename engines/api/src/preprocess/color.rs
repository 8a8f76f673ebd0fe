//! Across channels: what a picture has to what the network wants, scaled into the tensor's planes.
//!
//! YUV has the range and matrix that its picture says (ITU-R BT.601-7, BT.709-6, BT.2020-2).

use super::{Affine, strips::Meaning};
use crate::bundle::Color;
use sightline_domain::Levels;

/// Weights of red, green and blue in luminance (BT.601, as OpenCV's `COLOR_RGB2GRAY`).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// How YUV becomes red, green and blue: luminance stretched, and what chroma adds per unit above 128.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// Luminance that is black.
    pub black: f32,
    /// What one step of luminance is in 0..=255.
    pub gain: f32,
    /// V in red.
    pub r_v: f32,
    /// U in green.
    pub g_u: f32,
    /// V in green.
    pub g_v: f32,
    /// U in blue.
    pub b_u: f32,
}

impl Matrix {
    /// Of a picture's levels.
    pub fn of(levels: Levels) -> Self {
        let (kr, kb) = levels.matrix.weights();
        let kg = 1.0 - kr - kb;
        let (black, gain) = levels.range.luma();
        let chroma = levels.range.chroma_gain();
        Self {
            black,
            gain,
            r_v: 2.0 * (1.0 - kr) * chroma,
            g_u: -2.0 * (1.0 - kb) * kb / kg * chroma,
            g_v: -2.0 * (1.0 - kr) * kr / kg * chroma,
            b_u: 2.0 * (1.0 - kb) * chroma,
        }
    }

    fn expand(&self, luma: f32) -> f32 {
        (luma - self.black) * self.gain
    }
}

/// The first channel alone is enough.
pub(super) fn first_is_enough(from: Meaning, to: Color) -> bool {
    from == Meaning::Luma || (from == Meaning::Yuv && to == Color::Gray)
}

/// Writes one row of each plane from the sampled channels, of which [`first_is_enough`] says how many count.
pub(super) fn write(
    from: Meaning,
    to: Color,
    matrix: &Matrix,
    channels: [&[f32]; 3],
    affine: &[Affine],
    planes: [&mut [f32]; 3],
) {
    let [a, b, c] = channels;
    let [p, q, r] = planes;
    match (from, to) {
        (Meaning::Luma, Color::Gray) => scaled(a, affine[0], p),
        (Meaning::Luma, Color::Rgb | Color::Bgr) => {
            for (plane, affine) in [p, q, r].into_iter().zip(affine) {
                scaled(a, *affine, plane);
            }
        }
        (Meaning::Rgb | Meaning::Bgr, Color::Gray) => {
            let (red, blue) = if from == Meaning::Rgb { (a, c) } else { (c, a) };
            luminance([red, b, blue], affine[0], p);
        }
        (Meaning::Rgb, Color::Rgb) | (Meaning::Bgr, Color::Bgr) => {
            three([a, b, c], affine, [p, q, r]);
        }
        (Meaning::Rgb, Color::Bgr) | (Meaning::Bgr, Color::Rgb) => {
            three([c, b, a], affine, [p, q, r]);
        }
        (Meaning::Yuv, Color::Gray) => {
            for (out, &y) in p.iter_mut().zip(a) {
                *out = matrix.expand(y).clamp(0.0, 255.0) * affine[0].mul + affine[0].add;
            }
        }
        (Meaning::Yuv, Color::Rgb) => {
            yuv([a, b, c], matrix, [0, 1, 2].map(|i| affine[i]), [p, q, r])
        }
        (Meaning::Yuv, Color::Bgr) => {
            yuv([a, b, c], matrix, [2, 1, 0].map(|i| affine[i]), [r, q, p])
        }
    }
}

fn scaled(channel: &[f32], a: Affine, out: &mut [f32]) {
    for (out, &value) in out.iter_mut().zip(channel) {
        *out = value * a.mul + a.add;
    }
}

fn three(channels: [&[f32]; 3], affine: &[Affine], planes: [&mut [f32]; 3]) {
    for ((channel, affine), plane) in channels.into_iter().zip(affine).zip(planes) {
        scaled(channel, *affine, plane);
    }
}

fn luminance([red, green, blue]: [&[f32]; 3], a: Affine, out: &mut [f32]) {
    for (((out, r), g), b) in out.iter_mut().zip(red).zip(green).zip(blue) {
        *out = (r * LUMA[0] + g * LUMA[1] + b * LUMA[2]) * a.mul + a.add;
    }
}

/// `affine` and `planes` are red's, green's and blue's.
fn yuv([y, u, v]: [&[f32]; 3], m: &Matrix, affine: [Affine; 3], planes: [&mut [f32]; 3]) {
    let [red, green, blue] = planes;
    let [ra, ga, ba] = affine;
    // equal lengths let the compiler drop its checks and use vectors
    let n = red.len();
    let (y, u, v, green, blue) = (&y[..n], &u[..n], &v[..n], &mut green[..n], &mut blue[..n]);
    for i in 0..n {
        let (luma, u, v) = (m.expand(y[i]), u[i] - 128.0, v[i] - 128.0);
        red[i] = (luma + m.r_v * v).clamp(0.0, 255.0) * ra.mul + ra.add;
        green[i] = (luma + m.g_u * u + m.g_v * v).clamp(0.0, 255.0) * ga.mul + ga.add;
        blue[i] = (luma + m.b_u * u).clamp(0.0, 255.0) * ba.mul + ba.add;
    }
}
