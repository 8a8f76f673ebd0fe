//! How good a model is: average precision as pycocotools computes it, precision and recall at a limit, confusion,
//! overkill and escapes. Pure arithmetic on boxes and labels; it imports `sightline-domain` only.
//! Where to start: [`Truth`] (what should have been found), [`Found`], then [`detection`] and [`classification`].

pub mod classification;
pub mod detection;
mod matching;

pub use classification::{ClassificationSummary, Named, classification};
pub use detection::{DetectionSummary, detection};

use sightline_domain::BoxView;

/// A defect that is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Index into the class list.
    pub class: usize,
    /// Where, pixels of the picture.
    pub bbox_view: BoxView,
}

/// A defect that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Index into the class list.
    pub class: usize,
    /// Score in 0..=1.
    pub score: f32,
    /// Where, pixels of the picture.
    pub bbox_view: BoxView,
}

/// One picture's truth and findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// What is there.
    pub truth: Vec<Truth>,
    /// What was found, from the decoder's floor up.
    pub found: Vec<Found>,
    /// The part was rejected by the recipe's limits.
    pub rejected: bool,
}
