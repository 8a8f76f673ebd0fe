//! Network outputs to findings: one head a file, then one suppression for all of them.
//!
//! Outputs are taken as untrusted: NaN and infinities are dropped and counted, a flood of candidates is cut to the
//! [`MAX_CANDIDATES`] best before any pair is compared, boxes are clipped to what was looked at. The same outputs
//! always give the same findings in the same order: ties go to the earlier candidate of the tensor.

mod candidates;
mod classifier;
mod finite;
mod suppress;
mod yolo_v10;
mod yolo_v5;
mod yolo_v8;
mod yolox;

#[cfg(test)]
mod tests;

pub use candidates::MAX_CANDIDATES;

use crate::RegionOutput;
use crate::bundle::{Activation, DecoderKind, DecoderSpec, InputSpec, Manifest};
use crate::preprocess::Placement;
use candidates::Candidates;
use suppress::Suppressor;

/// Reads the outputs of one bundle's model. It owns its scratch; one a thread.
#[derive(Debug)]
pub struct Decoder {
    kind: DecoderKind,
    classes: usize,
    width: u32,
    height: u32,
    spec: DecoderSpec,
    candidates: Candidates,
    suppressor: Suppressor,
}

/// An output that the decoder cannot read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("decoder {decoder} expects {expected}, found [{}]", .found.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))]
pub struct OutputMisfit {
    /// The decoder's name.
    pub decoder: &'static str,
    /// The shape it reads.
    pub expected: String,
    /// The shape there is; -1 where it is open.
    pub found: Vec<i64>,
}

impl Decoder {
    /// For a checked manifest.
    pub fn new(manifest: &Manifest) -> Self {
        Self::of(&manifest.decoder, &manifest.input, manifest.classes.len())
    }

    /// For its parts.
    pub fn of(spec: &DecoderSpec, input: &InputSpec, classes: usize) -> Self {
        Self {
            kind: spec.kind,
            classes,
            width: input.width,
            height: input.height,
            spec: spec.clone(),
            candidates: Candidates::default(),
            suppressor: Suppressor::default(),
        }
    }

    /// The shape it reads, for people.
    pub fn expected(&self) -> String {
        let (c, cells) = (self.classes, yolox::cells(self.width, self.height));
        match self.kind {
            DecoderKind::YoloV8 => format!("[N, {}, A]: 4 and {c} classes", 4 + c),
            DecoderKind::YoloV5 => format!("[N, A, {}]: 4, objectness and {c} classes", 5 + c),
            DecoderKind::YoloV10 => "[N, K, 6]: corners, score, class".to_owned(),
            DecoderKind::YoloX => format!("[N, {cells}, {}]: 4, objectness and {c} classes", 5 + c),
            DecoderKind::Classifier => format!("[N, {c}]"),
        }
    }

