//! A part's result, as much as people look at.

use serde::{Deserialize, Serialize};
use sightline_domain::{
    BoxView, Disposition, DispositionReason, Evaluation, Health, MissReason, Severity, UtcMicros,
};

/// A finding, in pixels of the view as captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the class.
    pub class: String,
    /// How bad it is.
    pub severity: Severity,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub bbox: BoxView,
    /// Its outline in pixels of the view; empty where the model gives a box alone.
    #[serde(default)]
    pub contour: Vec<[u16; 2]>,
    /// Whether it counts against the part.
    pub counted: bool,
}

/// One view of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewCard {
    /// Its name in the recipe.
    pub view: String,
    /// The camera's name.
    pub camera: String,
    /// Fit to be judged, or why not; absent when missed.
    pub health: Option<Health>,
    /// Why it is missing.
    pub missed: Option<MissReason>,
    /// What the engine said, if it is missing for the engine's sake.
    pub fault: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether a picture of it is kept.
    pub has_picture: bool,
}

impl ViewCard {
    /// The findings that count.
    pub fn counted(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.counted)
    }
}

/// One part's result, as much as people look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartCard {
    /// The result's number.
    pub seq: u64,
    /// The result's id.
    pub event_id: String,
    /// Our number of the part.
    pub track: u64,
    /// The part's id from outside.
    pub part_id: Option<String>,
    /// Recipe and version.
    pub recipe: String,
    /// When it was decided.
    pub decided: UtcMicros,
    /// The evaluation.
    pub evaluation: Evaluation,
    /// What the gate did.
    pub disposition: Disposition,
    /// Why.
    pub reason: DispositionReason,
    /// Trigger to verdict, ms.
    pub took_ms: f32,
    /// Verdict to deadline, ms.
    pub margin_ms: f32,
    /// Its views.
    pub views: Vec<ViewCard>,
    /// What a person said of it: true, it is good.
    pub overruled: Option<bool>,
}

impl PartCard {
    /// The findings that count, worst first, each with its view.
    pub fn causes(&self) -> Vec<(&ViewCard, &Finding)> {
        let counted = |v| Vec::from_iter(ViewCard::counted(v).map(|f| (v, f)));
        let mut all: Vec<_> = self.views.iter().flat_map(counted).collect();
        all.sort_by(|(_, a), (_, b)| {
            (b.severity.cmp(&a.severity)).then(b.score.total_cmp(&a.score))
        });
        all
    }
}
