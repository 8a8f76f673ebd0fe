//! Bilinear demosaicing: a missing colour is the mean of its nearest neighbours; borders are mirrored.

use super::rows::plane;
use sightline_model::{PictureRef, PixelFormat};
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

/// Red, green and blue of row `y`.
pub(super) fn rgb_row(
    p: &PictureRef<'_>,
    y: usize,
    columns: Range<usize>,
    r: &mut [f32],
    g: &mut [f32],
    b: &mut [f32],
) {
    let (width, height) = (p.width as usize, p.height as usize);
    let mosaic = plane(p, 0, width);
    let (above, below) = around(y, height);
    let (up, here, down) = (mosaic.row(above), mosaic.row(y), mosaic.row(below));
    let (red_x, red_y) = red_site(p.format);
    let red_row = y % 2 == red_y;
    // in a red row the direct sites are red and the far colour is blue; in a blue row the other way round
    let direct_parity = if red_row { red_x } else { 1 - red_x };
    let (direct, far) = if red_row { (r, b) } else { (b, r) };
    for (i, x) in columns.enumerate() {
        let (left, right) = around(x, width);
        let at = |row: &[u8], x: usize| f32::from(row[x]);
        let vertical = (at(up, x) + at(down, x)) * 0.5;
        let horizontal = (at(here, left) + at(here, right)) * 0.5;
        if x % 2 == direct_parity {
            direct[i] = at(here, x);
            g[i] = (vertical + horizontal) * 0.5;
            far[i] = (at(up, left) + at(up, right) + at(down, left) + at(down, right)) * 0.25;
        } else {
            direct[i] = horizontal;
            g[i] = at(here, x);
            far[i] = vertical;
        }
    }
}
