//! A recipe resolved for one generation: names are indexes, limits stand beside their classes, durations are durations.

use sightline_configs::challenge::Challenge;
use sightline_configs::recipe::{Combine, Reference, Tiles};
use sightline_domain::result::{ModelRef, RecipeRef};
use sightline_domain::{BoxView, CameraId, ClassId, Generation, Severity, ViewId};
use std::time::Duration;

/// What every part of one generation is held against. Made by [`InspectionPlan::resolve`], shared by an `Arc`.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectionPlan {
    /// Number of this recipe-and-models set.
    pub generation: Generation,
    /// The recipe, as results name it.
    pub recipe: RecipeRef,
    /// The product, if the recipe names one.
    pub product_id: Option<String>,
    /// From trigger to verdict.
    pub deadline: Duration,
    /// The views every part owes; [`ViewId`] indexes them.
    pub views: Vec<PlannedView>,
    /// The models, in the recipe's order.
    pub models: Vec<PlannedModel>,
    /// How views combine.
    pub combine: Combine,
    /// Known parts that are asked for.
    pub challenge: Option<Challenge>,
}

impl InspectionPlan {
    /// The view `id` and the model that looks at it; `None` for an id that the plan does not have.
    pub fn view(&self, id: ViewId) -> Option<(&PlannedView, &PlannedModel)> {
        let view = self.views.get(id.index())?;
        Some((view, self.models.get(view.model)?))
    }
}

/// One expected view.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedView {
    /// Its name in the recipe.
    pub name: String,
    /// The camera.
    pub camera: CameraId,
    /// The camera's name.
    pub camera_name: String,
    /// Index into [`InspectionPlan::models`].
    pub model: usize,
    /// The frame is captured so long after the trigger.
    pub offset: Duration,
    /// A frame captured within `offset` +- this is the view.
    pub window: Duration,
    /// Width and height of the picture, where the recipe says them.
    pub size: Option<(u32, u32)>,
    /// The camera gives exactly one frame a trigger.
    pub frame_per_trigger: bool,
    /// The picture is looked at in tiles.
    pub tiles: Option<Tiles>,
    /// Findings count only if their centre is in one of these, view pixels; empty: everywhere.
    pub include: Vec<BoxView>,
    /// Findings whose centre is in one of these do not count, view pixels.
    pub exclude: Vec<BoxView>,
    /// The golden picture and how it is registered, for models that take one.
    pub reference: Option<Reference>,
}

/// What a model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Boxes with classes.
    Detect,
    /// One class for the whole view.
    Classify,
}

/// One model of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedModel {
    /// Its name in the recipe.
    pub name: String,
    /// The model, then its verifier if there is one, as results name them.
    pub refs: Vec<ModelRef>,
    /// What it gives.
    pub task: Task,
    /// The model's own classes in the order of its outputs, then those that only its verifier knows;
    /// [`ClassId`] indexes them.
    pub classes: Vec<PlannedClass>,
    /// The second stage.
    pub verifier: Option<PlannedVerifier>,
}

/// One class and when findings of it fail a part.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedClass {
    /// Stable code.
    pub code: String,
    /// English name.
    pub name_en: String,
    /// How bad it is.
    pub severity: Severity,
    /// Findings below this score do not count.
    pub score_limit: f32,
    /// Findings smaller than this do not count, square pixels of the view.
    pub min_area_px: f32,
    /// The view fails at so many counted findings; 0: the class is allowed.
    pub count: u32,
    /// It also fails when they cover more together, square pixels of the view.
    pub max_area_px: Option<f32>,
}

/// The second stage of a cascade; see [`PlannedVerifier::apply`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedVerifier {
    /// The crop's side is the box's longer side times this.
    pub context: f32,
    /// Smallest crop side, view pixels.
    pub min_crop_px: f32,
    /// Probability of a false call at or above which the finding is dismissed.
    pub dismiss_at: f32,
    /// For each of the verifier's classes the class of [`PlannedModel::classes`]; `None` is the false call.
    pub classes: Vec<Option<ClassId>>,
}

/// What is known of one model of the recipe once its bundle is open: plain data, so that no engine is needed here.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// As results name it.
    pub model_ref: ModelRef,
    /// What it gives.
    pub task: Task,
    /// Its classes in the order of its outputs.
    pub classes: Vec<ClassFacts>,
    /// Its verifier, where the recipe asks for one.
    pub verifier: Option<VerifierFacts>,
}

/// What is known of a verifier.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifierFacts {
    /// As results name it.
    pub model_ref: ModelRef,
    /// Must be [`Task::Classify`].
    pub task: Task,
    /// Its classes in the order of its outputs.
    pub classes: Vec<ClassFacts>,
}

/// One class of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassFacts {
    /// Stable code.
    pub code: String,
    /// English name.
    pub name_en: String,
    /// How bad it is.
    pub severity: Severity,
    /// Score at or above which a finding counts, unless the recipe says otherwise.
    pub default_limit: f32,
    /// The class of good parts: unless the recipe names it, it does not count.
    pub good: bool,
}
