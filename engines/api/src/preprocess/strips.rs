//! Down the rows: two source rows blended into one, still in the picture's own channels and order.
//!
//! A *strip* is one blended row of one plane as `f32` in 0..=255. Where a channel of the picture lies in its strips
//! is a [`ChannelAt`]: the columns step finds it there, so that no format needs a pass of its own.

use super::{bayer, columns::Tap};
use sightline_domain::{PictureRef, PixelFormat};
use std::ops::Range;

/// Where the channel's sample of a column lies: `strip[base + (column >> shift) * stride]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ChannelAt {
    pub strip: usize,
    pub base: usize,
    pub stride: usize,
    /// 1 for chroma at half resolution, repeated.
    pub shift: u32,
}

const fn at(strip: usize, base: usize, stride: usize, shift: u32) -> ChannelAt {
    ChannelAt {
        strip,
        base,
        stride,
        shift,
    }
}

/// What the channels of a format mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Luma,
    Rgb,
    Bgr,
    Yuv,
}

const ONE: &[ChannelAt] = &[at(0, 0, 1, 0)];
const PACKED: &[ChannelAt] = &[at(0, 0, 3, 0), at(0, 1, 3, 0), at(0, 2, 3, 0)];
const NV12: &[ChannelAt] = &[at(0, 0, 1, 0), at(1, 0, 2, 1), at(1, 1, 2, 1)];
const I420: &[ChannelAt] = &[at(0, 0, 1, 0), at(1, 0, 1, 1), at(2, 0, 1, 1)];
const YUY2: &[ChannelAt] = &[at(0, 0, 2, 0), at(0, 1, 4, 1), at(0, 3, 4, 1)];
/// A mosaic, once its colours are told apart.
const PLANES: &[ChannelAt] = &[at(0, 0, 1, 0), at(1, 0, 1, 0), at(2, 0, 1, 0)];

/// What the channels of a format mean, and where they are.
pub(super) fn channels(format: PixelFormat) -> (Meaning, &'static [ChannelAt]) {
    match format {
        PixelFormat::Gray8 => (Meaning::Luma, ONE),
        PixelFormat::Rgb => (Meaning::Rgb, PACKED),
        PixelFormat::Bgr => (Meaning::Bgr, PACKED),
        PixelFormat::Nv12 => (Meaning::Yuv, NV12),
        PixelFormat::I420 => (Meaning::Yuv, I420),
        PixelFormat::Yuy2 => (Meaning::Yuv, YUY2),
        PixelFormat::BayerRggb
        | PixelFormat::BayerBggr
        | PixelFormat::BayerGrbg
        | PixelFormat::BayerGbrg => (Meaning::Rgb, PLANES),
    }
}

/// The blended rows of one picture; scratch, grows with the widest seen.
#[derive(Debug, Default)]
pub(super) struct Strips {
    pub rows: [Vec<f32>; 3],
    second: [Vec<f32>; 3],
    mask: bayer::Mask,
}

impl Strips {
    /// Blends rows `tap.first` and `tap.second` between `columns`; `chroma` says whether anything but the first
    /// channel is wanted.
    pub(super) fn blend(
        &mut self,
        p: &PictureRef<'_>,
        tap: Tap,
        columns: Range<usize>,
        chroma: bool,
    ) {
        let weight = tap.weight;
        let half = columns.start / 2..columns.end.div_ceil(2);
        let (full, halved) = ((tap.first, tap.second), (tap.first / 2, tap.second / 2));
        let [a, b, c] = &mut self.rows;
        let scale = |r: &Range<usize>, n: usize| r.start * n..r.end * n;
        match p.format {
            PixelFormat::Gray8 => plane(p, 0, full, columns, weight, a),
            PixelFormat::Rgb | PixelFormat::Bgr => {
                plane(p, 0, full, scale(&columns, 3), weight, a);
            }
            PixelFormat::Yuy2 => plane(p, 0, full, scale(&half, 4), weight, a),
            PixelFormat::Nv12 => {
                plane(p, 0, full, columns, weight, a);
                if chroma {
                    plane(p, 1, halved, scale(&half, 2), weight, b);
                }
            }
            PixelFormat::I420 => {
                plane(p, 0, full, columns, weight, a);
                if chroma {
                    plane(p, 1, halved, half.clone(), weight, b);
                    plane(p, 2, halved, half, weight, c);
                }
            }
            PixelFormat::BayerRggb
            | PixelFormat::BayerBggr
            | PixelFormat::BayerGrbg
            | PixelFormat::BayerGbrg => {
                self.mask.reserve(columns.len());
                bayer::rgb_row(p, tap.first, &columns, &self.mask, &mut self.rows);
                if weight > 0.0 {
                    bayer::rgb_row(p, tap.second, &columns, &self.mask, &mut self.second);
                    for (row, second) in self.rows.iter_mut().zip(&self.second) {
                        for (a, &b) in row.iter_mut().zip(second) {
                            *a += (b - *a) * weight;
                        }
                    }
                }
            }
        }
    }
}

/// Columns before the first one of the strips that belong to its chroma pair, and of YUY2 to its luma too.
pub(super) fn skipped(format: PixelFormat, channel: ChannelAt, first_column: usize) -> usize {
    let paired = channel.shift > 0 || format == PixelFormat::Yuy2;
    if paired { first_column % 2 } else { 0 }
}

/// Makes `row` `len` long; allocates only while it grows.
pub(super) fn size(row: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if row.len() < len {
        row.resize(len, 0.0);
    }
    &mut row[..len]
}

/// Bytes `bytes` of row `y` of plane `index`.
pub(super) fn row<'b>(p: &PictureRef<'b>, index: usize, y: usize, bytes: Range<usize>) -> &'b [u8] {
    let start = p.layout.offsets[index] + y * p.layout.strides[index];
    &p.bytes[start + bytes.start..start + bytes.end]
}

fn plane(
    p: &PictureRef<'_>,
    index: usize,
    (first, second): (usize, usize),
    bytes: Range<usize>,
    weight: f32,
    out: &mut Vec<f32>,
) {
    let out = size(out, bytes.len());
    let a = row(p, index, first, bytes.clone());
    if weight == 0.0 || first == second {
        for (out, &a) in out.iter_mut().zip(a) {
            *out = f32::from(a);
        }
        return;
    }
    let b = row(p, index, second, bytes);
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        let (a, b) = (f32::from(a), f32::from(b));
        *out = a + (b - a) * weight;
    }
}
