//! Four numbers of a head to a box in tensor pixels, and what no sound head says.

use super::candidates::Candidates;
use crate::bundle::{Background, BoxFormat, BoxUnit, DecoderSpec, InputSpec};
use sightline_domain::BoxTensor;

/// Rounding may put a sigmoid so far outside of 0..=1.
pub(super) const SCORE_SLACK: f32 = 1e-3;

/// Written so that a NaN is none.
pub(super) fn is_probability(score: f32) -> bool {
    (-SCORE_SLACK..=1.0 + SCORE_SLACK).contains(&score)
}

/// How boxes and class numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    format: BoxFormat,
    /// Tensor pixels per unit, across and down.
    scale: [f32; 2],
    /// Taken off a class's number.
    first_label: f32,
}

impl Geometry {
    pub(super) fn of(spec: &DecoderSpec, input: &InputSpec) -> Self {
        Self {
            format: spec.boxes.unwrap_or(BoxFormat::Corners),
            scale: match spec.unit {
                Some(BoxUnit::Normalized) => [input.width as f32, input.height as f32],
                _ => [1.0, 1.0],
            },
            first_label: f32::from(u8::from(spec.background == Some(Background::First))),
        }
    }

    /// Of heads whose boxes are not described.
    pub(super) fn centre_in_pixels() -> Self {
        Self {
            format: BoxFormat::Centre,
            scale: [1.0, 1.0],
            first_label: 0.0,
        }
    }

    fn bbox(&self, [a, b, c, d]: [f32; 4]) -> BoxTensor {
        let [sx, sy] = self.scale;
        let (a, b, c, d) = (a * sx, b * sy, c * sx, d * sy);
        match self.format {
            BoxFormat::Centre => BoxTensor::from_centre(a, b, c, d),
            BoxFormat::Corners => BoxTensor {
                x: a,
                y: b,
                w: c - a,
                h: d - b,
            },
        }
    }

    /// Takes up a box of a class if its score reaches the floor. No probability, no box (its right edge left of its
    /// left one): counted as broken.
    pub(super) fn push(
        &self,
        bbox: [f32; 4],
        score: f32,
        class: usize,
        place: usize,
        floor: f32,
        out: &mut Candidates,
    ) {
        if !is_probability(score) {
            out.broken();
        } else if score >= floor {
            let bbox = self.bbox(bbox);
            if bbox.w > 0.0 && bbox.h > 0.0 {
                out.push(score, class, place, bbox);
            } else {
                out.broken();
            }
        }
    }

    /// The same for a class that is given by its number. Padding (score 0 or less) may have any class.
    pub(super) fn push_labelled(
        &self,
        bbox: [f32; 4],
        score: f32,
        label: f32,
        place: usize,
        (classes, floor): (usize, f32),
        out: &mut Candidates,
    ) {
        // exporters fill up with rows of -1
        let padding = score == 0.0 || (score == -1.0 && label <= 0.0);
        let class = label - self.first_label;
        if padding || (score >= -SCORE_SLACK && score < floor) {
            return;
        }
        if class >= 0.0 && class.fract() == 0.0 && class < classes as f32 {
            self.push(bbox, score, class as usize, place, floor, out);
        } else {
            out.broken();
        }
    }
}
