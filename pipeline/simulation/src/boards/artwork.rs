//! A board's artwork from a seed: planes, buses, wide traces, pad rows, vias, bars, in the densities of real boards.

use super::features::{Feature, Sheet};
use super::raster::{Shape, parallel};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Draws one design on a sheet of `width` x `height` pixels.
pub(crate) fn draw(width: usize, height: usize, rng: ChaCha8Rng) -> Sheet {
    let mut artist = Artist {
        sheet: Sheet::new(width, height),
        rng,
    };
    artist.compose();
    artist.sheet
}

struct Artist {
    sheet: Sheet,
    rng: ChaCha8Rng,
}

impl Artist {
    fn compose(&mut self) {
        let poured = self.rng.random_bool(0.5);
        if poured {
            self.planes();
        }
        let density: f32 = self.between(0.3..2.2) * self.area();
        if self.rng.random_bool(0.3) {
            self.bars();
        }
        self.times(density * 2.0, |a| {
            let (n, w) = (a.rng.random_range(2..8), a.between(6.0..13.0));
            a.bus(n, w)
        });
        self.times(density * 2.0, |a| {
            let (n, w) = (a.rng.random_range(1..3), a.between(16.0..36.0));
            a.bus(n, w)
        });
        self.times(density * 1.0, |a| {
            let w = a.between(36.0..110.0);
            a.bus(1, w)
        });
        self.times(density * 2.5, Self::pad_rows);
        self.times(density * 1.0, Self::disc_array);
        self.times(density * 26.0, Self::connection);
        self.times(density * 9.0, Self::lone_pad);
    }

    fn area(&self) -> f32 {
        (self.sheet.width * self.sheet.height) as f32 / (688.0 * 688.0)
    }

    fn between(&mut self, range: Range<f32>) -> f32 {
        self.rng.random_range(range)
    }

    fn place_on_sheet(&mut self) -> (f32, f32) {
        let (w, h) = (self.sheet.width as f32, self.sheet.height as f32);
        (self.between(0.0..w), self.between(0.0..h))
    }

    /// `mean` times on average, at random.
    fn times(&mut self, mean: f32, mut f: impl FnMut(&mut Self)) {
        for _ in 0..self.between(0.0..2.0 * mean + 1.0) as usize {
            f(self);
        }
    }

    /// Copper planes with splits and round clearings.
    fn planes(&mut self) {
        let (w, h) = (self.sheet.width as f32, self.sheet.height as f32);
        match self.rng.random_range(0..3) {
            0 => self.sheet.paint(Shape::rect(0.0, 0.0, w, h), true),
            1 => {
                for _ in 0..self.rng.random_range(1..4) {
                    let (cx, cy) = (
                        self.between(-0.4 * w..1.4 * w),
                        self.between(-0.4 * h..1.4 * h),
                    );
                    let r = self.between(120.0..520.0);
                    self.sheet.paint(Shape::Disc { cx, cy, r }, true);
                }
            }
            _ => {
                let (a, b) = (
                    self.between(0.2 * w..0.8 * w),
                    self.between(0.2 * h..0.8 * h),
                );
                let cut = self.between(20.0..120.0);
                let corners = vec![(0.0, 0.0), (a, 0.0), (a, b - cut), (a - cut, b), (0.0, b)];
                let (fx, fy) = (self.rng.random_bool(0.5), self.rng.random_bool(0.5));
                let flip = |(x, y)| (if fx { w - x } else { x }, if fy { h - y } else { y });
                self.sheet
                    .paint(Shape::Poly(corners.into_iter().map(flip).collect()), true);
            }
        }
        for _ in 0..self.rng.random_range(0..4) {
            let (cx, cy) = self.place_on_sheet();
            let r = self.between(40.0..170.0);
            self.sheet.paint(Shape::Disc { cx, cy, r }, false);
        }
        for _ in 0..self.rng.random_range(0..4) {
            let points = self.path(60.0..300.0);
            let width = self.between(9.0..26.0);
            let mut shapes = Vec::new();
            super::raster::thick_line(&points, width, &mut shapes);
            for shape in shapes {
                self.sheet.paint(shape, false);
            }
        }
    }

