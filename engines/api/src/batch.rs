//! What moves through an engine: views with their leases, the regions to look at, and what was found.
//!
//! A batch is made once and recycled: [`Batch::clear`] keeps every capacity, so that steady state allocates nothing.

use crate::{EngineError, Reference, Rejected};
use sightline_domain::{BoxTensor, BoxView, ClassId, Detection, ViewTag};
use sightline_frames::Lease;
use std::ops::{Deref, DerefMut};

/// Views in flight, owned by whoever works on them; a fault hands them back ([`crate::Rejected`]).
#[derive(Debug, Default)]
pub struct Batch {
    /// The pictures.
    pub views: Vec<BatchView>,
    /// What to look at; any number, in any order, several on one view.
    pub regions: Vec<Region>,
    /// One answer a region, in the order of `regions`, filled by the engine.
    pub outputs: Outputs,
    /// Where the time went, filled by the engine.
    pub times: EngineTimes,
}

impl Batch {
    /// A batch with room for `views` views and `regions` regions.
    pub fn with_capacity(views: usize, regions: usize) -> Self {
        Self {
            views: Vec::with_capacity(views),
            regions: Vec::with_capacity(regions),
            outputs: Outputs::with_capacity(regions),
            times: EngineTimes::default(),
        }
    }

    /// Drops views (their slots go home) and answers; keeps all capacity.
    pub fn clear(&mut self) {
        self.views.clear();
        self.regions.clear();
        self.outputs.reset(0);
        self.times = EngineTimes::default();
    }

    /// Hands itself back with the reason, its outputs emptied.
    pub fn rejected(mut self, error: EngineError) -> Rejected {
        self.outputs.reset(0);
        Rejected {
            batch: self,
            error: Box::new(error),
        }
    }

    /// Checks that every region names a view and, where the model compares, that each view brought its golden
    /// picture.
    ///
    /// # Errors
    /// [`EngineError::NoSuchView`], [`EngineError::NoReference`].
    pub fn check(&self, wants_reference: bool) -> Result<(), EngineError> {
        for (region, at) in self.regions.iter().enumerate() {
            let Some(view) = self.views.get(at.view) else {
                return Err(EngineError::NoSuchView {
                    region,
                    view: at.view,
                    views: self.views.len(),
                });
            };
            if wants_reference && view.reference.is_none() {
                return Err(EngineError::NoReference { view: at.view });
            }
        }
        Ok(())
    }

    /// Takes a view out, with its regions.
    ///
    /// # Panics
    /// There is no such view.
    pub fn remove_view(&mut self, index: usize) {
        self.views.remove(index);
        self.regions.retain(|r| r.view != index);
        for region in self.regions.iter_mut().filter(|r| r.view > index) {
            region.view -= 1;
        }
    }

    /// Adds a view to be looked at as a whole; returns its index in `views`.
    pub fn push_whole(&mut self, view: BatchView) -> usize {
        let index = self.views.len();
        self.views.push(view);
        self.regions.push(Region {
            view: index,
            crop: None,
        });
        index
    }
}

/// One picture of a batch.
#[derive(Debug)]
pub struct BatchView {
    /// The pixels; drop sends the slot home.
    pub lease: Lease,
    /// The golden picture, where the model takes one.
    pub reference: Option<Reference>,
    /// Whose view it is.
    pub tag: ViewTag,
}

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Index into [`Batch::views`].
    pub view: usize,
    /// Part of the view in its pixels, clipped to it; `None` is the whole view.
    pub crop: Option<BoxView>,
}

/// What a model said of one region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegionOutput {
    /// Findings by falling score; boxes in pixels of the view, also for a crop. Filled by a detector.
    pub detections: Vec<Detection>,
    /// One probability a class, in the order of the bundle's classes. Filled by a classifier.
    pub class_scores: Vec<f32>,
    /// Candidates or class scores that were NaN or infinite. Anything but 0 means that the model failed on
    /// this region: it is not decidable, whatever else was found.
    pub dropped_nonfinite: u32,
    /// Candidates above the score floor that were left out because there were more than suppression takes.
    pub dropped_excess: u32,
    /// A sample of boxes that speak of a head that is read wrongly; told by the decoders alone, not by the GPU's kernels.
    pub stray: Option<Stray>,
}

/// A box where none can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stray {
    /// Where.
    pub place: StrayPlace,
    /// In pixels of the network's input.
    pub bbox: BoxTensor,
    /// 0..=1.
    pub score: f32,
    /// Its class.
    pub class: ClassId,
    /// Width and height of the network's input, pixels.
    pub input: (u32, u32),
}

/// Where a stray box lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayPlace {
    /// Outside of the network's input; it was dropped and counted.
    Outside,
    /// With all others within [`CORNER_SIDE`] of the input's first corner.
    Corner,
    /// On nothing but the border that fills the input up; it was dropped.
    Border,
}

