//! A drawn board that can be looked at from anywhere: straight tracks and round pads with soft edges.

use sightline_domain::{PictureRef, PixelFormat, PlaneLayout};

/// A picture with its memory.
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub stride: usize,
    pub bytes: Vec<u8>,
}

impl Picture {
    pub fn view(&self) -> PictureRef<'_> {
        PictureRef {
            width: self.width,
            height: self.height,
            format: PixelFormat::Gray8,
            levels: sightline_domain::Levels::default(),
            layout: PlaneLayout {
                offsets: [0; 3],
                strides: [self.stride, 0, 0],
                len: self.bytes.len(),
            },
            bytes: &self.bytes,
        }
    }

    pub fn map(&mut self, mut change: impl FnMut(u32, u32, u8) -> u8) {
        for y in 0..self.height {
            for x in 0..self.width {
                let at = y as usize * self.stride + x as usize;
                self.bytes[at] = change(x, y, self.bytes[at]);
            }
        }
    }
}

/// Small, fast, and the same everywhere.
pub struct Noise(pub u64);

impl Noise {
    /// 0..1
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

struct Track {
    from: [f64; 2],
    to: [f64; 2],
    radius: f64,
}

/// Where the camera sees the board: turned clockwise about the picture's centre, then shifted.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    pub dx_px: f64,
    pub dy_px: f64,
    pub rotation_deg: f64,
}

pub const STRAIGHT: Pose = Pose {
    dx_px: 0.0,
    dy_px: 0.0,
    rotation_deg: 0.0,
};

pub struct Board {
    side: u32,
    tracks: Vec<Track>,
}

impl Board {
    /// `side` pixels a side; the tracks go on beyond the border.
    pub fn new(side: u32, seed: u64) -> Self {
        let mut noise = Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        (0..8).for_each(|_| {
            noise.next();
        });
        let reach = f64::from(side) * 1.2;
        let count = (side / 8).max(20);
        let tracks = (0..count)
            .map(|i| {
                let mut at = || (noise.next() - 0.5) * reach;
                let from = [at(), at()];
                let length = at() * 0.6;
                let to = match i % 4 {
                    0 => from,
                    1 => [from[0] + length, from[1]],
                    2 => [from[0], from[1] + length],
                    _ => [from[0] + length * 0.7, from[1] + length * 0.7],
                };
                let radius = if i % 4 == 0 { 9.0 } else { 4.0 };
                Track { from, to, radius }
            })
            .collect();
        Self { side, tracks }
    }

    /// Grey 60 with tracks of grey 200, as seen in `pose`.
    pub fn seen(&self, pose: Pose) -> Picture {
        let (sin, cos) = pose.rotation_deg.to_radians().sin_cos();
        let centre = f64::from(self.side - 1) / 2.0;
        let stride = (self.side as usize).next_multiple_of(4);
        let mut picture = Picture {
            width: self.side,
            height: self.side,
            stride,
            bytes: vec![0; stride * self.side as usize],
        };
        picture.map(|x, y, _| {
            let (u, v) = (
                f64::from(x) - centre - pose.dx_px,
                f64::from(y) - centre - pose.dy_px,
            );
            let on = self.copper([cos * u + sin * v, cos * v - sin * u]);
            (60.0 + 140.0 * on).round() as u8
        });
        picture
    }

    /// How much of a pixel is copper, 0..=1.
    fn copper(&self, [x, y]: [f64; 2]) -> f64 {
        let depth = |t: &Track| {
            let (ax, ay) = (t.to[0] - t.from[0], t.to[1] - t.from[1]);
            let (bx, by) = (x - t.from[0], y - t.from[1]);
            let along = (ax * bx + ay * by) / (ax * ax + ay * ay).max(1e-9);
            let along = along.clamp(0.0, 1.0);
            t.radius - (bx - along * ax).hypot(by - along * ay)
        };
        let near = |t: &&Track| {
            let within = |k: usize, at: f64| {
                let (low, high) = (t.from[k].min(t.to[k]), t.from[k].max(t.to[k]));
                low - t.radius - 1.0 <= at && at <= high + t.radius + 1.0
            };
            within(0, x) && within(1, y)
        };
        let near = self.tracks.iter().filter(near);
        let deepest = near.map(depth).fold(f64::MIN, f64::max);
        (deepest + 0.5).clamp(0.0, 1.0)
    }
}