    /// A path across the sheet with 45-degree bends (sometimes 90), entering at a random side.
    fn path(&mut self, run: Range<f32>) -> Vec<(f32, f32)> {
        let (w, h) = (self.sheet.width as f32, self.sheet.height as f32);
        let swap = self.rng.random_bool(0.5);
        let (along, across) = if swap { (h, w) } else { (w, h) };
        let (mut x, mut y) = (-60.0, self.between(0.0..across));
        let mut points = vec![(x, y)];
        let bends = self.rng.random_bool(0.8);
        while x < along + 60.0 {
            x += if bends {
                self.between(run.clone())
            } else {
                along + 130.0
            };
            points.push((x, y));
            if bends {
                let rise =
                    self.between(20.0..180.0) * if self.rng.random_bool(0.5) { 1.0 } else { -1.0 };
                if self.rng.random_bool(0.85) {
                    x += rise.abs();
                }
                y += rise;
                points.push((x, y));
            }
        }
        if swap {
            points.iter_mut().for_each(|p| *p = (p.1, p.0));
        }
        points
    }

    /// `count` parallel traces of `width` across the sheet.
    fn bus(&mut self, count: usize, width: f32) {
        for _ in 0..4 {
            let base = self.path(70.0..320.0);
            let gap = self.between(8.0..18.0);
            let traces: Vec<Feature> = (0..count)
                .map(|i| Feature::Trace {
                    points: parallel(&base, i as f32 * (width + gap)),
                    width,
                })
                .collect();
            let clearance = gap.min(12.0);
            let mut any = false;
            for trace in traces {
                any |= self.sheet.place(&[trace], &[], clearance);
            }
            if any {
                return;
            }
        }
    }

    /// Two vias or pads joined by a trace with one or two bends.
    fn connection(&mut self) {
        let (x, y) = self.place_on_sheet();
        let width = self.between(6.0..15.0);
        let (dx, dy) = (self.between(-180.0..180.0), self.between(-180.0..180.0));
        // First the straight part of the longer axis, then the diagonal.
        let diagonal = dx.abs().min(dy.abs());
        let bend = if dx.abs() > dy.abs() {
            (x + (dx.abs() - diagonal) * dx.signum(), y)
        } else {
            (x, y + (dy.abs() - diagonal) * dy.signum())
        };
        let end = (
            bend.0 + diagonal * dx.signum(),
            bend.1 + diagonal * dy.signum(),
        );
        let mut features = vec![Feature::Trace {
            points: vec![(x, y), bend, end],
            width,
        }];
        let mut holes = Vec::new();
        for at in [(x, y), end] {
            self.terminal(at, width, &mut features, &mut holes);
        }
        let gap = self.between(8.0..14.0);
        self.sheet.place(&features, &holes, gap);
    }

    /// What a trace ends in: via, holed pad, rectangular pad or nothing.
    fn terminal(
        &mut self,
        (x, y): (f32, f32),
        width: f32,
        features: &mut Vec<Feature>,
        holes: &mut Vec<Shape>,
    ) {
        match self.rng.random_range(0..6) {
            0..3 => {
                let r = width * 0.5 + self.between(5.0..11.0);
                features.push(Feature::Disc { x, y, r });
            }
            3 => {
                let r = self.between(20.0..32.0);
                features.push(Feature::Disc { x, y, r });
                holes.push(Shape::Disc {
                    cx: x,
                    cy: y,
                    r: r * self.between(0.32..0.5),
                });
            }
            4 => {
                let (a, b) = (self.between(14.0..24.0), self.between(14.0..24.0));
                features.push(Feature::Rect {
                    x0: x - a,
                    y0: y - b,
                    x1: x + a,
                    y1: y + b,
                });
            }
            _ => {}
        }
    }

