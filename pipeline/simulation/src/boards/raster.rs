//! Shapes as rows of pixels, at any scale.

/// A filled shape in picture pixels.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A disc.
    Disc { cx: f32, cy: f32, r: f32 },
    /// A polygon (even-odd), corners in order.
    Poly(Vec<(f32, f32)>),
}

impl Shape {
    pub(crate) fn rect(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self::Poly(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    }

    /// Calls `f(y, x0, x1)` for each row span of pixels whose centre lies inside, on a raster `scale` times finer
    /// than the picture and `width` x `height` fine pixels big. `crossings` is scratch.
    pub(crate) fn spans(
        &self,
        scale: f32,
        (width, height): (usize, usize),
        mut f: impl FnMut(usize, usize, usize),
    ) {
        let clip = |x0: f32, x1: f32| {
            let a = (x0 * scale - 0.5).ceil().clamp(0.0, width as f32) as usize;
            let b = ((x1 * scale - 0.5).floor() + 1.0).clamp(0.0, width as f32) as usize;
            (a < b).then_some((a, b))
        };
        let rows = |y0: f32, y1: f32| {
            let a = (y0 * scale - 0.5).ceil().clamp(0.0, height as f32) as usize;
            let b = ((y1 * scale - 0.5).floor() + 1.0).clamp(0.0, height as f32) as usize;
            a..b.max(a)
        };
        match self {
            Self::Disc { cx, cy, r } => {
                for y in rows(cy - r, cy + r) {
                    let dy = (y as f32 + 0.5) / scale - cy;
                    let half = (r * r - dy * dy).max(0.0).sqrt();
                    if let Some((a, b)) = clip(cx - half, cx + half) {
                        f(y, a, b);
                    }
                }
            }
            Self::Poly(corners) => {
                let ys = corners.iter().map(|c| c.1);
                let top = ys.clone().fold(f32::MAX, f32::min);
                let bottom = ys.fold(f32::MIN, f32::max);
                let mut crossings: Vec<f32> = Vec::with_capacity(8);
                for y in rows(top, bottom) {
                    let yc = (y as f32 + 0.5) / scale;
                    crossings.clear();
                    for (i, &(ax, ay)) in corners.iter().enumerate() {
                        let (bx, by) = corners[(i + 1) % corners.len()];
                        if (ay <= yc) != (by <= yc) {
                            crossings.push(ax + (yc - ay) / (by - ay) * (bx - ax));
                        }
                    }
                    crossings.sort_by(f32::total_cmp);
                    for pair in crossings.chunks_exact(2) {
                        if let Some((a, b)) = clip(pair[0], pair[1]) {
                            f(y, a, b);
                        }
                    }
                }
            }
        }
    }
}

/// A line of `width` along `points` with round joints and ends.
pub(crate) fn thick_line(points: &[(f32, f32)], width: f32, into: &mut Vec<Shape>) {
    let r = width / 2.0;
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let len = (bx - ax).hypot(by - ay).max(1e-3);
        let (nx, ny) = (-(by - ay) / len * r, (bx - ax) / len * r);
        into.push(Shape::Poly(vec![
            (ax + nx, ay + ny),
            (bx + nx, by + ny),
            (bx - nx, by - ny),
            (ax - nx, ay - ny),
        ]));
    }
    for &(cx, cy) in points {
        into.push(Shape::Disc { cx, cy, r });
    }
}

/// `points` moved sideways by `by` pixels (to the left of its direction), corners mitred.
pub(crate) fn parallel(points: &[(f32, f32)], by: f32) -> Vec<(f32, f32)> {
    let normal = |a: (f32, f32), b: (f32, f32)| {
        let len = (b.0 - a.0).hypot(b.1 - a.1).max(1e-3);
        (-(b.1 - a.1) / len, (b.0 - a.0) / len)
    };
    (0..points.len())
        .map(|i| {
            let before = normal(points[i.saturating_sub(1)], points[i.max(1)]);
            let next = (i + 1).min(points.len() - 1);
            let after = normal(points[next - 1], points[next]);
            let (mx, my) = (before.0 + after.0, before.1 + after.1);
            let k = 2.0 / (mx * mx + my * my).max(0.3);
            (points[i].0 + mx * k * by, points[i].1 + my * k * by)
        })
        .collect()
}
