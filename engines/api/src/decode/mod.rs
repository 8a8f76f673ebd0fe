//! Network outputs to findings: one head a file, then one suppression for all of them.
//!
//! Outputs are taken as untrusted: NaN and infinities are dropped and counted, a flood of candidates is cut to the
//! [`MAX_CANDIDATES`] best before any pair is compared, boxes are clipped to what was looked at. The same outputs
//! always give the same findings in the same order: ties go to the earlier candidate of the tensor.

mod boxes;
mod candidates;
mod classifier;
mod finite;
mod geometry;
mod masks;
mod outline;
mod rows;
mod shapes;
mod suppress;
mod yolo_v10;
mod yolo_v5;
mod yolo_v8;
mod yolox;

#[cfg(test)]
mod heads_tests;
#[cfg(test)]
mod tests;

pub use candidates::MAX_CANDIDATES;
pub use shapes::Role;

use crate::RegionOutput;
use crate::batch::{CORNER_SIDE, StrayPlace};
use crate::bundle::{Activation, Background, DecoderKind, DecoderSpec, InputSpec, Manifest};
use crate::preprocess::Placement;
use boxes::Scores;
use candidates::Candidates;
use geometry::Geometry;
use masks::{Masks, Weights};
use suppress::Suppressor;

/// Reads the outputs of one bundle's model. It owns its scratch; one a thread.
#[derive(Debug)]
pub struct Decoder {
    kind: DecoderKind,
    classes: usize,
    width: u32,
    height: u32,
    spec: DecoderSpec,
    geometry: Geometry,
    rows: rows::Layout,
    scores: Scores,
    candidates: Candidates,
    suppressor: Suppressor,
    masks: Masks,
}

