//! A captured picture made small for people: a whole-number factor, each pixel the mean of 2 x 2 at its place.
//!
//! That is exact halving at factor 2, and costs four reads a pixel of the small picture at any factor, so that the time
//! at a camera's tap is bounded by the preview's size and not by the camera's.

use sightline_domain::{LevelRange, PictureRef, PixelFormat};
use sightline_wire::preview::Pixels;

/// A small picture's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small {
    pub width: u16,
    pub height: u16,
    pub pixels: Pixels,
}

impl Small {
    pub fn bytes(self) -> usize {
        usize::from(self.width) * usize::from(self.height) * self.pixels.bytes()
    }
}

/// Where a channel's samples lie.
#[derive(Clone, Copy)]
struct Grid {
    width: usize,
    height: usize,
    /// Bytes from one row to the next.
    stride: usize,
    /// Bytes from one pixel to the next.
    step: usize,
    /// Byte of each channel in a pixel.
    channels: &'static [usize],
}

/// Makes `picture` fit into `most` pixels in width and in height; `out` is overwritten. Colour stays for packed RGB and BGR,
/// YUV gives its luminance as 0..=255, Bayer mosaics the mean of their 2 x 2. `None` for an empty picture.
pub fn picture(picture: &PictureRef<'_>, most: u16, out: &mut Vec<u8>) -> Option<Small> {
    let (step, channels): (usize, &'static [usize]) = match picture.format {
        PixelFormat::Rgb => (3, &[0, 1, 2]),
        PixelFormat::Bgr => (3, &[2, 1, 0]),
        PixelFormat::Yuy2 => (2, &[0]),
        _ => (1, &[0]),
    };
    let grid = Grid {
        width: picture.width as usize,
        height: picture.height as usize,
        stride: picture.layout.strides[0],
        step,
        channels,
    };
    let mosaic = matches!(
        picture.format,
        PixelFormat::BayerRggb
            | PixelFormat::BayerBggr
            | PixelFormat::BayerGrbg
            | PixelFormat::BayerGbrg
    );
    let bytes = picture.bytes.get(picture.layout.offsets[0]..)?;
    let small = thumbnail(grid, bytes, [most, most], if mosaic { 2 } else { 1 }, out)?;
    if picture.format.is_yuv() && picture.levels.range == LevelRange::Video {
        for level in out.iter_mut() {
            *level = LevelRange::Video.expand(f32::from(*level)).round() as u8; // saturates
        }
    }
    Some(small)
}

/// Makes a small picture fit into `most` (width, height).
pub fn again(small: Small, bytes: &[u8], most: [u16; 2], out: &mut Vec<u8>) -> Option<Small> {
    let step = small.pixels.bytes();
    let grid = Grid {
        width: small.width.into(),
        height: small.height.into(),
        stride: usize::from(small.width) * step,
        step,
        channels: if step == 1 { &[0] } else { &[0, 1, 2] },
    };
    thumbnail(grid, bytes, most, 1, out)
}

fn thumbnail(
    grid: Grid,
    bytes: &[u8],
    most: [u16; 2],
    least_factor: usize,
    out: &mut Vec<u8>,
) -> Option<Small> {
    let [across, down] = most.map(|m| usize::from(m).max(1));
    let factor = (grid.width.div_ceil(across))
        .max(grid.height.div_ceil(down))
        .max(least_factor);
    let (width, height) = (grid.width / factor, grid.height / factor);
    let small = Small {
        width: u16::try_from(width).ok().filter(|w| *w > 0)?,
        height: u16::try_from(height).ok().filter(|h| *h > 0)?,
        pixels: if grid.channels.len() == 1 {
            Pixels::Gray
        } else {
            Pixels::Rgb
        },
    };
    out.clear();
    out.reserve(small.bytes());
    for y in 0..height {
        let row = bytes.get(y * factor * grid.stride..)?;
        if factor == 1 {
            copy_row(grid, row, width, out)?;
        } else {
            mean_row(grid, row, row.get(grid.stride..)?, width, factor, out)?;
        }
    }
    Some(small)
}

