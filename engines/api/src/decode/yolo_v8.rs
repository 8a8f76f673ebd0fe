//! YOLOv8 head (also v11, v12): rows `cx, cy, w, h` in input pixels, then one row of sigmoid scores a class; one
//! column an anchor. Each class of an anchor above the floor is a finding of its own.

use super::{candidates::Candidates, finite::all_finite};
use sightline_domain::BoxTensor;

/// Anchors looked at together; their maxima stay in the first-level cache.
const BLOCK: usize = 256;

/// `values` is `[4 + classes, anchors]`.
pub(super) fn decode(
    values: &[f32],
    anchors: usize,
    classes: usize,
    floor: f32,
    out: &mut Candidates,
) {
    if !all_finite(values) {
        out.nonfinite = bad_columns(values, anchors);
    }
    let (boxes, scores) = values.split_at(4 * anchors);
    let mut best = [0.0_f32; BLOCK];
    for start in (0..anchors).step_by(BLOCK) {
        let len = BLOCK.min(anchors - start);
        let best = &mut best[..len];
        best.fill(f32::NEG_INFINITY);
        for class in 0..classes {
            let row = &scores[class * anchors + start..][..len];
            for (best, &score) in best.iter_mut().zip(row) {
                *best = if score > *best { score } else { *best };
            }
        }
        for (i, &score) in best.iter().enumerate() {
            if score >= floor {
                let a = start + i;
                let at = |row: usize| boxes[row * anchors + a];
                let numbers = at(0).is_finite() && at(1).is_finite() && at(2).is_finite();
                // a bad column was counted above
                if !(numbers && at(3).is_finite()) {
                    continue;
                }
                let bbox = BoxTensor::from_centre(at(0), at(1), at(2), at(3));
                for class in 0..classes {
                    let score = scores[class * anchors + a];
                    if score >= floor && score < f32::INFINITY {
                        out.push(score, class, a, bbox);
                    }
                }
            }
        }
    }
}

/// Anchors with a value that is no number.
fn bad_columns(values: &[f32], anchors: usize) -> u32 {
    let bad = |a: &usize| {
        values
            .iter()
            .skip(*a)
            .step_by(anchors)
            .any(|v| !v.is_finite())
    };
    (0..anchors).filter(bad).count() as u32
}
