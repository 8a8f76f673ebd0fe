//! Bilinear demosaicing: a missing colour is the mean of its nearest neighbours; borders are mirrored.

use super::strips::{row, size};
use sightline_domain::{PictureRef, PixelFormat};
use std::ops::Range;

/// Column and row parity of the red sites.
pub(super) fn red_site(format: PixelFormat) -> (usize, usize) {
    match format {
        PixelFormat::BayerGrbg => (1, 0),
        PixelFormat::BayerGbrg => (0, 1),
        PixelFormat::BayerBggr => (1, 1),
        _ => (0, 0),
    }
}

/// Neighbours of `i` in `0..n`, mirrored about the border sites so that parity is kept.
pub(super) fn around(i: usize, n: usize) -> (usize, usize) {
    let before = if i > 0 { i - 1 } else { 1.min(n - 1) };
    let after = if i + 1 < n {
        i + 1
    } else {
        n.saturating_sub(2)
    };
    (before, after)
}

/// Three rows of the mosaic around the one that is read.
struct Window<'b> {
    up: &'b [u8],
    here: &'b [u8],
    down: &'b [u8],
}

/// The three colours at one site: the row's own (red or blue), green, the other.
struct Site {
    own: f32,
    green: f32,
    other: f32,
}

impl Window<'_> {
    /// Column `x` with neighbours `left` and `right`; `is_own` where the mosaic has the row's own colour there.
    fn site(&self, left: usize, x: usize, right: usize, is_own: bool) -> Site {
        let at = |row: &[u8], x: usize| f32::from(row[x]);
        let vertical = (at(self.up, x) + at(self.down, x)) * 0.5;
        let horizontal = (at(self.here, left) + at(self.here, right)) * 0.5;
        if is_own {
            let corners = [
                (self.up, left),
                (self.up, right),
                (self.down, left),
                (self.down, right),
            ];
            Site {
                own: at(self.here, x),
                green: (vertical + horizontal) * 0.5,
                other: corners.map(|(row, x)| at(row, x)).iter().sum::<f32>() * 0.25,
            }
        } else {
            Site {
                own: horizontal,
                green: at(self.here, x),
                other: vertical,
            }
        }
    }
}

/// Red, green and blue of row `y` between `columns`.
pub(super) fn rgb_row(
    p: &PictureRef<'_>,
    y: usize,
    columns: &Range<usize>,
    mask: &Mask,
    planes: &mut [Vec<f32>; 3],
) {
    let (width, height) = (p.width as usize, p.height as usize);
    let (above, below) = around(y, height);
    let mosaic = |y: usize| row(p, 0, y, 0..width);
    let window = Window {
        up: mosaic(above),
        here: mosaic(y),
        down: mosaic(below),
    };
    let (red_x, red_y) = red_site(p.format);
    let red_row = y % 2 == red_y;
    let own_parity = if red_row { red_x } else { 1 - red_x };
    let [r, g, b] = planes;
    let n = columns.len();
    let (r, green, b) = (size(r, n), size(g, n), size(b, n));
    let (own, other) = if red_row { (r, b) } else { (b, r) };
    let mut put = |x: usize, site: Site| {
        let i = x - columns.start;
        (own[i], green[i], other[i]) = (site.own, site.green, site.other);
    };
    for x in [columns.start, columns.end - 1] {
        let (left, right) = around(x, width);
        put(x, window.site(left, x, right, x % 2 == own_parity));
    }
    if n > 2 {
        let inner = columns.start + 1..columns.end - 1;
        let parity = (inner.start + own_parity) % 2;
        let range = 1..n - 1;
        let out = [
            &mut own[range.clone()],
            &mut green[range.clone()],
            &mut other[range],
        ];
        let mask = &mask.0[usize::from(parity == 1)..][..inner.len()];
        interior(&window, inner, mask, out);
    }
}

/// 1, 0, 1, 0, … as long as the widest row seen and one more.
#[derive(Debug, Default)]
pub(super) struct Mask(Vec<f32>);

impl Mask {
    /// Makes it long enough for rows of `width`; allocates only while it grows.
    pub(super) fn reserve(&mut self, width: usize) {
        while self.0.len() <= width {
            self.0.push((1 - self.0.len() % 2) as f32);
        }
    }
}

/// Columns that have both neighbours. Every mean is computed for every column and the one that counts is picked by
/// the alternating mask, which vectors do faster than branches.
fn interior(w: &Window<'_>, columns: Range<usize>, mask: &[f32], out: [&mut [f32]; 3]) {
    let n = columns.len();
    let [ul, uc, ur] = neighbours(w.up, &columns);
    let [hl, hc, hr] = neighbours(w.here, &columns);
    let [dl, dc, dr] = neighbours(w.down, &columns);
    let [own, green, other] = out;
    let (own, green, other, mask) = (&mut own[..n], &mut green[..n], &mut other[..n], &mask[..n]);
    for i in 0..n {
        let here = f32::from(hc[i]);
        let horizontal = f32::from(u16::from(hl[i]) + u16::from(hr[i])) * 0.5;
        let vertical = f32::from(u16::from(uc[i]) + u16::from(dc[i])) * 0.5;
        let corners = u16::from(ul[i]) + u16::from(ur[i]) + u16::from(dl[i]) + u16::from(dr[i]);
        let diagonal = f32::from(corners) * 0.25;
        let cross = (horizontal + vertical) * 0.5;
        own[i] = horizontal + (here - horizontal) * mask[i];
        green[i] = here + (cross - here) * mask[i];
        other[i] = vertical + (diagonal - vertical) * mask[i];
    }
}

/// The same columns one to the left, here, and one to the right, of equal length so that checks fall away.
fn neighbours<'b>(row: &'b [u8], columns: &Range<usize>) -> [&'b [u8]; 3] {
    let row = &row[columns.start - 1..=columns.end];
    [0, 1, 2].map(|by| &row[by..][..columns.len()])
}