    /// One or two rows of rectangular pads, each with a short trace of its own.
    fn pad_rows(&mut self) {
        let (x, y) = self.place_on_sheet();
        let (w, h) = (self.between(16.0..34.0), self.between(26.0..56.0));
        let pitch = w + self.between(12.0..26.0);
        let rows = self.rng.random_range(1..3);
        let row_step = h + self.between(40.0..130.0);
        let swap = self.rng.random_bool(0.4);
        let turn = |x: f32, y: f32| if swap { (y, x) } else { (x, y) };
        for i in 0..self.rng.random_range(2..9) {
            for row in 0..rows {
                let (px, py) = (x + i as f32 * pitch, y + row as f32 * row_step);
                let (a, b) = (turn(px, py), turn(px + w, py + h));
                let mut features = vec![Feature::Rect {
                    x0: a.0,
                    y0: a.1,
                    x1: b.0,
                    y1: b.1,
                }];
                if self.rng.random_bool(0.6) {
                    let out = self.between(20.0..90.0) * if row == 0 { -1.0 } else { 1.0 };
                    let from = (px + w / 2.0, if row == 0 { py } else { py + h });
                    let to = turn(from.0, from.1 + out);
                    let width = self.between(6.0..12.0);
                    features.push(Feature::Trace {
                        points: vec![turn(from.0, from.1), to],
                        width,
                    });
                    if self.rng.random_bool(0.5) {
                        features.push(Feature::Disc {
                            x: to.0,
                            y: to.1,
                            r: width * 0.5 + 5.0,
                        });
                    }
                }
                self.sheet.place(&features, &[], 8.0);
            }
        }
    }

    /// A grid of round pads, filled or holed.
    fn disc_array(&mut self) {
        let (x, y) = self.place_on_sheet();
        let r = self.between(14.0..44.0);
        let pitch = 2.0 * r + self.between(14.0..44.0);
        let hole = self.rng.random_bool(0.4).then_some(r * 0.4);
        for i in 0..self.rng.random_range(1..6) {
            for j in 0..self.rng.random_range(1..4) {
                let (cx, cy) = (x + i as f32 * pitch, y + j as f32 * pitch);
                let holes: Vec<Shape> = hole.iter().map(|&r| Shape::Disc { cx, cy, r }).collect();
                self.sheet
                    .place(&[Feature::Disc { x: cx, y: cy, r }], &holes, 9.0);
            }
        }
    }

    fn lone_pad(&mut self) {
        let (x, y) = self.place_on_sheet();
        let r = self.between(6.0..16.0);
        self.sheet.place(&[Feature::Disc { x, y, r }], &[], 12.0);
    }

    /// Wide bars, some stepped sideways half way, as on power boards.
    fn bars(&mut self) {
        let (w, h) = (self.sheet.width as f32, self.sheet.height as f32);
        let swap = self.rng.random_bool(0.3);
        let (along, across) = if swap { (w, h) } else { (h, w) };
        let width = self.between(36.0..110.0);
        let gap = self.between(22.0..70.0);
        let mut x = -self.between(0.0..width);
        while x < across {
            let step = if self.rng.random_bool(0.3) {
                self.between(10.0..gap + width)
            } else {
                0.0
            };
            let y = self.between(0.1 * along..0.8 * along);
            let corners = vec![
                (x, -5.0),
                (x + width, -5.0),
                (x + width, y),
                (x + width + step, y + step),
                (x + width + step, along + 5.0),
                (x + step, along + 5.0),
                (x + step, y + step),
                (x, y),
            ];
            let flip = |(x, y)| if swap { (y, x) } else { (x, y) };
            let bar = Feature::Poly(corners.into_iter().map(flip).collect());
            if self.rng.random_bool(0.85) {
                self.sheet.place(&[bar], &[], 12.0);
            }
            x += width + gap + step;
        }
    }
}
