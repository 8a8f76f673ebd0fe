//! Pictures that shrink, averaged as Pillow and torchvision do (`antialias=True`): a triangle as wide as two tensor
//! pixels, along the rows first, then down. Pillow rounds to whole levels after each; here nothing is rounded.

use super::strips::ChannelAt;

/// One output pixel: the first source pixel that counts, and where its weights lie.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    first: usize,
    start: usize,
    len: usize,
}

/// The weights of one axis; kept while the fit stays the same.
#[derive(Debug, Default)]
pub(super) struct Filter {
    spans: Vec<Span>,
    weights: Vec<f32>,
    of: Option<(u64, u64, usize, usize)>,
}

impl Filter {
    /// For `count` outputs that sample `0..len` from `from` with `step`.
    pub(super) fn prepare(&mut self, from: f64, step: f64, len: usize, count: usize) {
        let key = (from.to_bits(), step.to_bits(), len, count);
        if self.of.replace(key) == Some(key) {
            return;
        }
        self.spans.clear();
        self.weights.clear();
        let scale = step.max(1.0);
        for i in 0..count {
            let centre = (i as f64 + 0.5) * step + from;
            let at = |edge: f64| ((edge + 0.5).floor().max(0.0) as usize).min(len);
            let (mut first, mut last) = (at(centre - scale), at(centre + scale));
            if first >= last {
                first = (centre.max(0.0) as usize).min(len - 1);
                last = first + 1;
            }
            let weight = |x: usize| (1.0 - ((x as f64 + 0.5 - centre) / scale).abs()).max(0.0);
            let sum: f64 = (first..last).map(weight).sum();
            let start = self.weights.len();
            let normed = |x| {
                if sum > 0.0 {
                    weight(x) / sum
                } else {
                    1.0 / (last - first) as f64
                }
            };
            self.weights.extend((first..last).map(|x| normed(x) as f32));
            self.spans.push(Span {
                first,
                start,
                len: last - first,
            });
        }
    }

    /// Source indices that any output reads.
    pub(super) fn reads(&self) -> std::ops::Range<usize> {
        let first = self.spans.iter().map(|s| s.first).min().unwrap_or(0);
        let last = self
            .spans
            .iter()
            .map(|s| s.first + s.len)
            .max()
            .unwrap_or(0);
        first..last
    }

    /// Filters one channel of a strip; `skipped` columns of it lie before the first.
    pub(super) fn along(&self, strip: &[f32], at: ChannelAt, skipped: usize, out: &mut [f32]) {
        let strip = &strip[at.base..];
        let index = |column: usize| ((column + skipped) >> at.shift) * at.stride;
        for (out, span) in out.iter_mut().zip(&self.spans) {
            let weights = &self.weights[span.start..][..span.len];
            let pairs = weights.iter().enumerate();
            *out = pairs.map(|(i, w)| strip[index(span.first + i)] * w).sum();
        }
    }

    /// Adds source row `row`, `width` values, to every output row of `rows` that reads it.
    pub(super) fn down(&self, row: usize, values: &[f32], rows: &mut [f32]) {
        for (span, out) in self.spans.iter().zip(rows.chunks_exact_mut(values.len())) {
            let Some(i) = row.checked_sub(span.first).filter(|i| *i < span.len) else {
                continue;
            };
            let weight = self.weights[span.start + i];
            for (out, value) in out.iter_mut().zip(values) {
                *out += value * weight;
            }
        }
    }
}

/// Scratch of one preprocessor.
#[derive(Debug, Default)]
pub(super) struct Antialias {
    pub columns: Filter,
    pub rows: Filter,
    /// A picture of tensor size, per channel.
    pub sums: [Vec<f32>; 3],
}
