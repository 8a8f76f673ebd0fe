//! YOLOv5 head (also v7, and YOLOX exports that decode their grid): one row an anchor, `cx, cy, w, h` in input
//! pixels, objectness, one sigmoid score a class. A score is objectness times class score; each
//! class above the floor is a finding of its own.

use super::{candidates::Candidates, finite::all_finite};
use sightline_domain::BoxTensor;

/// `values` is `[anchors, 5 + classes]`.
pub(super) fn decode(values: &[f32], classes: usize, floor: f32, out: &mut Candidates) {
    each_row(values, classes, floor, out, |_, b| {
        BoxTensor::from_centre(b[0], b[1], b[2], b[3])
    });
}

/// Scans rows of box, objectness, classes; `to_box` is called for those above the floor.
pub(super) fn each_row(
    values: &[f32],
    classes: usize,
    floor: f32,
    out: &mut Candidates,
    to_box: impl Fn(usize, &[f32]) -> BoxTensor,
) {
    let clean = all_finite(values);
    for (place, row) in values.chunks_exact(5 + classes).enumerate() {
        if !clean && !all_finite(row) {
            out.nonfinite = out.nonfinite.saturating_add(1);
            continue;
        }
        // a class score is at most 1
        let objectness = row[4];
        if objectness < floor {
            continue;
        }
        for (class, own) in row[5..].iter().enumerate() {
            let score = objectness * own;
            if score >= floor {
                out.push(score, class, place, to_box(place, &row[..4]));
            }
        }
    }
}