    /// Whether an output of shape `dims` (the batch first, -1 where open) can be read.
    ///
    /// # Errors
    /// [`OutputMisfit`] with both sides.
    pub fn fits(&self, dims: &[i64]) -> Result<(), OutputMisfit> {
        let is = |dim: i64, wanted: usize| dim < 0 || dim == wanted as i64;
        let some = |dim: i64| dim != 0;
        let fits = match (self.kind, dims) {
            (DecoderKind::YoloV8, &[_, rows, boxes]) => is(rows, 4 + self.classes) && some(boxes),
            (DecoderKind::YoloV5, &[_, boxes, columns]) => {
                some(boxes) && is(columns, 5 + self.classes)
            }
            (DecoderKind::YoloV10, &[_, rows, columns]) => some(rows) && is(columns, 6),
            (DecoderKind::YoloX, &[_, boxes, columns]) => {
                is(boxes, yolox::cells(self.width, self.height)) && is(columns, 5 + self.classes)
            }
            (DecoderKind::Classifier, &[_, classes]) => is(classes, self.classes),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(OutputMisfit {
            decoder: self.kind.name(),
            expected: self.expected(),
            found: dims.to_vec(),
        })
    }

    /// Reads one region's values, shaped `dims` without the batch, into `out`, which is emptied first.
    ///
    /// # Errors
    /// [`OutputMisfit`] where values and shape do not fit the decoder.
    pub fn decode(
        &mut self,
        values: &[f32],
        dims: &[usize],
        placed: &Placement,
        out: &mut RegionOutput,
    ) -> Result<(), OutputMisfit> {
        out.clear();
        self.check(values, dims)?;
        if self.kind == DecoderKind::Classifier {
            classifier::decode(values, self.spec.activation, out);
            return Ok(());
        }
        let found = &mut self.candidates;
        found.clear();
        let floor = self.spec.score_floor;
        match self.kind {
            DecoderKind::YoloV8 => yolo_v8::decode(values, dims[1], self.classes, floor, found),
            DecoderKind::YoloV5 => yolo_v5::decode(values, self.classes, floor, found),
            DecoderKind::YoloV10 => yolo_v10::decode(values, self.classes, floor, found),
            DecoderKind::YoloX => {
                yolox::decode(
                    values,
                    (self.width, self.height),
                    self.classes,
                    floor,
                    found,
                );
            }
            DecoderKind::Classifier => {}
        }
        out.dropped_nonfinite = found.nonfinite;
        out.dropped_excess = found.keep_best(MAX_CANDIDATES);
        let iou = match self.kind {
            // end-to-end heads are trained to give each object once
            DecoderKind::YoloV10 => 1.0,
            _ => self.spec.iou_threshold,
        };
        self.suppressor.run(
            found,
            (iou, self.spec.merge),
            self.spec.max_detections,
            placed,
            &mut out.detections,
        );
        Ok(())
    }

    /// A score outside 0..=1 among one region's values, if there is one: the export lacks its last activation, or
    /// this is another head. Shapes are as in [`Decoder::decode`]; values that are no numbers are left to it.
    pub fn out_of_range(&self, values: &[f32], dims: &[usize]) -> Option<f32> {
        // rounding may put a sigmoid a hair outside
        let bad = |score: &f32| score.is_finite() && !(-1e-3..=1.0 + 1e-3).contains(score);
        let mut scores: Box<dyn Iterator<Item = f32>> = match self.kind {
            DecoderKind::YoloV8 => Box::new(values.iter().skip(4 * dims[1]).copied()),
            DecoderKind::YoloV5 | DecoderKind::YoloX => {
                let rows = values.chunks_exact(5 + self.classes);
                Box::new(rows.flat_map(|row| row[4..].iter().copied()))
            }
            DecoderKind::YoloV10 => Box::new(values.iter().skip(4).step_by(6).copied()),
            DecoderKind::Classifier if self.spec.activation == Some(Activation::None) => {
                Box::new(values.iter().copied())
            }
            DecoderKind::Classifier => return None,
        };
        scores.find(bad)
    }

    fn check(&self, values: &[f32], dims: &[usize]) -> Result<(), OutputMisfit> {
        let shape = || std::iter::once(1).chain(dims.iter().map(|&d| d as i64));
        let elements = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        // the shape list is only made when there is something to say
        let fits = match (self.kind, dims) {
            (DecoderKind::Classifier, &[n]) => n == self.classes,
            (DecoderKind::YoloV8, &[rows, boxes]) => rows == 4 + self.classes && boxes > 0,
            (DecoderKind::YoloV5, &[boxes, columns]) => boxes > 0 && columns == 5 + self.classes,
            (DecoderKind::YoloV10, &[rows, columns]) => rows > 0 && columns == 6,
            (DecoderKind::YoloX, &[boxes, columns]) => {
                boxes == yolox::cells(self.width, self.height) && columns == 5 + self.classes
            }
            _ => false,
        };
        if fits && elements == Some(values.len()) {
            return Ok(());
        }
        Err(OutputMisfit {
            decoder: self.kind.name(),
            expected: self.expected(),
            found: shape().collect(),
        })
    }
}
