//! Numbers of a picture that say whether it is fit to be judged: level, contrast, white, sharpness, noise, content.
//!
//! They are taken from whole rows spread evenly over the picture, about [`SAMPLE_BYTES`] in all, so that the cost
//! does not grow with the picture. Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom
//! autofocusing in brightfield microscopy", ICPR 2000), here horizontally and vertically around each sampled pixel.
//! Contrast is the distance of percentiles, so that noise and a few bright pixels do not make one. Levels are those of a
//! full range, whatever range the picture has.

use sightline_domain::{Levels, PictureRef, PixelFormat};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes looked at per picture.
const SAMPLE_BYTES: usize = 32 * 1024;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Mean level, 0..=255 of a full range.
    pub level: f32,
    /// From the 2nd to the 98th of 100 pixels.
    pub contrast: f32,
    /// Share of pixels at 254 and more.
    pub white: f32,
    /// Variance of the Laplacian, grey levels squared.
    pub sharpness: f32,
    /// Standard deviation that noise alone would need to be so sharp: an upper bound of the noise.
    pub noise: f32,
    /// Hash of the sampled rows.
    pub content: u64,
}

/// Which bytes of a row carry brightness: first offset and step. Green stands for brightness in colour and Bayer.
fn luminance(format: PixelFormat) -> (usize, usize) {
    match format {
        PixelFormat::Gray8 | PixelFormat::Nv12 | PixelFormat::I420 => (0, 1),
        PixelFormat::Rgb | PixelFormat::Bgr => (1, 3),
        PixelFormat::Yuy2 => (0, 2),
        // Even rows only are sampled, so the green pixel of the first row is meant.
        PixelFormat::BayerRggb | PixelFormat::BayerBggr => (1, 2),
        PixelFormat::BayerGrbg | PixelFormat::BayerGbrg => (0, 2),
    }
}

fn is_bayer(format: PixelFormat) -> bool {
    use PixelFormat::{BayerBggr, BayerGbrg, BayerGrbg, BayerRggb};
    matches!(format, BayerRggb | BayerBggr | BayerGrbg | BayerGbrg)
}

/// Bytes of a row of the first plane that are picture.
fn row_bytes(picture: &PictureRef<'_>) -> usize {
    let width = picture.width as usize;
    match picture.format {
        PixelFormat::Rgb | PixelFormat::Bgr => width * 3,
        PixelFormat::Yuy2 => width.div_ceil(2) * 4,
        _ => width,
    }
}

/// Measures a picture. A picture whose planes do not lie in its bytes measures as black.
pub fn measure(picture: &PictureRef<'_>) -> Measured {
    let (offset, step) = luminance(picture.format);
    // Rows of the same colour are two apart in a Bayer mosaic.
    let apart = if is_bayer(picture.format) { 2 } else { 1 };
    let (bytes, stride) = (row_bytes(picture), picture.layout.strides[0]);
    let rows = picture.height as usize;
    let wanted = (SAMPLE_BYTES / bytes.max(1)).clamp(1, rows.max(1));
    let every = (rows / wanted).max(1).next_multiple_of(apart);
    let row = |y: usize| {
        let start = picture.layout.offsets[0] + y * stride;
        picture.bytes.get(start..start + bytes).unwrap_or_default()
    };
    let (mut sums, mut content) = (Sums::default(), 0u64);
    for y in (every / 2 / apart * apart..rows).step_by(every) {
        content = xxh3_64_with_seed(row(y), content);
        let above = row(y.saturating_sub(apart));
        let below = row((y + apart).min((rows - 1) / apart * apart));
        sums.add(above, row(y), below, offset, step);
    }
    sums.finish(content, picture.levels)
}

/// Hash of every pixel of the picture, all planes, without the padding between rows.
pub fn full_content(picture: &PictureRef<'_>) -> u64 {
    let mut content = 1;
    for (plane, (bytes, rows)) in planes(picture).into_iter().enumerate() {
        let (start, stride) = (picture.layout.offsets[plane], picture.layout.strides[plane]);
        for y in 0..rows {
            let row = start + y * stride;
            let row = picture.bytes.get(row..row + bytes).unwrap_or_default();
            content = xxh3_64_with_seed(row, content);
        }
    }
    content
}

/// Bytes a row and rows of each plane.
fn planes(picture: &PictureRef<'_>) -> [(usize, usize); 3] {
    let (rows, half) = (
        picture.height as usize,
        (picture.height as usize).div_ceil(2),
    );
    let chroma = (picture.width as usize).div_ceil(2);
    match picture.format {
        PixelFormat::Nv12 => [(row_bytes(picture), rows), (chroma * 2, half), (0, 0)],
        PixelFormat::I420 => [(row_bytes(picture), rows), (chroma, half), (chroma, half)],
        _ => [(row_bytes(picture), rows), (0, 0), (0, 0)],
    }
}