/// One picture's values of one output.
#[derive(Clone, Copy, Debug)]
pub struct OutputView<'v> {
    /// Class numbers and 16-bit floats as `f32`.
    pub values: &'v [f32],
    /// Without the batch.
    pub dims: &'v [usize],
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
            geometry: Geometry::of(spec, input),
            rows: rows::Layout::of(&spec.columns),
            scores: Scores {
                classes,
                background: spec.background.filter(|b| *b != Background::None),
                activation: spec.activation.unwrap_or(Activation::None),
            },
            candidates: Candidates::default(),
            suppressor: Suppressor::default(),
            masks: Masks::default(),
        }
    }

    /// Reads one region's values of a head with one output, shaped `dims` without the batch, into `out`, which is
    /// emptied first.
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
        self.decode_all(&[OutputView { values, dims }], placed, out)
    }

    /// Reads one region's values, one view for each of [`Decoder::roles`] in their order, into `out`, which is emptied
    /// first.
    ///
    /// # Errors
    /// [`OutputMisfit`] where values and shapes do not fit the decoder.
    pub fn decode_all(
        &mut self,
        outputs: &[OutputView<'_>],
        placed: &Placement,
        out: &mut RegionOutput,
    ) -> Result<(), OutputMisfit> {
        out.clear();
        self.check(outputs)?;
        if self.kind == DecoderKind::Classifier {
            classifier::decode(outputs[0].values, self.classes, self.spec.activation, out);
            return Ok(());
        }
        self.find(outputs);
        let found = &mut self.candidates;
        let outside = found.drop_outside(self.width as f32, self.height as f32);
        out.dropped_nonfinite = found.nonfinite;
        out.dropped_excess = found.keep_best(MAX_CANDIDATES);
        let corner = found.all_in_the_corner(CORNER_SIDE);
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
        let border = self.suppressor.beside;
        let strays = [
            (StrayPlace::Outside, outside),
            (StrayPlace::Corner, corner),
            (StrayPlace::Border, border),
        ];
        let input = (self.width, self.height);
        out.stray = strays
            .into_iter()
            .find_map(|(place, found)| Some(found?.as_stray(place, input)));
        if let (Some(weights), [_, prototypes]) = (self.weights(outputs[0]), outputs) {
            let places = &self.suppressor.places;
            let at = ((self.width, self.height), placed);
            let broken = (self.masks).fill(&mut out.detections, places, weights, *prototypes, at);
            out.dropped_nonfinite = out.dropped_nonfinite.saturating_add(broken);
        }
        Ok(())
    }

    /// Where the boxes' weights of masks stand, of heads that have masks.
    fn weights<'v>(&self, OutputView { values, dims }: OutputView<'v>) -> Option<Weights<'v>> {
        self.spec.mask_weights?;
        Some(match self.kind {
            DecoderKind::YoloV10 => Weights {
                values,
                first: 6,
                by_place: dims[1],
                by_weight: 1,
            },
            _ => Weights {
                values,
                first: (4 + self.classes) * dims[1],
                by_place: 1,
                by_weight: dims[1],
            },
        })
    }

    /// Everything above the floor.
    fn find(&mut self, outputs: &[OutputView<'_>]) {
        let (found, geometry, scores) = (&mut self.candidates, &self.geometry, self.scores);
        found.clear();
        let (classes, floor) = (self.classes, self.spec.score_floor);
        let OutputView { values, dims } = outputs[0];
        match self.kind {
            DecoderKind::YoloV8 if self.spec.transposed => {
                let none = Scores {
                    background: None,
                    activation: Activation::None,
                    ..scores
                };
                let centre = Geometry::centre_in_pixels();
                boxes::side_by_side(values, none, &centre, floor, found);
            }
            DecoderKind::YoloV8 => yolo_v8::decode(values, dims[1], classes, floor, found),
            DecoderKind::YoloV5 => yolo_v5::decode(values, classes, floor, found),
            DecoderKind::YoloV10 => yolo_v10::decode(values, dims[1], classes, floor, found),
            DecoderKind::YoloX => {
                let size = (self.width, self.height);
                yolox::decode(values, size, classes, floor, found);
            }
            DecoderKind::Rows => {
                rows::decode(values, self.rows, geometry, classes, floor, found);
            }
            DecoderKind::BoxesScores => match outputs {
                [both] => boxes::side_by_side(both.values, scores, geometry, floor, found),
                _ => boxes::apart(values, outputs[1].values, scores, geometry, floor, found),
            },
            DecoderKind::BoxesLabels => boxes::labelled(outputs, geometry, (classes, floor), found),
            DecoderKind::Classifier => {}
        }
    }

    /// A score outside 0..=1 among one region's values, if there is one: the export lacks its last activation, or
    /// this is another head. Views are as in [`Decoder::decode_all`]; values that are no numbers are left to it.
    pub fn out_of_range(&self, outputs: &[OutputView<'_>]) -> Option<f32> {
        let slack = geometry::SCORE_SLACK;
        let bad = |score: &f32| score.is_finite() && !(-slack..=1.0 + slack).contains(score);
        let OutputView { values, dims } = *outputs.first()?;
        let columns = *dims.last()?;
        let probabilities = self.spec.activation.is_none_or(|a| a == Activation::None);
        let mut scores: Box<dyn Iterator<Item = f32>> = match self.kind {
            DecoderKind::YoloV8 if !self.spec.transposed => {
                let rows = 4 * dims[1]..(4 + self.classes) * dims[1];
                Box::new(values[rows].iter().copied())
            }
            DecoderKind::YoloV8 | DecoderKind::YoloV5 | DecoderKind::YoloX => {
                let rows = values.chunks_exact(columns);
                Box::new(rows.flat_map(|row| row[4..].iter().copied()))
            }
            DecoderKind::YoloV10 => Box::new(values.iter().skip(4).step_by(columns).copied()),
            DecoderKind::Classifier if probabilities => Box::new(values.iter().copied()),
            DecoderKind::BoxesScores if probabilities && outputs.len() == 1 => {
                let rows = values.chunks_exact(columns);
                Box::new(rows.flat_map(|row| row[4..].iter().copied()))
            }
            DecoderKind::BoxesScores if probabilities => {
                Box::new(outputs[1].values.iter().copied())
            }
            // rows may be padding: what is none is counted as they are read
            _ => return None,
        };
        scores.find(bad)
    }

    fn check(&self, outputs: &[OutputView<'_>]) -> Result<(), OutputMisfit> {
        let whole = |view: &OutputView<'_>| {
            let elements = view.dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
            elements == Some(view.values.len())
        };
        let role = |index| match (&self.spec.outputs, index) {
            (None, _) => Role::Only,
            (_, 0) => Role::Boxes,
            (Some(names), 1) if names.labels.is_some() => Role::Labels,
            (Some(names), _) if names.masks.is_some() => Role::Masks,
            _ => Role::Scores,
        };
        let wanted = match &self.spec.outputs {
            None => 1,
            Some(n) => {
                let more = [&n.labels, &n.scores, &n.masks];
                1 + more.iter().filter(|name| name.is_some()).count()
            }
        };
        // boxes, scores and class numbers are of the same rows
        let rows = |view: &OutputView<'_>| view.dims.first().copied();
        let alike = self.spec.mask_weights.is_some()
            || outputs
                .iter()
                .all(|o| outputs.len() == 1 || rows(o) == rows(&outputs[0]));
        let bad = outputs
            .iter()
            .enumerate()
            .find(|(i, o)| !whole(o) || !self.fits_exactly(role(*i), o.dims));
        if outputs.len() == wanted && alike && bad.is_none() {
            return Ok(());
        }
        let found = bad.map(|(_, o)| o).or(outputs.last());
        let found = found.iter().flat_map(|o| o.dims).map(|&d| d as i64);
        Err(OutputMisfit {
            decoder: self.kind.name(),
            expected: self.expected(),
            found: std::iter::once(1).chain(found).collect(),
        })
    }
}
