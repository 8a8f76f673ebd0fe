//! What a model found on a view.

use crate::{Area, BoxView, ClassId};
use serde::{Deserialize, Serialize};

/// How bad a defect class is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Cosmetic.
    Minor,
    /// Degrades the part.
    #[default]
    Major,
    /// The part does not work or is unsafe.
    Critical,
}

/// What the second stage said of a first-stage finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VerifierOutcome {
    /// Same class.
    Confirmed {
        /// The verifier's probability of the class.
        score: f32,
    },
    /// Another defect class; the detection carries the new one.
    Renamed {
        /// What the detector had called it.
        from: ClassId,
        /// The verifier's probability of the new class.
        score: f32,
    },
    /// A false call; it does not count.
    Dismissed {
        /// The verifier's probability of a false call.
        score: f32,
    },
}

/// Why a finding did not count against the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppressed {
    /// Score below the class's limit.
    BelowScore,
    /// Area below the class's limit.
    BelowArea,
    /// Outside every included region or inside an excluded one.
    Region,
    /// Dismissed by the verifier.
    Dismissed,
    /// The class is allowed, or fewer than its count limit were found.
    Allowed,
}

/// One finding on a view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The model's class (the verifier's, when renamed).
    pub class: ClassId,
    /// Probability-like score in 0..=1.
    pub score: f32,
    /// Where, in pixels of the view. For a classifier: the whole view or crop.
    pub bbox_view: BoxView,
    /// What it covers, where the model tells it pixel by pixel.
    pub area: Option<Area>,
    /// The second stage's word, if there is a second stage.
    pub verifier: Option<VerifierOutcome>,
}

impl Detection {
    /// How large it is, square pixels of the view: what it covers, or its box.
    pub fn area_px(&self) -> f32 {
        self.area.map_or(self.bbox_view.area(), |a| a.px)
    }
}
