//! The brush defects are drawn with: a wandering stroke with a ragged rim, a flat bar, or a bundle of scratches.

use crate::seed::at_pixel;

/// Points of a stroke at most.
pub(crate) const MAX_POINTS: usize = 4;

/// How a stroke looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Style {
    /// Round ends, rim ragged by about half a pixel.
    Round,
    /// Square ends.
    Flat,
    /// Hairs along the stroke; only the middle one is unbroken.
    Scratched,
}

/// A stroke in canvas pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) points: [(f32, f32); MAX_POINTS],
    pub(crate) count: usize,
    /// Half width at the first and the last point, pixels.
    pub(crate) radius: (f32, f32),
    pub(crate) style: Style,
    pub(crate) seed: u64,
}

impl Stroke {
    /// Calls `f(x, y)` for every pixel of the stroke; pixels where segments overlap come more than once.
    pub(crate) fn pixels(&self, mut f: impl FnMut(i32, i32)) {
        let segments = self.count - 1;
        for s in 0..segments {
            let share = |i: usize| i as f32 / segments as f32;
            let radius_at = |t: f32| self.radius.0 + (self.radius.1 - self.radius.0) * t;
            let radii = (radius_at(share(s)), radius_at(share(s + 1)));
            self.segment(self.points[s], self.points[s + 1], radii, &mut f);
        }
    }

    fn segment(
        &self,
        a: (f32, f32),
        b: (f32, f32),
        radii: (f32, f32),
        f: &mut impl FnMut(i32, i32),
    ) {
        let reach = radii.0.max(radii.1) + 1.0;
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let len = dx.hypot(dy).max(1e-3);
        let (ux, uy) = (dx / len, dy / len);
        for y in (a.1.min(b.1) - reach).floor() as i32..=(a.1.max(b.1) + reach).ceil() as i32 {
            for x in (a.0.min(b.0) - reach).floor() as i32..=(a.0.max(b.0) + reach).ceil() as i32 {
                let (px, py) = (x as f32 - a.0, y as f32 - a.1);
                let along = px * ux + py * uy;
                let beside = px * -uy + py * ux;
                let t = (along / len).clamp(0.0, 1.0);
                let radius = radii.0 + (radii.1 - radii.0) * t;
                let beyond = along - t * len;
                let hash = at_pixel(self.seed, x, y);
                let ragged = (hash & 255) as f32 / 255.0 - 0.5;
                let inside = match self.style {
                    Style::Round => beside.hypot(beyond) <= (radius + ragged * 0.9).max(1.0),
                    Style::Flat => beyond.abs() < 0.5 && beside.abs() <= radius,
                    Style::Scratched => {
                        beside.hypot(beyond) <= radius
                            && (beside.abs() <= 1.0 || self.hair(beside, along, hash))
                    }
                };
                if inside {
                    f(x, y);
                }
            }
        }
    }

    fn hair(&self, beside: f32, along: f32, hash: u32) -> bool {
        let piece = at_pixel(
            self.seed ^ 0xA11,
            (beside / 1.4).floor() as i32,
            (along / 9.0).floor() as i32,
        );
        piece & 3 != 0 && hash & 0x700 != 0
    }
}
