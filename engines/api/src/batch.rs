//! What moves through an engine: views with their leases, the regions to look at, and what was found.
//!
//! A batch is made once and recycled: [`Batch::clear`] keeps every capacity, so that steady state allocates nothing.

use crate::{EngineError, Reference, Rejected};
use sightline_domain::{BoxView, Detection, ViewTag};
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
}

impl RegionOutput {
    /// Empties it; keeps capacity.
    pub fn clear(&mut self) {
        self.detections.clear();
        self.class_scores.clear();
        self.dropped_nonfinite = 0;
        self.dropped_excess = 0;
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
