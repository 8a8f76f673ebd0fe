//! What counts against a part: limits per class, regions, how views combine. Pure functions.
//!
//! A view is `Clean`, `Failed` or `Undecided`. Only a healthy picture that the model answered wholly can be `Clean`
//! or `Failed`: what is found on a frozen or dark picture says nothing certain about this part. The part is
//! - NotOK if enough views are `Failed`, whatever else is missing (a certain defect stays one),
//! - OK if no view is `Undecided` and too few are `Failed`,
//! - NotDecidable otherwise.

mod part;
mod view;

pub use part::{Judgement, judge_part};
pub use view::judge_view;

use sightline_domain::{Detection, Health, MissReason, Suppressed};

/// Findings of one view that are kept for the result; the ones beyond are counted, not shown.
pub const MAX_FINDINGS_PER_VIEW: usize = 300;

/// What a model said of one view.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// A detector's findings, by falling score.
    pub detections: &'a [Detection],
    /// A classifier's probabilities, one a class.
    pub class_scores: &'a [f32],
    /// Outputs that were NaN or infinite (detector, classifier or verifier).
    pub nonfinite: u32,
}

/// One finding and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// What was found; for a classifier the likeliest class with the whole view as its box.
    pub detection: Detection,
    /// Why it does not count; `None`: it counts against the view.
    pub suppressed: Option<Suppressed>,
}

/// What a view says of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewVerdict {
    /// Healthy, answered, nothing counted.
    Clean,
    /// Healthy, answered, and a class reached its limit.
    Failed,
    /// It says nothing.
    Undecided(Undecided),
}

impl Undecided {
    /// The engine's fault in words, where the answer itself is the fault: expected, found, what to do.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Nonfinite(count) => Some(format!(
                "expected numbers, scores of 0 to 1, classes of the manifest and boxes on the picture, found {count} values that are none; \
                 compare the manifest with `sightline model inspect` and verify the bundle, or take another precision"
            )),
            Self::Malformed => Some(
                "expected an answer in the classes of the manifest, found another number of them; draft the manifest again with \
                 `sightline model inspect`"
                    .to_owned(),
            ),
            Self::Missed(MissReason::EngineFault) => Some(
                "expected an engine that works, found none left for this model; see the alarm of the engine, and activate another \
                 model or start again"
                    .to_owned(),
            ),
            Self::Missed(_) | Self::Unhealthy(_) | Self::Unsure => None,
        }
    }
}

/// Why a view says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It is not there.
    Missed(MissReason),
    /// Its picture is unfit to be judged.
    Unhealthy(Health),
    /// The model's answer had so many NaN or infinite numbers.
    Nonfinite(u32),
    /// The model's answer does not fit its classes.
    Malformed,
    /// A classifier's likeliest class did not reach its limit.
    Unsure,
}
