//! Class-aware non-maximum suppression: of two boxes of one class that overlap by more than the threshold the
//! weaker goes. Stops at `max_detections`, so no more than `MAX_CANDIDATES * max_detections` pairs are compared.

use super::candidates::Candidates;
use crate::preprocess::Placement;
use sightline_model::{BoxTensor, BoxView, ClassId, Detection};

/// Scratch of one decoder.
#[derive(Debug, Default)]
pub(super) struct Suppressor {
    kept: Vec<(u16, BoxTensor)>,
}

impl Suppressor {
    /// `found` is sorted; survivors go to `out` in view pixels, clipped to what was looked at.
    pub(super) fn run(
        &mut self,
        found: &Candidates,
        iou_threshold: f32,
        max_detections: usize,
        placed: &Placement,
        out: &mut Vec<Detection>,
    ) {
        self.kept.clear();
        for c in &found.all {
            if out.len() == max_detections {
                return;
            }
            let covered = iou_threshold < 1.0
                && self
                    .kept
                    .iter()
                    .any(|(class, kept)| *class == c.class && kept.iou(&c.bbox) > iou_threshold);
            if covered {
                continue;
            }
            self.kept.push((c.class, c.bbox));
            let bbox_view = clip(&placed.map.box_to_view(&c.bbox), &placed.bounds);
            if bbox_view.area() > 0.0 {
                out.push(Detection {
                    class: ClassId(c.class),
                    score: c.score,
                    bbox_view,
                    verifier: None,
                });
            }
        }
    }
}

fn clip(b: &BoxView, bounds: &BoxView) -> BoxView {
    let (right, bottom) = (bounds.x + bounds.w, bounds.y + bounds.h);
    let x = b.x.clamp(bounds.x, right);
    let y = b.y.clamp(bounds.y, bottom);
    BoxView {
        x,
        y,
        w: (b.x + b.w).clamp(bounds.x, right) - x,
        h: (b.y + b.h).clamp(bounds.y, bottom) - y,
    }
}