/// Every so many pixels one counts for contrast.
const THIN: usize = 4;

struct Sums {
    level: u64,
    counts: [u32; 256],
    laplacian: i64,
    laplacian_squared: u64,
    pixels: u64,
    inner: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            level: 0,
            counts: [0; 256],
            laplacian: 0,
            laplacian_squared: 0,
            pixels: 0,
            inner: 0,
        }
    }
}

impl Sums {
    fn add(&mut self, above: &[u8], row: &[u8], below: &[u8], offset: usize, step: usize) {
        if step == 1 {
            self.level += row.iter().map(|&p| u64::from(p)).sum::<u64>();
            self.pixels += row.len() as u64;
        } else {
            let bright = row.iter().skip(offset).step_by(step);
            self.level += bright.clone().map(|&p| u64::from(p)).sum::<u64>();
            self.pixels += bright.count() as u64;
        }
        for &p in row.iter().skip(offset).step_by(step * THIN) {
            self.counts[usize::from(p)] += 1;
        }
        let n = row.len().min(above.len()).min(below.len());
        if n <= 2 * step {
            return;
        }
        // Chunked, so that the sums of a chunk fit in 32 bits and the loop becomes vector instructions.
        let inner = n - 2 * step;
        let (left, centre, right) = (&row[..inner], &row[step..step + inner], &row[2 * step..n]);
        let (up, down) = (&above[step..step + inner], &below[step..step + inner]);
        const CHUNK: usize = 1_020; // divisible by 1, 2 and 3; 1020 * 1020^2 < 2^31
        for start in (0..inner).step_by(CHUNK) {
            let end = (start + CHUNK).min(inner);
            let slices = [left, centre, right, up, down].map(|s| &s[start..end]);
            let first = (offset + step * CHUNK - (start + step) % step) % step;
            self.add_chunk(slices, first, step);
        }
    }

    fn add_chunk(
        &mut self,
        [left, centre, right, up, down]: [&[u8]; 5],
        first: usize,
        step: usize,
    ) {
        let n = centre.len();
        let (left, right, up, down) = (&left[..n], &right[..n], &up[..n], &down[..n]);
        let (mut sum, mut squares) = (0i32, 0i32);
        let mut one = |i: usize| {
            // In 16 bits, which hold +-1020: the square becomes one multiply-add instruction.
            let l = 4 * i16::from(centre[i])
                - i16::from(left[i])
                - i16::from(right[i])
                - i16::from(up[i])
                - i16::from(down[i]);
            sum += i32::from(l);
            squares += i32::from(l) * i32::from(l);
        };
        if step == 1 {
            (0..n).for_each(&mut one);
            self.inner += n as u64;
        } else {
            (first..n).step_by(step).for_each(&mut one);
            self.inner += n.saturating_sub(first).div_ceil(step) as u64;
        }
        self.laplacian += i64::from(sum);
        self.laplacian_squared += squares as u64;
    }

    /// The level that `share` of the pixels reach at most.
    fn percentile(&self, share: f64) -> f32 {
        let all: u32 = self.counts.iter().sum();
        let wanted = (f64::from(all) * share) as u32;
        let mut below = 0;
        let level = self.counts.iter().position(|count| {
            below += count;
            below > wanted
        });
        level.unwrap_or_default() as f32
    }

