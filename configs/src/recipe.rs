//! A recipe: what a product is. One file a product.

use crate::challenge::Challenge;
use crate::station::Precision;
pub use crate::tiles::Tiles;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sightline_domain::BoxView;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Always `sightline.recipe.v1`.
    pub schema: String,
    /// The MES's id.
    pub external_id: String,
    /// Our id.
    pub internal_id: String,
    /// Version, free text.
    pub version: String,
    /// The product, if the MES names one.
    #[serde(default)]
    pub product_id: Option<String>,
    /// From trigger to verdict, ms; later is too late.
    pub deadline_ms: f64,
    /// The models that look.
    pub models: Vec<RecipeModel>,
    /// The views every part owes.
    pub views: Vec<View>,
    /// Limits per class code; a class not named here uses the bundle's default limit and counts from one finding.
    #[serde(default)]
    pub limits: BTreeMap<String, ClassLimit>,
    /// How views combine.
    #[serde(default)]
    pub combine: Combine,
    /// Known parts that show that the inspection still finds what it must; absent: nobody asks for any.
    #[serde(default)]
    pub challenge: Option<Challenge>,
}

/// One model of the recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeModel {
    /// Name by which views refer to it.
    pub name: String,
    /// The bundle's directory, relative to the recipe file.
    pub bundle: PathBuf,
    /// Overrides the engine's precision.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// Second stage: a classifier that looks at the crop of each finding.
    #[serde(default)]
    pub verifier: Option<Verifier>,
}

/// The second stage of a cascade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    /// The classifier's bundle, relative to the recipe file.
    pub bundle: PathBuf,
    /// The crop's side is the box's longer side times this.
    #[serde(default = "default_context")]
    pub context: f32,
    /// Smallest crop side, view pixels.
    #[serde(default = "default_min_crop")]
    pub min_crop_px: f32,
    /// Class code that dismisses a finding.
    #[serde(default = "default_false_call")]
    pub false_call: String,
    /// Probability of `false_call` at or above which the finding is dismissed.
    #[serde(default = "default_dismiss")]
    pub dismiss_at: f32,
}

fn default_context() -> f32 {
    2.0
}
fn default_min_crop() -> f32 {
    48.0
}
fn default_false_call() -> String {
    "false_call".into()
}
fn default_dismiss() -> f32 {
    0.5
}

/// One expected view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Its name, unique in the recipe.
    pub name: String,
    /// The camera's name.
    pub camera: String,
    /// The model's name in this recipe.
    pub model: String,
    /// The frame is captured so long after the trigger, ms.
    #[serde(default)]
    pub offset_ms: f64,
    /// A frame captured within `offset_ms` +- this is the view, ms.
    #[serde(default = "default_window_ms")]
    pub window_ms: f64,
    /// The picture's width, pixels; a frame of another size is not the view. Absent with `height`: with regions, that
    /// of the first frame; without, any.
    #[serde(default)]
    pub width: Option<u32>,
    /// The picture's height, pixels.
    #[serde(default)]
    pub height: Option<u32>,
    /// The camera gives exactly one frame a trigger, so frame numbers must run with the triggers.
    #[serde(default)]
    pub frame_per_trigger: bool,
    /// The golden picture, for models that take a reference.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// How it is told that there is a part in the picture at all. Absent: as a registered golden picture tells it, else
    /// nobody does, and `sightline check` says so.
    #[serde(default)]
    pub presence: Option<Presence>,
    /// Cuts a large picture into tiles that overlap; what is found on them is put together. For detectors. Absent: the whole
    /// picture at once.
    #[serde(default)]
    pub tiles: Option<Tiles>,
    /// Findings count only if their centre is in one of these (pixels of the view); empty: everywhere.
    #[serde(default)]
    pub include: Vec<BoxView>,
    /// Findings whose centre is in one of these do not count.
    #[serde(default)]
    pub exclude: Vec<BoxView>,
}

fn default_window_ms() -> f64 {
    20.0
}

/// How it is told that there is a part in the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Presence {
    /// Nobody does: noise or an empty belt is OK for a model that finds nothing on it.
    Unchecked,
    /// It looks like these pictures of good parts, coarsely.
    Like(PresenceLike),
    /// It looks like its own golden picture, coarsely: for parts that differ, each with a picture of its own.
    LikeReference(PresenceLikeReference),
}

/// How much a part is to look like its golden picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceLikeReference {
    /// Correlation with it that a part reaches, over 24 x 24 cells, 0..=1.
    #[serde(default = "default_presence")]
    pub at_least: f32,
}

/// Pictures of good parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceLike {
    /// One or more, relative to the recipe file.
    pub pictures: Vec<PathBuf>,
    /// Correlation with them that a part reaches, over 24 x 24 cells, 0..=1.
    #[serde(default = "default_presence")]
    pub at_least: f32,
}

fn default_presence() -> f32 {
    0.5
}

impl View {
    /// Whether anything tells that there is a part in this view.
    pub fn tells_presence(&self) -> bool {
        let registered = |r: &Reference| r.registration != Registration::None;
        let like = |p: &Presence| *p != Presence::Unchecked;
        self.presence.as_ref().is_some_and(like) || self.reference.as_ref().is_some_and(registered)
    }
}

/// The golden picture of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The picture, relative to the recipe file; absent: the source brings one with each frame (simulated line, COCO pairs).
    #[serde(default)]
    pub picture: Option<PathBuf>,
    /// How it is brought to lie on the part.
    #[serde(default)]
    pub registration: Registration,
    /// Largest shift that is accepted, pixels.
    #[serde(default = "default_shift")]
    pub max_shift_px: f32,
    /// Largest rotation that is accepted, degrees.
    #[serde(default = "default_rotation")]
    pub max_rotation_deg: f32,
    /// Smallest correlation that is accepted, 0..=1.
    #[serde(default = "default_correlation")]
    pub min_correlation: f32,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            picture: None,
            registration: Registration::None,
            max_shift_px: default_shift(),
            max_rotation_deg: default_rotation(),
            min_correlation: default_correlation(),
        }
    }
}

fn default_shift() -> f32 {
    16.0
}
fn default_rotation() -> f32 {
    2.0
}
fn default_correlation() -> f32 {
    0.5
}

/// How a golden picture is brought to lie on the part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    /// The part always lies the same.
    #[default]
    None,
    /// Shift.
    Translation,
    /// Shift and rotation.
    Euclidean,
    /// Shift, rotation, scale, shear.
    Affine,
}

/// When findings of a class fail a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassLimit {
    /// Findings below this score do not count; absent: the bundle's default limit.
    #[serde(default)]
    pub score: Option<f32>,
    /// Findings smaller than this do not count, square pixels of the view.
    #[serde(default)]
    pub min_area_px: f32,
    /// The part fails at so many counted findings in one view; 0: the class is allowed.
    #[serde(default = "one")]
    pub count: u32,
    /// It also fails when they cover more than this in one view together, square pixels, however few they are; absent: their area
    /// does not matter.
    #[serde(default)]
    pub max_area_px: Option<f32>,
}

fn one() -> u32 {
    1
}

/// How views combine into the part's evaluation. A missing or unhealthy view is never OK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Combine {
    /// Any failing view fails the part.
    #[default]
    AnyFails,
    /// The part fails when at least so many views fail (views that see the same face twice).
    AtLeast {
        /// Number of failing views.
        views: u32,
    },
}
