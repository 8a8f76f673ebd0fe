//! Boxes in one tensor, scores or class numbers in the same or in others: DETR's family, YOLO-NAS, MMDetection, torchvision.

use super::OutputView;
use super::candidates::Candidates;
use super::geometry::{Geometry, is_probability};
use crate::bundle::{Activation, Background};

/// How the scores of a box become probabilities.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    pub classes: usize,
    pub background: Option<Background>,
    pub activation: Activation,
}

impl Scores {
    /// Scores a box has in the tensor.
    pub(super) fn columns(&self) -> usize {
        self.classes + usize::from(self.background.is_some())
    }

    /// The classes of the manifest among a box's scores.
    fn own<'s>(&self, scores: &'s [f32]) -> &'s [f32] {
        match self.background {
            Some(Background::First) => &scores[1..],
            _ => &scores[..self.classes],
        }
    }

    /// Calls `tell` with each class and its probability. Classes that exclude one another (softmax) are one, the best.
    fn each(&self, scores: &[f32], mut tell: impl FnMut(usize, f32)) {
        let own = self.own(scores);
        match self.activation {
            Activation::None => own.iter().enumerate().for_each(|(c, s)| tell(c, *s)),
            Activation::Sigmoid => {
                let sigmoid = |s: f32| 1.0 / (1.0 + (-s).exp());
                own.iter()
                    .enumerate()
                    .for_each(|(c, s)| tell(c, sigmoid(*s)));
            }
            Activation::Softmax => {
                let mut best = (0, f32::NEG_INFINITY);
                for (class, &score) in own.iter().enumerate() {
                    if score > best.1 {
                        best = (class, score);
                    }
                }
                // shifted by the best, so that no exponential of a class of ours overflows
                let sum: f32 = scores.iter().map(|s| (s - best.1).exp()).sum();
                tell(best.0, 1.0 / sum);
            }
        }
    }
}

/// A box and its scores side by side: `values` is `[boxes, 4 + scores.columns()]`.
pub(super) fn side_by_side(
    values: &[f32],
    scores: Scores,
    geometry: &Geometry,
    floor: f32,
    out: &mut Candidates,
) {
    for (place, row) in values.chunks_exact(4 + scores.columns()).enumerate() {
        one(&row[..4], &row[4..], scores, (geometry, floor, place), out);
    }
}

/// Boxes `[boxes, 4]` and scores `[boxes, scores.columns()]`.
pub(super) fn apart(
    boxes: &[f32],
    values: &[f32],
    scores: Scores,
    geometry: &Geometry,
    floor: f32,
    out: &mut Candidates,
) {
    let rows = boxes
        .chunks_exact(4)
        .zip(values.chunks_exact(scores.columns()));
    for (place, (bbox, row)) in rows.enumerate() {
        one(bbox, row, scores, (geometry, floor, place), out);
    }
}

fn one(
    bbox: &[f32],
    row: &[f32],
    scores: Scores,
    (geometry, floor, place): (&Geometry, f32, usize),
    out: &mut Candidates,
) {
    if !bbox.iter().chain(row).all(|v| v.is_finite()) {
        out.broken();
        return;
    }
    let bbox = [bbox[0], bbox[1], bbox[2], bbox[3]];
    let mut is_sound = true;
    scores.each(row, |_, score| is_sound &= is_probability(score));
    if !is_sound {
        out.broken();
        return;
    }
    scores.each(row, |class, score| {
        geometry.push(bbox, score, class, place, floor, out);
    });
}

/// Boxes `[K, 4]` or, with the score behind the box, `[K, 5]`; scores and class numbers `[K]`.
pub(super) fn labelled(
    outputs: &[OutputView<'_>],
    geometry: &Geometry,
    (classes, floor): (usize, f32),
    out: &mut Candidates,
) {
    let (boxes, labels, scores) = (&outputs[0], &outputs[1], outputs.get(2));
    let columns = if scores.is_some() { 4 } else { 5 };
    let rows = boxes.values.chunks_exact(columns);
    for (place, (row, &label)) in rows.zip(labels.values).enumerate() {
        let score = match scores {
            Some(scores) => scores.values[place],
            None => row[4],
        };
        if !row.iter().all(|v| v.is_finite()) || !score.is_finite() || !label.is_finite() {
            out.broken();
            continue;
        }
        let bbox = [row[0], row[1], row[2], row[3]];
        geometry.push_labelled(bbox, score, label, place, (classes, floor), out);
    }
}
