//! Rows of a picture as planes of `f32` in 0..=255, in the colour the network wants.

use super::{Target, bayer, fit::Fit, yuv};
use crate::bundle::Color;
use sightline_model::{PictureRef, PixelFormat};
use std::ops::Range;

/// A picture, read by rows between two columns.
#[derive(Clone, Copy)]
pub(super) struct RowSource<'p, 'b> {
    pub picture: &'p PictureRef<'b>,
    pub color: Color,
    first: usize,
    end: usize,
}

/// Scratch: up to three planes of one row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub planes: [Vec<f32>; 3],
}

impl Rows {
    /// Makes every plane `len` long; allocates only while it grows.
    pub(super) fn reserve(&mut self, len: usize) {
        for plane in &mut self.planes {
            if plane.len() < len {
                plane.resize(len, 0.0);
            }
        }
    }

    /// The 1:1 path: a row in, a row out.
    pub(super) fn copy(&mut self, source: &RowSource<'_, '_>, fit: &Fit, target: &mut Target<'_>) {
        let [left, top, w, h] = fit.to;
        let (x0, y0) = fit.origin();
        let affine = target.affine;
        if let Some(luma) = source.gray8() {
            for row in 0..h {
                let pixels = &luma.row(y0 + row)[x0..x0 + w];
                let out = target.row(0, top + row, left, w);
                for (out, &pixel) in out.iter_mut().zip(pixels) {
                    *out = f32::from(pixel) * affine[0].mul + affine[0].add;
                }
            }
            return;
        }
        self.reserve(source.len());
        let skip = x0 - source.first;
        for row in 0..h {
            source.read(y0 + row, &mut self.planes);
            for (channel, a) in affine.iter().enumerate() {
                let read = &self.planes[channel][skip..skip + w];
                let out = target.row(channel, top + row, left, w);
                for (out, &value) in out.iter_mut().zip(read) {
                    *out = value * a.mul + a.add;
                }
            }
        }
    }
}

/// One plane of bytes.
#[derive(Clone, Copy)]
pub(super) struct Plane<'b> {
    bytes: &'b [u8],
    stride: usize,
    row_bytes: usize,
}

impl<'b> Plane<'b> {
    pub(super) fn row(&self, y: usize) -> &'b [u8] {
        &self.bytes[y * self.stride..y * self.stride + self.row_bytes]
    }
}

/// Plane `index` of `picture`, `row_bytes` wide.
pub(super) fn plane<'b>(picture: &PictureRef<'b>, index: usize, row_bytes: usize) -> Plane<'b> {
    Plane {
        bytes: &picture.bytes[picture.layout.offsets[index]..],
        stride: picture.layout.strides[index],
        row_bytes,
    }
}

impl<'p, 'b> RowSource<'p, 'b> {
    pub(super) fn new(picture: &'p PictureRef<'b>, color: Color, columns: Range<usize>) -> Self {
        Self {
            picture,
            color,
            first: columns.start,
            end: columns.end,
        }
    }

    /// Columns read.
    pub(super) fn len(&self) -> usize {
        self.end - self.first
    }

    /// The bytes themselves, where the network wants them as they are.
    pub(super) fn gray8(&self) -> Option<Plane<'b>> {
        let as_is = self.picture.format == PixelFormat::Gray8 && self.color == Color::Gray;
        as_is.then(|| plane(self.picture, 0, self.picture.width as usize))
    }

    /// Planes that [`RowSource::read`] fills with different content; gray needs one.
    pub(super) fn channels(&self) -> usize {
        self.color.channels()
    }

    /// Reads row `y` into the first `len` places of each plane.
    pub(super) fn read(&self, y: usize, planes: &mut [Vec<f32>; 3]) {
        let n = self.len();
        let [a, b, c] = planes;
        let (a, b, c) = (&mut a[..n], &mut b[..n], &mut c[..n]);
        let (p, columns) = (self.picture, self.first..self.end);
        match p.format {
            PixelFormat::Gray8 => {
                let row = &plane(p, 0, p.width as usize).row(y)[columns];
                for (out, &pixel) in a.iter_mut().zip(row) {
                    *out = f32::from(pixel);
                }
                if self.color != Color::Gray {
                    b.copy_from_slice(a);
                    c.copy_from_slice(a);
                }
            }
            PixelFormat::Rgb | PixelFormat::Bgr => {
                let row = plane(p, 0, p.width as usize * 3).row(y);
                let row = &row[columns.start * 3..columns.end * 3];
                for (((pixel, a), b), c) in
                    row.chunks_exact(3).zip(&mut *a).zip(&mut *b).zip(&mut *c)
                {
                    *a = f32::from(pixel[0]);
                    *b = f32::from(pixel[1]);
                    *c = f32::from(pixel[2]);
                }
                let from = if p.format == PixelFormat::Rgb {
                    Color::Rgb
                } else {
                    Color::Bgr
                };
                recolor(from, self.color, a, b, c);
            }
            PixelFormat::Nv12 | PixelFormat::I420 | PixelFormat::Yuy2 => {
                if self.color == Color::Gray {
                    yuv::luma_row(p, y, columns, a);
                } else {
                    yuv::rgb_row(p, y, columns, a, b, c);
                    recolor(Color::Rgb, self.color, a, b, c);
                }
            }
            PixelFormat::BayerRggb
            | PixelFormat::BayerBggr
            | PixelFormat::BayerGrbg
            | PixelFormat::BayerGbrg => {
                bayer::rgb_row(p, y, columns, a, b, c);
                recolor(Color::Rgb, self.color, a, b, c);
            }
        }
    }
}

/// Weights of red, green and blue in luminance (BT.601, as OpenCV's `COLOR_RGB2GRAY`).
pub(super) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

fn recolor(from: Color, to: Color, a: &mut [f32], b: &mut [f32], c: &mut [f32]) {
    match (from, to) {
        (Color::Rgb, Color::Bgr) | (Color::Bgr, Color::Rgb) => a.swap_with_slice(c),
        (_, Color::Gray) => {
            let (wa, wc) = match from {
                Color::Bgr => (LUMA[2], LUMA[0]),
                _ => (LUMA[0], LUMA[2]),
            };
            for ((a, &b), &c) in a.iter_mut().zip(&*b).zip(&*c) {
                *a = *a * wa + b * LUMA[1] + c * wc;
            }
        }
        _ => {}
    }
}
