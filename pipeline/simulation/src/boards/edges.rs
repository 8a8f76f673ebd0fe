//! Edges with a signed distance: moving an edge by part of a pixel decides which of its pixels change.

use crate::seed::PixelNoise;

/// Distances are kept in 1/64 pixel.
pub(crate) const UNIT: f32 = 64.0;
/// Pixels per side of a cell of constant roughness.
pub(crate) const CELL: usize = 8;

/// All pixels within about two pixels of an edge, row by row.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// First entry of each canvas row, and the total at the end.
    pub(crate) row_start: Vec<u32>,
    pub(crate) pixels: Vec<EdgePixel>,
}

/// One pixel near an edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgePixel {
    /// Canvas column.
    pub(crate) x: u16,
    /// Distance into the copper, 1/64 pixel; negative in the substrate.
    pub(crate) depth: i8,
    /// Unit normal pointing into the copper, 1/64.
    pub(crate) nx: i8,
    pub(crate) ny: i8,
}

/// A random roughness field: constant over small cells, so that an edge moves in short runs as in scanned boards.
#[derive(Debug, Default)]
pub(crate) struct Roughness {
    columns: usize,
    cells: Vec<i16>,
}

impl Roughness {
    pub(crate) fn for_canvas(width: usize, height: usize) -> Self {
        let columns = width.div_ceil(CELL);
        Self {
            columns,
            cells: vec![0; columns * height.div_ceil(CELL)],
        }
    }

    /// New values with standard deviation `sigma_px`.
    pub(crate) fn roll(&mut self, noise: &mut PixelNoise, sigma_px: f32) {
        let scale = (sigma_px * UNIT) as i32;
        for cell in &mut self.cells {
            *cell = (noise.gauss64() * scale / 64) as i16;
        }
    }

    pub(crate) fn row(&self, y: usize) -> &[i16] {
        &self.cells[y / CELL * self.columns..][..self.columns]
    }
}

/// The smoothed copper share of each pixel as a distance to the edge, clamped to two pixels; positive in copper.
pub(crate) fn distances(mut coverage: Vec<f32>, width: usize, height: usize) -> Vec<f32> {
    const SIGMA_PX: f32 = 1.1;
    blur(&mut coverage, width, height, SIGMA_PX);
    // A straight edge blurred by a Gaussian is its distribution function; the logistic curve inverts it within a few percent.
    let to_px = SIGMA_PX * 1.04 / 1.702;
    coverage
        .iter()
        .map(|&c| {
            let c = c.clamp(1e-4, 1.0 - 1e-4);
            ((c / (1.0 - c)).ln() * to_px).clamp(-2.0, 2.0)
        })
        .collect()
}

fn blur(field: &mut Vec<f32>, width: usize, height: usize, sigma: f32) {
    let taps: Vec<f32> = (-3..=3)
        .map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp())
        .collect();
    let sum: f32 = taps.iter().sum();
    for vertical in [false, true] {
        let mut out = vec![0f32; field.len()];
        for y in 0..height {
            for x in 0..width {
                let mut acc = 0.0;
                for (i, tap) in taps.iter().enumerate() {
                    let (sx, sy) = if vertical {
                        (x, (y + i).saturating_sub(3).min(height - 1))
                    } else {
                        ((x + i).saturating_sub(3).min(width - 1), y)
                    };
                    acc += tap * field[sy * width + sx];
                }
                out[y * width + x] = acc / sum;
            }
        }
        *field = out;
    }
}

impl Edges {
    /// Pixels whose edge exists: where copper comes close but the design shows none (a slit under a pixel wide), no part
    /// shows any either. `depth` is the distance to the nearest pixel of the other kind.
    pub(crate) fn find(distance: &[f32], depth: &[u8], width: usize, height: usize) -> Self {
        let mut edges = Self::default();
        edges.row_start.push(0);
        for y in 0..height {
            for x in 0..width {
                let d = distance[y * width + x];
                let at_edge = d.abs() < 1.95 && depth[y * width + x] <= 3;
                if at_edge && (1..width - 1).contains(&x) && (1..height - 1).contains(&y) {
                    let gx = distance[y * width + x + 1] - distance[y * width + x - 1];
                    let gy = distance[(y + 1) * width + x] - distance[(y - 1) * width + x];
                    let len = gx.hypot(gy).max(1e-3);
                    edges.pixels.push(EdgePixel {
                        x: x as u16,
                        depth: (d * UNIT) as i8,
                        nx: (gx / len * UNIT) as i8,
                        ny: (gy / len * UNIT) as i8,
                    });
                }
            }
            edges.row_start.push(edges.pixels.len() as u32);
        }
        edges
    }

    pub(crate) fn row(&self, y: usize) -> &[EdgePixel] {
        &self.pixels[self.row_start[y] as usize..self.row_start[y + 1] as usize]
    }
}
