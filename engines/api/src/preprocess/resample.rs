//! Bilinear resampling: columns first, into two cached rows; then between those two.

use super::rows::{RowSource, Rows};
use super::{Affine, Target, fit::Fit};

/// One output column or row: its first source index and the weight of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// Tables and cached rows; grow with the largest view seen.
#[derive(Debug, Default)]
pub(super) struct Resampler {
    columns: Vec<Tap>,
    columns_of: Option<ColumnsKey>,
    upper: CachedRow,
    lower: CachedRow,
}

/// What the column table depends on.
type ColumnsKey = (u64, u64, usize, usize);

#[derive(Debug, Default)]
struct CachedRow {
    source_row: Option<usize>,
    planes: [Vec<f32>; 3],
}

/// Where output index `i` samples `0..len`, relative to the region's start (OpenCV's `INTER_LINEAR`).
fn tap(i: usize, from: f64, step: f64, len: usize) -> Tap {
    let at = (i as f64 + 0.5) * step + from - 0.5;
    let last = len - 1;
    let floor = at.floor();
    if floor < 0.0 {
        return Tap::default();
    }
    let first = floor as usize;
    if first >= last {
        return Tap {
            first: last,
            second: last,
            weight: 0.0,
        };
    }
    Tap {
        first,
        second: first + 1,
        weight: (at - floor) as f32,
    }
}

impl Resampler {
    pub(super) fn run(
        &mut self,
        source: &RowSource<'_, '_>,
        fit: &Fit,
        target: &mut Target<'_>,
        rows: &mut Rows,
    ) {
        let [left, top, w, h] = fit.to;
        let (region_x, region_y) = (fit.columns().start, fit.rows().start);
        let from_y = fit.from.1 - region_y as f64;
        self.prepare(fit, region_x, source.len(), w);
        rows.reserve(source.len());
        let affine = target.affine;
        for y in 0..h {
            let t = tap(y, from_y, fit.step.1, fit.rows().len());
            self.cache(region_y + t.first, region_y + t.second, source, rows);
            for (channel, a) in affine.iter().enumerate() {
                let (upper, lower) = (&self.upper.planes[channel], &self.lower.planes[channel]);
                let out = target.row(channel, top + y, left, w);
                blend(out, &upper[..w], &lower[..w], t.weight, *a);
            }
        }
    }

    fn prepare(&mut self, fit: &Fit, region_x: usize, len: usize, w: usize) {
        let from = fit.from.0 - region_x as f64;
        let key = (from.to_bits(), fit.step.0.to_bits(), len, w);
        if self.columns_of != Some(key) {
            self.columns.clear();
            self.columns
                .extend((0..w).map(|x| tap(x, from, fit.step.0, len)));
            self.columns_of = Some(key);
        }
        for row in [&mut self.upper, &mut self.lower] {
            row.source_row = None;
            for plane in &mut row.planes {
                if plane.len() < w {
                    plane.resize(w, 0.0);
                }
            }
        }
    }

    /// Makes `upper` hold source row `first` and `lower` `second`.
    fn cache(&mut self, first: usize, second: usize, source: &RowSource<'_, '_>, rows: &mut Rows) {
        if self.upper.source_row != Some(first) && self.lower.source_row == Some(first) {
            std::mem::swap(&mut self.upper, &mut self.lower);
        }
        for (row, wanted) in [(&mut self.upper, first), (&mut self.lower, second)] {
            if row.source_row != Some(wanted) {
                row.fill(wanted, &self.columns, source, rows);
            }
        }
    }
}

impl CachedRow {
    fn fill(&mut self, y: usize, columns: &[Tap], source: &RowSource<'_, '_>, rows: &mut Rows) {
        source.read(y, &mut rows.planes);
        for channel in 0..source.channels() {
            let read = &rows.planes[channel][..source.len()];
            for (out, tap) in self.planes[channel].iter_mut().zip(columns) {
                let (a, b) = (read[tap.first], read[tap.second]);
                *out = a + (b - a) * tap.weight;
            }
        }
        self.source_row = Some(y);
    }
}

fn blend(out: &mut [f32], upper: &[f32], lower: &[f32], weight: f32, a: Affine) {
    for ((out, &u), &l) in out.iter_mut().zip(upper).zip(lower) {
        *out = (u + (l - u) * weight) * a.mul + a.add;
    }
}
