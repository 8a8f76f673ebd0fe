//! Class-aware non-maximum suppression: of two boxes of one class that overlap by more than the threshold the
//! weaker goes. Stops at `max_detections`, so no more than `MAX_CANDIDATES * max_detections` pairs are compared.

use super::candidates::{Candidate, Candidates};
use crate::preprocess::Placement;
use sightline_domain::{BoxTensor, BoxView, ClassId, Detection};

/// Scratch of one decoder.
#[derive(Debug, Default)]
pub(super) struct Suppressor {
    gone: Vec<bool>,
    /// Where each survivor stands in the head.
    pub places: Vec<u32>,
    /// The best that lay on nothing but what fills the tensor up.
    pub beside: Option<Candidate>,
}

impl Suppressor {
    /// `found` is sorted; survivors go to `out` in view pixels, clipped to what was looked at. With `merge` each is the
    /// mean of itself and of what gives way to it, weighted by the scores.
    pub(super) fn run(
        &mut self,
        found: &Candidates,
        (iou_threshold, merge): (f32, bool),
        max_detections: usize,
        placed: &Placement,
        out: &mut Vec<Detection>,
    ) {
        self.places.clear();
        self.beside = None;
        self.gone.clear();
        self.gone.resize(found.all.len(), false);
        for (i, best) in found.all.iter().enumerate() {
            if out.len() == max_detections {
                return;
            }
            if self.gone[i] {
                continue;
            }
            let mut mean = Mean::of(best);
            if iou_threshold < 1.0 {
                for (other, gone) in found.all.iter().zip(&mut self.gone).skip(i + 1) {
                    let covered = !*gone
                        && other.class == best.class
                        && best.bbox.iou(&other.bbox) > iou_threshold;
                    if covered {
                        *gone = true;
                        mean.take(other);
                    }
                }
            }
            let bbox = if merge { mean.bbox() } else { best.bbox };
            let bbox_view = clip(&placed.map.box_to_view(&bbox), &placed.bounds);
            if bbox_view.area() > 0.0 {
                self.places.push(best.place);
                out.push(Detection {
                    class: ClassId(best.class),
                    score: best.score,
                    bbox_view,
                    area: None,
                    verifier: None,
                });
            } else if self.beside.is_none() {
                self.beside = Some(*best);
            }
        }
    }
}

/// A box and how far the others pull it, by their scores.
struct Mean {
    bbox: BoxTensor,
    weight: f32,
    pull: [f32; 4],
}

impl Mean {
    fn of(best: &Candidate) -> Self {
        Self {
            bbox: best.bbox,
            weight: best.score,
            pull: [0.0; 4],
        }
    }

    fn take(&mut self, other: &Candidate) {
        let (a, b) = (&self.bbox, &other.bbox);
        let away = [b.x - a.x, b.y - a.y, b.w - a.w, b.h - a.h];
        self.weight += other.score;
        for (pull, away) in self.pull.iter_mut().zip(away) {
            *pull += other.score * away;
        }
    }

    fn bbox(&self) -> BoxTensor {
        // all scores may be zero where the floor is
        let [x, y, w, h] = self.pull.map(|p| {
            if self.weight > 0.0 {
                p / self.weight
            } else {
                0.0
            }
        });
        BoxTensor {
            x: self.bbox.x + x,
            y: self.bbox.y + y,
            w: self.bbox.w + w,
            h: self.bbox.h + h,
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