fn copy_row(grid: Grid, row: &[u8], width: usize, out: &mut Vec<u8>) -> Option<()> {
    let row = row.get(..(width - 1) * grid.step + grid.channels.len().max(1))?;
    if grid.step == 1 {
        out.extend_from_slice(row);
    } else {
        out.extend(
            row.chunks(grid.step)
                .flat_map(|p| grid.channels.iter().map(|&c| p[c])),
        );
    }
    Some(())
}

fn mean_row(
    grid: Grid,
    upper: &[u8],
    lower: &[u8],
    width: usize,
    factor: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (block, step) = (factor * grid.step, grid.step);
    // Of the last block only the first two pixels are read.
    let needed = (width - 1) * block + step + grid.channels.len();
    let (upper, lower) = (upper.get(..needed)?, lower.get(..needed)?);
    for (a, b) in upper.chunks(block).zip(lower.chunks(block)) {
        for &c in grid.channels {
            let sum =
                u16::from(a[c]) + u16::from(a[c + step]) + u16::from(b[c]) + u16::from(b[c + step]);
            out.push(((sum + 2) / 4) as u8);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(
        format: PixelFormat,
        width: u32,
        height: u32,
        most: u16,
        paint: impl Fn(usize) -> u8,
    ) -> (Small, Vec<u8>) {
        let layout = format.default_layout(width, height);
        let bytes: Vec<u8> = (0..layout.len).map(paint).collect();
        let (mut out, picture_ref) = (
            Vec::new(),
            PictureRef {
                width,
                height,
                format,
                levels: sightline_domain::Levels::guessed(format, height),
                layout,
                bytes: &bytes,
            },
        );
        let small = picture(&picture_ref, most, &mut out).expect("it fits");
        assert_eq!(out.len(), small.bytes());
        (small, out)
    }

    #[test]
    fn halving_is_the_mean_of_four() {
        let (small, out) = with(PixelFormat::Gray8, 4, 2, 2, |i| (i * 10) as u8);
        assert_eq!((small.width, small.height), (2, 1));
        assert_eq!(out, [25, 45]);
    }

    #[test]
    fn what_fits_is_copied_without_its_padding() {
        let (small, out) = with(PixelFormat::Gray8, 3, 2, 8, |i| i as u8);
        assert_eq!((small.width, out.as_slice()), (3, &[0, 1, 2, 4, 5, 6][..]));
    }

    #[test]
    fn blue_first_comes_out_red_first() {
        let (small, out) = with(PixelFormat::Bgr, 4, 4, 2, |i| [9, 5, 1][i % 3]);
        assert_eq!(small.pixels, Pixels::Rgb);
        assert_eq!(out[..3], [1, 5, 9]);
    }

    #[test]
    fn every_format_and_odd_size_fits_its_bound() {
        for format in [
            PixelFormat::Gray8,
            PixelFormat::Rgb,
            PixelFormat::Nv12,
            PixelFormat::I420,
            PixelFormat::Yuy2,
            PixelFormat::BayerRggb,
        ] {
            for (width, height) in [(1280, 1024), (641, 7), (7, 641), (101, 99), (2, 2)] {
                let (small, _) = with(format, width, height, 100, |i| i as u8);
                assert!(
                    small.width.max(small.height) <= 100,
                    "{format:?} {width} {height}"
                );
            }
        }
    }

    #[test]
    fn luminance_of_a_video_range_is_shown_from_black_to_white() {
        let ramp = |i: usize| [16, 235, 126, 4][i % 4];
        let (_, out) = with(PixelFormat::Nv12, 4, 2, 8, ramp);
        assert_eq!(out[..4], [0, 255, 128, 0]);
    }

    #[test]
    fn a_mosaic_is_never_shown_as_it_is() {
        let (small, out) = with(PixelFormat::BayerRggb, 4, 4, 100, |i| [0, 200][i % 2]);
        assert_eq!(
            (small.width, out.iter().all(|&p| p == 100)),
            (2, true),
            "{out:?}"
        );
    }
}
