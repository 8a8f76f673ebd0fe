//! Along a row: a channel of a strip sampled at the tensor's columns.

use super::strips::ChannelAt;

/// One output column or row: its first source index, the next one, and the weight of that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tap {
    pub first: usize,
    pub second: usize,
    pub weight: f32,
}

/// Where output index `i` samples `0..len` (OpenCV's `INTER_LINEAR`: pixel centres, borders replicated).
pub(super) fn tap(i: usize, from: f64, step: f64, len: usize) -> Tap {
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

/// The columns of one fit; the table is kept while the fit stays the same.
#[derive(Debug, Default)]
pub(super) struct Columns {
    taps: Vec<Tap>,
    of: Option<(u64, u64, usize, usize)>,
    step: Step,
}

/// Fits that need no table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Step {
    #[default]
    Any,
    /// Each column is a source column.
    One,
    /// Each column is the mean of two neighbours, and no neighbour serves twice.
    Two,
}

impl Columns {
    /// For `width` columns sampling `0..len` from `from` with `step`.
    pub(super) fn prepare(&mut self, from: f64, step: f64, len: usize, width: usize) {
        let key = (from.to_bits(), step.to_bits(), len, width);
        if self.of == Some(key) {
            return;
        }
        self.of = Some(key);
        self.step = match (from, step) {
            (0.0, 1.0) => Step::One,
            (0.0, 2.0) => Step::Two,
            _ => Step::Any,
        };
        self.taps.clear();
        self.taps
            .extend((0..width).map(|x| tap(x, from, step, len)));
    }

    /// Samples one channel; `skipped` columns of the strip lie before the first.
    pub(super) fn sample(&self, strip: &[f32], at: ChannelAt, skipped: usize, out: &mut [f32]) {
        let aligned = skipped == 0;
        match (self.step, at.shift, at.stride) {
            (Step::One, 0, 1) if aligned => out.copy_from_slice(&strip[at.base..][..out.len()]),
            (Step::One, 0, 3) if aligned => every::<3>(&strip[at.base..], out),
            (Step::One, 1, 1) if aligned => twice::<1>(&strip[at.base..], out),
            (Step::One, 1, 2) if aligned => twice::<2>(&strip[at.base..], out),
            (Step::Two, 0, 1) if aligned => pairs::<2>(&strip[at.base..], 1, out),
            (Step::Two, 0, 2) if aligned => pairs::<4>(&strip[at.base..], 2, out),
            (Step::Two, 0, 3) if aligned => pairs::<6>(&strip[at.base..], 3, out),
            (Step::Two, 1, 1) if aligned => every::<1>(&strip[at.base..], out),
            (Step::Two, 1, 2) if aligned => every::<2>(&strip[at.base..], out),
            (Step::Two, 1, 4) if aligned => every::<4>(&strip[at.base..], out),
            _ => self.any(strip, at, skipped, out),
        }
    }

    fn any(&self, strip: &[f32], at: ChannelAt, skipped: usize, out: &mut [f32]) {
        let strip = &strip[at.base..];
        let index = |column: usize| ((column + skipped) >> at.shift) * at.stride;
        for (out, tap) in out.iter_mut().zip(&self.taps) {
            let (a, b) = (strip[index(tap.first)], strip[index(tap.second)]);
            *out = a + (b - a) * tap.weight;
        }
    }
}

/// Every `N`th sample. The last one may have nothing behind it.
fn every<const N: usize>(strip: &[f32], out: &mut [f32]) {
    let (chunks, rest) = strip.as_chunks::<N>();
    let firsts = chunks.iter().map(|c| c[0]).chain(rest.first().copied());
    for (out, first) in out.iter_mut().zip(firsts) {
        *out = first;
    }
}

/// Every `N`th sample, each for two columns.
fn twice<const N: usize>(strip: &[f32], out: &mut [f32]) {
    for (two, sample) in out.chunks_mut(2).zip(strip.chunks(N)) {
        two.fill(sample[0]);
    }
}

/// The mean of samples `0` and `apart` of every `N`. The last may have less than `N` behind it.
fn pairs<const N: usize>(strip: &[f32], apart: usize, out: &mut [f32]) {
    let (chunks, rest) = strip.as_chunks::<N>();
    let whole = chunks.len().min(out.len());
    for (out, c) in out.iter_mut().zip(chunks) {
        *out = (c[0] + c[apart]) * 0.5;
    }
    if let ([last], [first, ..]) = (&mut out[whole..], rest) {
        *last = (first + rest[apart]) * 0.5;
    }
}
