//! YOLOX head as its exporter leaves it: rows of `dx, dy, ln w, ln h` on the grids of strides 8, 16 and 32, row by
//! row, then objectness and class scores (Ge et al. 2021, arXiv 2107.08430; `YOLOXHead.decode_outputs`).

use super::{candidates::Candidates, yolo_v5::each_row};
use sightline_domain::BoxTensor;

const STRIDES: [u32; 3] = [8, 16, 32];

/// Rows of the output for an input of `width` x `height`.
pub(super) fn cells(width: u32, height: u32) -> usize {
    STRIDES
        .iter()
        .map(|s| (width / s) as usize * (height / s) as usize)
        .sum()
}

/// `values` is `[cells, 5 + classes]`.
pub(super) fn decode(
    values: &[f32],
    (width, height): (u32, u32),
    classes: usize,
    floor: f32,
    out: &mut Candidates,
) {
    each_row(values, classes, floor, out, |place, b| {
        let (x, y, stride) = cell(place, width, height);
        BoxTensor::from_centre(
            (b[0] + x) * stride,
            (b[1] + y) * stride,
            b[2].exp() * stride,
            b[3].exp() * stride,
        )
    });
}

/// Column, row and stride of the cell at `place`.
fn cell(place: usize, width: u32, height: u32) -> (f32, f32, f32) {
    let mut left = place;
    for stride in STRIDES {
        let columns = (width / stride) as usize;
        let count = columns * (height / stride) as usize;
        if left < count {
            return (
                (left % columns) as f32,
                (left / columns) as f32,
                stride as f32,
            );
        }
        left -= count;
    }
    unreachable!("the output's shape was checked against the number of cells")
}
