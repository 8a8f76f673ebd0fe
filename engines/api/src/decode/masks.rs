//! Instance masks as YOLO's segmentation heads give them: prototypes for the whole picture, and for each box the weights that mix
//! them. A pixel belongs to the finding where the mixture, brought to the network's size, is above zero, inside its box.

use super::OutputView;
use super::outline::Outline;
use crate::preprocess::Placement;
use sightline_domain::{Area, BoxTensor, Detection};

/// Scratch of one decoder.
#[derive(Debug, Default)]
pub(super) struct Masks {
    mixed: Vec<f32>,
    inside: Vec<bool>,
    outline: Outline,
}

/// Where a box's weights stand in a head's values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'v> {
    pub values: &'v [f32],
    /// The first weight of a place.
    pub first: usize,
    /// From one place to the next.
    pub by_place: usize,
    /// From one weight to the next.
    pub by_weight: usize,
}

impl Weights<'_> {
    fn of(&self, place: u32, weight: usize) -> f32 {
        let at = self.first + place as usize * self.by_place + weight * self.by_weight;
        self.values.get(at).copied().unwrap_or(f32::NAN)
    }
}

impl Masks {
    /// Area and contour of each finding; `places[i]` is where `found[i]` stands in the head. Returns how many of them have a
    /// mask that says nothing: a weight or a prototype that is no number.
    pub(super) fn fill(
        &mut self,
        found: &mut [Detection],
        places: &[u32],
        weights: Weights<'_>,
        prototypes: OutputView<'_>,
        (size, placed): ((u32, u32), &Placement),
    ) -> u32 {
        let [count, height, width] = *prototypes.dims else {
            return found.len() as u32;
        };
        let grid = Grid {
            width,
            height,
            step: (size.0 as f32 / width as f32, size.1 as f32 / height as f32),
        };
        let mut broken = 0;
        for (finding, &place) in found.iter_mut().zip(places) {
            let bbox = placed.map.box_to_tensor(&finding.bbox_view);
            let mix = (0..count).map(|w| weights.of(place, w));
            grid.mix(mix, prototypes.values, &bbox, &mut self.mixed);
            match self.area(&grid, &bbox, placed) {
                Some(area) => finding.area = Some(area),
                None => broken += 1,
            }
        }
        broken
    }

    fn area(&mut self, grid: &Grid, bbox: &BoxTensor, placed: &Placement) -> Option<Area> {
        let window = grid.window(bbox);
        if self.mixed.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let (left, top) = (bbox.x.max(0.0).floor(), bbox.y.max(0.0).floor());
        let right = (bbox.x + bbox.w)
            .ceil()
            .min(grid.width as f32 * grid.step.0);
        let bottom = (bbox.y + bbox.h)
            .ceil()
            .min(grid.height as f32 * grid.step.1);
        let (w, h) = (
            (right - left).max(0.0) as usize,
            (bottom - top).max(0.0) as usize,
        );
        self.inside.clear();
        for y in 0..h {
            for x in 0..w {
                let at = (left + x as f32 + 0.5, top + y as f32 + 0.5);
                let in_box = at.0 >= bbox.x
                    && at.0 < bbox.x + bbox.w
                    && at.1 >= bbox.y
                    && at.1 < bbox.y + bbox.h;
                let on = in_box && grid.sample(&self.mixed, &window, at) > 0.0;
                self.inside.push(on);
            }
        }
        let pixels = self.inside.iter().filter(|on| **on).count();
        let scale = placed.map.scale_x * placed.map.scale_y;
        let to_view = |[x, y]: [f32; 2]| {
            [
                (left + x - placed.map.offset_x) / placed.map.scale_x,
                (top + y - placed.map.offset_y) / placed.map.scale_y,
            ]
        };
        Some(Area {
            px: pixels as f32 / scale,
            contour: self.outline.of(&self.inside, w, to_view),
        })
    }
}

/// The prototypes' raster on the network's input.
struct Grid {
    width: usize,
    height: usize,
    /// Pixels of the input a cell.
    step: (f32, f32),
}

/// Cells around a box: left, top, width, height.
type Window = [usize; 4];

impl Grid {
    fn window(&self, b: &BoxTensor) -> Window {
        let from = |v: f32, step: f32| ((v / step - 0.5).floor() - 1.0).max(0.0) as usize;
        let to = |v: f32, step: f32, most: usize| ((v / step + 2.5).max(0.0) as usize).min(most);
        let (x, y) = (from(b.x, self.step.0), from(b.y, self.step.1));
        let right = to(b.x + b.w, self.step.0, self.width);
        let bottom = to(b.y + b.h, self.step.1, self.height);
        [x, y, right.saturating_sub(x), bottom.saturating_sub(y)]
    }

    /// The mixture in the window of a box.
    fn mix(
        &self,
        weights: impl Iterator<Item = f32>,
        prototypes: &[f32],
        bbox: &BoxTensor,
        out: &mut Vec<f32>,
    ) {
        let [x, y, w, h] = self.window(bbox);
        out.clear();
        out.resize(w * h, 0.0);
        let planes = prototypes.chunks_exact(self.width * self.height);
        for (weight, plane) in weights.zip(planes) {
            for (row, out) in out.chunks_exact_mut(w.max(1)).enumerate() {
                let from = (y + row) * self.width + x;
                for (out, value) in out.iter_mut().zip(&plane[from..from + w]) {
                    *out += weight * value;
                }
            }
        }
    }

    /// Bilinear between the cells' centres, borders repeated; `at` is in pixels of the input.
    fn sample(&self, mixed: &[f32], &[x0, y0, w, h]: &Window, at: (f32, f32)) -> f32 {
        let tap = |v: f32, step: f32, most: usize, first: usize, len: usize| {
            let v = (v / step - 0.5).clamp(0.0, (most - 1) as f32);
            let low = v as usize;
            let inside = |i: usize| i.min(most - 1).saturating_sub(first).min(len - 1);
            (inside(low), inside(low + 1), v - low as f32)
        };
        if w == 0 || h == 0 {
            return 0.0;
        }
        let (left, right, fx) = tap(at.0, self.step.0, self.width, x0, w);
        let (top, low, fy) = tap(at.1, self.step.1, self.height, y0, h);
        let row = |y: usize| mixed[y * w + left] * (1.0 - fx) + mixed[y * w + right] * fx;
        row(top) * (1.0 - fy) + row(low) * fy
    }
}
