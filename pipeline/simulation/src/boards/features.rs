//! What board artwork is made of, and the sheet on which features are placed without touching each other.

use super::raster::{Shape, thick_line};

/// One copper feature.
#[derive(Clone, Debug)]
pub(crate) enum Feature {
    /// A trace along points.
    Trace { points: Vec<(f32, f32)>, width: f32 },
    /// A round pad or via.
    Disc { x: f32, y: f32, r: f32 },
    /// A rectangular pad.
    Rect { x0: f32, y0: f32, x1: f32, y1: f32 },
    /// Any polygon; it is not grown, so it needs its own clearance.
    Poly(Vec<(f32, f32)>),
}

impl Feature {
    /// The feature's shapes, grown by `by` pixels on every side.
    fn shapes(&self, by: f32, into: &mut Vec<Shape>) {
        match self {
            Self::Trace { points, width } => thick_line(points, width + 2.0 * by, into),
            Self::Disc { x, y, r } => into.push(Shape::Disc {
                cx: *x,
                cy: *y,
                r: r + by,
            }),
            Self::Rect { x0, y0, x1, y1 } => {
                into.push(Shape::rect(x0 - by, y0 - by, x1 + by, y1 + by));
            }
            Self::Poly(corners) => {
                into.push(Shape::Poly(corners.clone()));
                if by > 0.0 {
                    let mut closed = corners.clone();
                    closed.push(corners[0]);
                    thick_line(&closed, 2.0 * by, into);
                }
            }
        }
    }
}

/// Drawing operations in order, and what of the sheet is taken.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) operations: Vec<(Shape, bool)>,
    taken: Vec<bool>,
}

impl Sheet {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            operations: Vec::new(),
            taken: vec![false; width * height],
        }
    }

    /// Paints copper or bare substrate without claiming the place (planes, splits, clearings).
    pub(crate) fn paint(&mut self, shape: Shape, copper: bool) {
        self.operations.push((shape, copper));
    }

    /// Places connected `features` with `holes` if nothing placed before comes nearer than `gap` pixels; clears
    /// that gap out of any plane below. False when the place is taken.
    pub(crate) fn place(&mut self, features: &[Feature], holes: &[Shape], gap: f32) -> bool {
        let (mut grown, mut solid) = (Vec::new(), Vec::new());
        for feature in features {
            feature.shapes(gap, &mut grown);
            feature.shapes(0.0, &mut solid);
        }
        let size = (self.width, self.height);
        let mut free = true;
        for shape in &grown {
            shape.spans(1.0, size, |y, a, b| {
                free &= !self.taken[y * size.0 + a..y * size.0 + b].contains(&true);
            });
            if !free {
                return false;
            }
        }
        for shape in &solid {
            shape.spans(1.0, size, |y, a, b| {
                self.taken[y * size.0 + a..y * size.0 + b].fill(true);
            });
        }
        self.operations
            .extend(grown.into_iter().map(|shape| (shape, false)));
        self.operations
            .extend(solid.into_iter().map(|shape| (shape, true)));
        self.operations
            .extend(holes.iter().cloned().map(|shape| (shape, false)));
        true
    }

    /// The sheet four times finer than the picture, averaged: copper share of each pixel, 0..=1.
    pub(crate) fn coverage(&self) -> Vec<f32> {
        const FINE: usize = 4;
        let (w, h) = (self.width * FINE, self.height * FINE);
        let mut fine = vec![0u8; w * h];
        for (shape, copper) in &self.operations {
            shape.spans(FINE as f32, (w, h), |y, a, b| {
                fine[y * w + a..y * w + b].fill(u8::from(*copper));
            });
        }
        let mut coverage = vec![0f32; self.width * self.height];
        for (y, row) in fine.chunks_exact(w).enumerate() {
            let out = &mut coverage[y / FINE * self.width..][..self.width];
            for (pixel, four) in out.iter_mut().zip(row.chunks_exact(FINE)) {
                *pixel += f32::from(four.iter().sum::<u8>()) / (FINE * FINE) as f32;
            }
        }
        coverage
    }
}
