//! The camera's look: pose, blur, light, gain, noise.

use super::board::Board;
use super::defect::Defect;
use super::look::CameraLook;
use super::{COPPER, MARGIN, SUBSTRATE};
use crate::seed::{self, PixelNoise};
use rand::RngExt;
use sightline_domain::BoxView;

/// Numbers in the prepared noise, a power of two.
const NOISE_LEN: usize = 1 << 16;
/// Most taps on either side of a blurred pixel.
const MAX_RADIUS: usize = 6;

/// Pixels resampled together.
const BLOCK: usize = 8;

/// Scratch memory of the camera look; it grows to the largest board exposed and stays.
#[derive(Debug, Default)]
pub(crate) struct Optics {
    canvas: Vec<u8>,
    posed: Vec<u8>,
    column_sum: Vec<u16>,
    light_x: Vec<u16>,
    noise: Vec<i8>,
}

/// How a part lies before the camera: `view = rotate(golden - centre) + centre + shift`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pose {
    cos: f32,
    sin: f32,
    shift: (f32, f32),
    centre: (f32, f32),
}

impl Pose {
    fn roll(board: &Board, look: &CameraLook, rng: &mut impl rand::Rng) -> Self {
        let limit = |v: f32, max: f32| {
            if v.is_finite() {
                v.clamp(0.0, max)
            } else {
                0.0
            }
        };
        let (shift, turn) = (
            limit(look.max_shift_px, 12.0),
            limit(look.max_rotation_deg, 1.5),
        );
        let angle = (rng.random_range(-1.0f32..=1.0) * turn).to_radians();
        Self {
            cos: angle.cos(),
            sin: angle.sin(),
            shift: (
                rng.random_range(-1.0f32..=1.0) * shift,
                rng.random_range(-1.0f32..=1.0) * shift,
            ),
            centre: (board.width() as f32 / 2.0, board.height() as f32 / 2.0),
        }
    }

    /// The upright rectangle around a golden picture's rectangle as it lies in the view.
    pub(crate) fn box_to_view(&self, b: BoxView) -> BoxView {
        let (cx, cy) = b.centre();
        let (dx, dy) = (cx - self.centre.0, cy - self.centre.1);
        let w = b.w * self.cos + b.h * self.sin.abs();
        let h = b.h * self.cos + b.w * self.sin.abs();
        BoxView {
            x: self.cos * dx - self.sin * dy + self.centre.0 + self.shift.0 - w / 2.0,
            y: self.sin * dx + self.cos * dy + self.centre.1 + self.shift.1 - h / 2.0,
            w,
            h,
        }
    }

    /// The golden picture's point seen at the view's point.
    fn to_golden(self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (
            x - self.centre.0 - self.shift.0,
            y - self.centre.1 - self.shift.1,
        );
        (
            self.cos * dx + self.sin * dy + self.centre.0,
            -self.sin * dx + self.cos * dy + self.centre.1,
        )
    }
}

impl Optics {
    /// Takes the picture of a part into `out`.
    pub(crate) fn expose(
        &mut self,
        board: &Board,
        part_seed: u64,
        defects: &[Defect],
        look: &CameraLook,
        out: &mut [u8],
        stride: usize,
    ) -> Pose {
        let mut rng = seed::stream(part_seed, 0x0CA3);
        let pose = Pose::roll(board, look, &mut rng);
        self.part_on_canvas(board, defects);
        self.pose(board, pose);
        self.blur(board, look.blur_sigma_px, out, stride);
        self.light(board, look, rng.random(), out, stride);
        pose
    }

    fn part_on_canvas(&mut self, board: &Board, defects: &[Defect]) {
        self.canvas.clear();
        self.canvas.extend_from_slice(&board.canvas);
        for defect in defects {
            let value = if defect.kind.adds_copper() {
                COPPER
            } else {
                SUBSTRATE
            };
            defect.stroke.pixels(|x, y| {
                if let Some(i) = board.index(x, y) {
                    self.canvas[i] = value;
                }
            });
        }
    }

    /// Resamples the canvas (bilinear, 8-bit fractions) with `MAX_RADIUS` rows and columns around the view for the blur.
    /// Turns are small, so eight pixels in a row take one fraction and one source row: at most a tenth of a pixel off.
    fn pose(&mut self, board: &Board, pose: Pose) {
        let (width, height) = padded(board);
        self.posed.resize(width * height, 0);
        let canvas_width = board.canvas_width;
        let max_x = (canvas_width - BLOCK - 2) as i32;
        let max_y = board.canvas_height as i32 - 2;
        let to_fixed = |v: f32| ((v + MARGIN as f32 - 0.5) * 65536.0) as i32;
        // The place in the canvas of a block's first pixel, by way of its middle.
        let half = (BLOCK as f32 - 1.0) / 2.0;
        for (y, row) in self.posed.chunks_exact_mut(width).enumerate() {
            let middle = (
                0.5 + half - MAX_RADIUS as f32,
                y as f32 + 0.5 - MAX_RADIUS as f32,
            );
            let (gx, gy) = pose.to_golden(middle.0, middle.1);
            let (mut sx, mut sy) = (to_fixed(gx - half), to_fixed(gy));
            let step = BLOCK as f32 * 65536.0;
            let (step_x, step_y) = ((pose.cos * step) as i32, (-pose.sin * step) as i32);
            for pixels in row.chunks_mut(BLOCK) {
                let (ix, iy) = (
                    (sx >> 16).clamp(0, max_x) as usize,
                    (sy >> 16).clamp(0, max_y) as usize,
                );
                let (fx, fy) = (((sx >> 8) & 255) as u16, ((sy >> 8) & 255) as u16);
                let mixed = |row: usize| {
                    let source = &self.canvas[row * canvas_width + ix..][..BLOCK + 1];
                    let mut mixed = [0u16; BLOCK];
                    for (k, m) in mixed.iter_mut().enumerate() {
                        *m = (u16::from(source[k]) * (256 - fx) + u16::from(source[k + 1]) * fx)
                            >> 8;
                    }
                    mixed
                };
                let (upper, lower) = (mixed(iy), mixed(iy + 1));
                for ((pixel, u), l) in pixels.iter_mut().zip(upper).zip(lower) {
                    *pixel = ((u * (256 - fy) + l * fy) >> 8) as u8;
                }
                sx += step_x;
                sy += step_y;
            }
        }
    }