    fn finish(&self, content: u64, levels: Levels) -> Measured {
        let n = self.inner.max(1) as f64;
        let mean = self.laplacian as f64 / n;
        let gain = levels.range.luma().1;
        let variance = (self.laplacian_squared as f64 / n - mean * mean) as f32 * gain * gain;
        let all: u32 = self.counts.iter().sum();
        let is_white = |level: usize| levels.range.expand(level as f32) >= 254.0;
        let white: u32 = (0..256)
            .filter(|level| is_white(*level))
            .map(|level| self.counts[level])
            .sum();
        Measured {
            level: levels
                .range
                .expand(self.level as f32 / self.pixels.max(1) as f32)
                .clamp(0.0, 255.0),
            contrast: (self.percentile(0.98) - self.percentile(0.02)) * gain,
            white: white as f32 / all.max(1) as f32,
            sharpness: variance,
            // The Laplacian of white noise has 4 * 4 + 4 times its variance.
            noise: (variance.max(0.0) / 20.0).sqrt(),
            content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(bytes: &[u8], format: PixelFormat, width: u32, height: u32) -> PictureRef<'_> {
        PictureRef {
            width,
            height,
            format,
            levels: Levels::default(),
            layout: format.default_layout(width, height),
            bytes,
        }
    }

    fn gray(f: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        (0..96 * 64).map(|i| f(i % 96, i / 96)).collect()
    }

    #[test]
    fn every_format_reads_the_brightness_it_carries() {
        use PixelFormat::*;
        for format in [
            Gray8, Rgb, Bgr, Nv12, I420, Yuy2, BayerRggb, BayerBggr, BayerGrbg, BayerGbrg,
        ] {
            let len = format.default_layout(64, 48).len;
            let seen = measure(&picture(&vec![77; len], format, 64, 48));
            assert_eq!((seen.level, seen.sharpness), (77.0, 0.0), "{format:?}");
        }
        // Colour that is not brightness: chroma of YUY2, red and blue of a mosaic.
        let yuy2: Vec<u8> = (0..64 * 48 * 2)
            .map(|i| if i % 2 == 0 { 50 } else { 200 })
            .collect();
        let seen = measure(&picture(&yuy2, Yuy2, 64, 48));
        assert_eq!((seen.level, seen.sharpness), (50.0, 0.0));
        let rggb: Vec<u8> = (0..64 * 48)
            .map(|i| if (i % 64) % 2 != (i / 64) % 2 { 90 } else { 10 })
            .collect();
        let seen = measure(&picture(&rggb, BayerRggb, 64, 48));
        assert_eq!((seen.level, seen.sharpness), (90.0, 0.0));
    }

    #[test]
    fn video_black_and_white_are_0_and_255() {
        let video = |level: u8| {
            let bytes = vec![level; PixelFormat::Nv12.default_layout(64, 48).len];
            let picture = PictureRef {
                levels: Levels::guessed(PixelFormat::Nv12, 48),
                ..picture(&bytes, PixelFormat::Nv12, 64, 48)
            };
            let seen = measure(&picture);
            (seen.level.round(), seen.white)
        };
        assert_eq!(
            [16, 4, 235, 126].map(video),
            [(0.0, 0.0), (0.0, 0.0), (255.0, 1.0), (128.0, 0.0)]
        );
    }

    #[test]
    fn contrast_is_of_what_is_seen_and_not_of_a_few_pixels() {
        let of = |f: &dyn Fn(usize, usize) -> u8| {
            measure(&picture(&gray(f), PixelFormat::Gray8, 96, 64)).contrast
        };
        assert_eq!(of(&|_, _| 90), 0.0);
        assert_eq!(of(&|x, y| if (x, y) == (0, 0) { 255 } else { 90 }), 0.0);
        assert_eq!(of(&|x, _| if x < 48 { 20 } else { 220 }), 200.0);
    }

    #[test]
    fn sharpness_is_the_variance_of_the_laplacian() {
        // A checkerboard of 0 and 10: the Laplacian is +-40 everywhere, so its variance is 1600.
        let checks = gray(|x, y| if (x + y) % 2 == 0 { 0 } else { 10 });
        let seen = measure(&picture(&checks, PixelFormat::Gray8, 96, 64));
        // The first and last row see themselves as neighbours and count a little less.
        assert!(
            (seen.sharpness - 1_600.0).abs() < 60.0,
            "{}",
            seen.sharpness
        );
        let blurred = gray(|x, y| 100 + ((x + y) % 16) as u8);
        let soft = measure(&picture(&blurred, PixelFormat::Gray8, 96, 64));
        assert!(soft.sharpness < seen.sharpness / 4.0);
    }

    #[test]
    fn padding_between_rows_is_not_content_of_the_sample() {
        let layout = PixelFormat::Gray8.default_layout(30, 40);
        let padded = |fill: u8| -> Vec<u8> {
            (0..layout.len)
                .map(|i| if i % 32 < 30 { (i % 32) as u8 } else { fill })
                .collect()
        };
        let (a, b) = (padded(0), padded(255));
        let measured = [&a, &b].map(|bytes| measure(&picture(bytes, PixelFormat::Gray8, 30, 40)));
        assert_eq!(measured[0], measured[1]);
        let full = [&a, &b].map(|bytes| full_content(&picture(bytes, PixelFormat::Gray8, 30, 40)));
        assert_eq!(full[0], full[1]);
    }

    #[test]
    fn a_picture_that_does_not_fit_its_bytes_does_not_panic() {
        let seen = measure(&picture(&[1, 2, 3], PixelFormat::Gray8, 640, 480));
        assert_eq!(seen.level, 0.0);
        let tiny = measure(&picture(&[9, 0, 0, 0], PixelFormat::Gray8, 1, 1));
        assert_eq!((tiny.level, tiny.sharpness), (9.0, 0.0));
    }
}