/// Boxes in fractions that are taken for pixels reach no further, pixels of the network's input.
pub const CORNER_SIDE: f32 = 2.0;

impl Stray {
    /// What was found, what was expected and what to do.
    pub fn words(&self) -> String {
        let (b, (width, height)) = (&self.bbox, self.input);
        let found = format!(
            "found a box of score {:.3} at left {:.2}, top {:.2}, {:.2} wide, {:.2} high in the network's input of {width} x {height} pixels",
            self.score, b.x, b.y, b.w, b.h
        );
        match self.place {
            StrayPlace::Outside => format!(
                "{found}, outside of it; expected boxes on the picture: decoder.unit (pixels or normalized) or decoder.boxes (corners or \
                 centre) is not what the file has, draft it again with `sightline model inspect`"
            ),
            StrayPlace::Corner => format!(
                "{found}, and all others within {CORNER_SIDE} pixels of the corner, too; expected boxes over the picture: these are \
                 fractions taken for pixels, write unit = \"normalized\" or draft it again with `sightline model inspect`"
            ),
            StrayPlace::Border => format!(
                "{found}, on the border beside the picture; expected boxes on the picture: input.resize (letterbox, letterbox-top-left, \
                 stretch, crop) is not what the model was trained with, or decoder.unit or decoder.boxes is wrong"
            ),
        }
    }
}

impl RegionOutput {
    /// Empties it; keeps capacity.
    pub fn clear(&mut self) {
        self.detections.clear();
        self.class_scores.clear();
        self.dropped_nonfinite = 0;
        self.dropped_excess = 0;
        self.stray = None;
    }

    /// Whether its boxes speak of a head that is read wrongly, in words: boxes outside of the input, and such as count by
    /// their class's limit and lie where none can be.
    pub fn doubt(&self, limit: impl Fn(ClassId) -> f32) -> Option<String> {
        let stray = self.stray.as_ref()?;
        let counts = stray.place == StrayPlace::Outside || stray.score >= limit(stray.class);
        counts.then(|| stray.words())
    }

    /// The best class and its score, by a classifier; the lowest class number wins a tie.
    pub fn best_class(&self) -> Option<(sightline_domain::ClassId, f32)> {
        let mut best: Option<(usize, f32)> = None;
        for (class, &score) in self.class_scores.iter().enumerate() {
            if score.is_finite() && best.is_none_or(|(_, s)| score > s) {
                best = Some((class, score));
            }
        }
        best.map(|(class, score)| (sightline_domain::ClassId(class as u16), score))
    }
}

/// A list of answers that gives its inner buffers back to itself: shrinking keeps them for the next batch.
#[derive(Debug, Default)]
pub struct Outputs {
    all: Vec<RegionOutput>,
    used: usize,
}

impl Outputs {
    /// Room for `regions` answers.
    pub fn with_capacity(regions: usize) -> Self {
        Self {
            all: vec![RegionOutput::default(); regions],
            used: 0,
        }
    }

    /// Makes it `count` empty answers long.
    pub fn reset(&mut self, count: usize) {
        if self.all.len() < count {
            self.all.resize_with(count, RegionOutput::default);
        }
        self.used = count;
        self.all[..count].iter_mut().for_each(RegionOutput::clear);
    }
}

impl Deref for Outputs {
    type Target = [RegionOutput];
    fn deref(&self) -> &[RegionOutput] {
        &self.all[..self.used]
    }
}

impl DerefMut for Outputs {
    fn deref_mut(&mut self) -> &mut [RegionOutput] {
        &mut self.all[..self.used]
    }
}

/// Microseconds a batch spent in an engine, all its regions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineTimes {
    /// Pixels to tensor.
    pub preprocess_us: u64,
    /// The network itself.
    pub infer_us: u64,
    /// Decoding and suppression.
    pub postprocess_us: u64,
    /// How much of `preprocess_us` ran beside the network of the batch before; 0 where nothing overlaps.
    pub overlap_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_outputs_keeps_their_buffers() {
        let mut outputs = Outputs::with_capacity(1);
        outputs.reset(2);
        outputs[1].class_scores.extend([0.1, 0.7, 0.7]);
        outputs[1].dropped_nonfinite = 3;
        assert_eq!(outputs[1].best_class().map(|(c, _)| c.0), Some(1));
        let buffer = outputs[1].class_scores.as_ptr();
        outputs.reset(0);
        assert!(outputs.is_empty());
        outputs.reset(2);
        assert_eq!(outputs[1], RegionOutput::default());
        outputs[1].class_scores.push(1.0);
        assert_eq!(outputs[1].class_scores.as_ptr(), buffer);
    }
}
