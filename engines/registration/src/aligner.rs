//! The inverse compositional algorithm on one level (Baker & Matthews, IJCV 2004, section 3.2): the gradients and the
//! Hessian are the golden picture's and are made once; a step costs one small warp and a few sums.

use crate::matrix::{dot, invert_symmetric, sum};
use crate::motion::{Mode, Motion};
use crate::warp::warp;
use opencv::core::{Mat, Rect, Size};
use opencv::prelude::*;

/// Steps shorter than this (at the corners, pixels of the level) end the search.
const STILL_PX: f64 = 0.02;

/// Where a picture was found, in pixels of the level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    /// From the golden picture to the part.
    pub motion: Motion,
    /// Correlation there, -1..=1.
    pub correlation: f64,
    /// The search came to rest.
    pub settled: bool,
}

/// One level of the golden picture, ready to be found in another.
pub(crate) struct Aligner {
    mode: Mode,
    /// The part of the level that stays inside the other picture whatever the accepted motion.
    inner: Rect,
    centre: [f64; 2],
    /// Parameters beyond the shift are pixels of movement at this distance from the centre.
    radius: f64,
    /// The golden picture within `inner`: mean 0, sum of squares 1.
    golden: Vec<f32>,
    /// How `golden` changes with each parameter, pixel by pixel.
    descent: Vec<Vec<f32>>,
    descent_sum: Vec<f64>,
    descent_golden: Vec<f64>,
    hessian_inverse: Vec<f64>,
    /// 0 (blind) to 1.
    pub conditioning: f64,
    warped: Mat,
}

impl Aligner {
    /// `level`: 32-bit floats. `margin`: how far, in its pixels, contents may move at the border.
    pub fn new(level: &Mat, mode: Mode, margin: i32) -> opencv::Result<Self> {
        let size = [level.cols(), level.rows()];
        let margin = margin.max(1);
        let inner = Rect::new(margin, margin, size[0] - 2 * margin, size[1] - 2 * margin);
        let centre = size.map(|side| f64::from(side - 1) / 2.0);
        let radius = f64::from(size[0].min(size[1])) / 2.0;
        let pixels = level.data_typed::<f32>()?;
        let at = |x: i32, y: i32| pixels[(y * size[0] + x) as usize];
        let mut golden = Vec::with_capacity(inner.area() as usize);
        let mut descent = vec![Vec::with_capacity(inner.area() as usize); mode.parameters()];
        for y in inner.y..inner.y + inner.height {
            for x in inner.x..inner.x + inner.width {
                golden.push(at(x, y));
                let gx = (at(x + 1, y) - at(x - 1, y)) / 2.0;
                let gy = (at(x, y + 1) - at(x, y - 1)) / 2.0;
                let u = ((f64::from(x) - centre[0]) / radius) as f32;
                let v = ((f64::from(y) - centre[1]) / radius) as f32;
                let all = match mode {
                    Mode::Translation => [gx, gy, 0.0, 0.0, 0.0, 0.0],
                    Mode::Euclidean => [gx, gy, gy * u - gx * v, 0.0, 0.0, 0.0],
                    Mode::Affine => [gx, gy, gx * u, gx * v, gy * u, gy * v],
                };
                descent.iter_mut().zip(all).for_each(|(d, a)| d.push(a));
            }
        }
        normalise(&mut golden, &mut descent);
        let n = descent.len();
        let hessian: Vec<f64> = (0..n * n)
            .map(|i| dot(&descent[i / n], &descent[i % n]))
            .collect();
        let (hessian_inverse, conditioning) = invert_symmetric(&hessian, n)?;
        Ok(Self {
            mode,
            inner,
            centre,
            radius,
            descent_sum: descent.iter().map(|d| sum(d)).collect(),
            descent_golden: descent.iter().map(|d| dot(d, &golden)).collect(),
            golden,
            descent,
            hessian_inverse,
            conditioning,
            warped: Mat::default(),
        })
    }

    /// Looks for the golden picture in `level`, from `start` on, in at most `steps` steps; gives up at once where the
    /// correlation at `start` is below `hopeless`.
    pub fn find(
        &mut self,
        level: &Mat,
        start: Motion,
        steps: usize,
        hopeless: f64,
    ) -> opencv::Result<Fit> {
        let half = self.centre;
        let mut motion = start;
        let mut best = Fit {
            motion,
            correlation: -1.0,
            settled: false,
        };
        for _ in 0..steps {
            let (correlation, next) = self.step(level, &motion)?;
            let settled = next.is_some_and(|next| next.distance(&motion, half) < STILL_PX);
            if correlation >= best.correlation {
                best = Fit {
                    motion,
                    correlation,
                    settled,
                };
            }
            let go_on = !settled && best.correlation >= hopeless;
            let Some(next) = next.filter(|_| go_on) else {
                break;
            };
            // Contents that left the picture cannot come back.
            if next.distance(&Motion::IDENTITY, half) > half[0].min(half[1]) {
                break;
            }
            motion = next;
        }
        Ok(best)
    }

    /// How well it fits at `motion`, and where it fits better; `None` there when nothing can be said.
    fn step(&mut self, level: &Mat, motion: &Motion) -> opencv::Result<(f64, Option<Motion>)> {
        let corner = [f64::from(self.inner.x), f64::from(self.inner.y)];
        let from = [corner[0] - self.centre[0], corner[1] - self.centre[1]];
        let size = Size::new(self.inner.width, self.inner.height);
        warp(level, &mut self.warped, size, motion, from, self.centre)?;
        let found = self.warped.data_typed::<f32>()?;
        let count = found.len() as f64;
        let mean = sum(found) / count;
        let spread = (dot(found, found) - count * mean * mean).max(0.0).sqrt();
        if spread < 1e-3 * count.sqrt() {
            return Ok((0.0, None)); // nothing to be seen there
        }
        let correlation = dot(found, &self.golden) / spread;
        let n = self.descent.len();
        let mut slope = [0.0; 6];
        for (k, slope) in slope.iter_mut().enumerate().take(n) {
            let seen = dot(&self.descent[k], found) - mean * self.descent_sum[k];
            *slope = seen / spread - self.descent_golden[k];
        }
        let mut p = [0.0; 6];
        for (row, p) in p.iter_mut().enumerate().take(n) {
            let inverse = &self.hessian_inverse[row * n..(row + 1) * n];
            *p = inverse.iter().zip(&slope).map(|(h, s)| h * s).sum();
        }
        let change = Motion::from_parameters(self.mode, &p[..n], self.radius);
        Ok((
            correlation,
            change.inverse().map(|back| motion.after(&back)),
        ))
    }
}

/// Golden picture to mean 0 and sum of squares 1; its descent by the same factor.
fn normalise(golden: &mut [f32], descent: &mut [Vec<f32>]) {
    let mean = (sum(golden) / golden.len() as f64) as f32;
    golden.iter_mut().for_each(|g| *g -= mean);
    let spread = dot(golden, golden).sqrt();
    if spread > 0.0 {
        let factor = (1.0 / spread) as f32;
        let all = descent.iter_mut().flatten().chain(golden.iter_mut());
        all.for_each(|v| *v *= factor);
    }
}
