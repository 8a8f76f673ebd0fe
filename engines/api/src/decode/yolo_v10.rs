//! YOLOv10 end-to-end head (also YOLO26): rows of `x1, y1, x2, y2, score, class` in input pixels, each object once.

use super::candidates::Candidates;
use sightline_domain::BoxTensor;

/// `values` is `[rows, width]`, six of which are read. A row whose class is not one of `classes` is counted with those that are no numbers:
/// the model says something the manifest does not know.
pub(super) fn decode(
    values: &[f32],
    width: usize,
    classes: usize,
    floor: f32,
    out: &mut Candidates,
) {
    let rows = values.chunks_exact(width);
    for (place, row) in rows.enumerate() {
        let Some(&[x1, y1, x2, y2, score, class]) = row.first_chunk() else {
            continue;
        };
        let numbers = [x1, y1, x2, y2, score, class].iter().all(|v| v.is_finite());
        if !numbers {
            out.nonfinite = out.nonfinite.saturating_add(1);
        } else if score >= floor {
            if class < 0.0 || class.fract() != 0.0 || class >= classes as f32 {
                out.nonfinite = out.nonfinite.saturating_add(1);
                continue;
            }
            let bbox = BoxTensor {
                x: x1,
                y: y1,
                w: x2 - x1,
                h: y2 - y1,
            };
            out.push(score, class as usize, place, bbox);
        }
    }
}