    /// Separable Gaussian from `posed` into `out`.
    fn blur(&mut self, board: &Board, sigma_px: f32, out: &mut [u8], stride: usize) {
        let (padded_width, _) = padded(board);
        let (taps, radius) = gauss_taps(sigma_px);
        let width = board.width() as usize;
        self.column_sum.resize(padded_width, 0);
        for y in 0..board.height() as usize {
            self.column_sum.fill(0);
            for (k, &tap) in taps[..2 * radius + 1].iter().enumerate() {
                let source =
                    &self.posed[(y + MAX_RADIUS + k - radius) * padded_width..][..padded_width];
                for (sum, &value) in self.column_sum.iter_mut().zip(source) {
                    *sum += u16::from(value) * tap;
                }
            }
            let row = &mut out[y * stride..][..width];
            let mut sums = [0u32; 64];
            for (block, pixels) in row.chunks_mut(64).enumerate() {
                sums.fill(0);
                for (k, &tap) in taps[..2 * radius + 1].iter().enumerate() {
                    let from = block * 64 + MAX_RADIUS + k - radius;
                    for (sum, &value) in sums
                        .iter_mut()
                        .zip(&self.column_sum[from..from + pixels.len()])
                    {
                        *sum += u32::from(value) * u32::from(tap);
                    }
                }
                for (pixel, &sum) in pixels.iter_mut().zip(&sums) {
                    *pixel = (sum >> 16) as u8;
                }
            }
        }
    }

    /// Gain, offset, uneven light and noise, in place.
    fn light(
        &mut self,
        board: &Board,
        look: &CameraLook,
        part_seed: u64,
        out: &mut [u8],
        stride: usize,
    ) {
        if self.noise.is_empty() {
            let mut noise = PixelNoise::new(0x4015E);
            // Standard deviation 32 in the table.
            self.noise
                .extend((0..NOISE_LEN).map(|_| (noise.gauss64() / 2).clamp(-127, 127) as i8));
        }
        let (width, height) = (board.width() as usize, board.height() as usize);
        let mut rng = PixelNoise::new(part_seed);
        let dim = look.uneven_light.clamp(0.0, 0.95);
        // The dimmest corner is the same for all parts: the lamp stands still.
        let fall = |i: usize, n: usize| 1.0 - dim * 0.5 * i as f32 / n as f32;
        self.light_x.clear();
        self.light_x
            .extend((0..width).map(|x| (fall(x, width) * 256.0) as u16));
        let gain = (look.gain.clamp(0.0, 8.0) * 256.0) as i32;
        let offset = (look.offset.clamp(-512.0, 512.0) * 256.0) as i32;
        let sigma = (look.noise_sigma.clamp(0.0, 64.0) * 8.0) as i32;
        for y in 0..height {
            let light_y = (fall(y, height) * 256.0) as i32;
            let start = rng.next() as usize & (NOISE_LEN / 2 - 1);
            let noise = &self.noise[start..][..width.min(NOISE_LEN / 2)];
            let row = &mut out[y * stride..][..width];
            for ((pixel, &light_x), &noise) in row.iter_mut().zip(&self.light_x).zip(noise) {
                let level = (i32::from(*pixel) * gain + offset) >> 4;
                let lit = (level * ((i32::from(light_x) * light_y) >> 8)) >> 8;
                let value = (lit + ((i32::from(noise) * sigma) >> 4)) >> 4;
                *pixel = value.clamp(0, 255) as u8;
            }
        }
    }
}

fn padded(board: &Board) -> (usize, usize) {
    (
        board.width() as usize + 2 * MAX_RADIUS,
        board.height() as usize + 2 * MAX_RADIUS,
    )
}

/// Weights that sum to 256, and how many stand on either side of the middle.
fn gauss_taps(sigma_px: f32) -> ([u16; 2 * MAX_RADIUS + 1], usize) {
    let mut taps = [0u16; 2 * MAX_RADIUS + 1];
    if sigma_px.is_nan() || sigma_px < 0.2 {
        taps[0] = 256;
        return (taps, 0);
    }
    let sigma = sigma_px.min(3.0);
    let radius = ((2.0 * sigma).ceil() as usize).min(MAX_RADIUS);
    let weight = |i: usize| (-0.5 * ((i as f32 - radius as f32) / sigma).powi(2)).exp();
    let total: f32 = (0..=2 * radius).map(weight).sum();
    let mut rest = 256;
    for (i, tap) in taps.iter_mut().enumerate().take(2 * radius + 1) {
        *tap = (weight(i) / total * 256.0).round() as u16;
        rest -= i32::from(*tap);
    }
    taps[radius] = (i32::from(taps[radius]) + rest) as u16;
    (taps, radius)
}
