//! Why a recipe cannot be carried out on this box. Every message names the recipe's field, what was found, what
//! was expected, and the nearest known name where a name is wrong.

/// What is wrong with a recipe, its cameras or its models.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A name that nothing has.
    #[error("{field}: there is no {what} `{found}`{}; known: {}; correct the name", hint(.nearest.as_deref()), list(.known))]
    UnknownName {
        /// Recipe field, e.g. `views[2].camera`.
        field: String,
        /// Camera, model, class, …
        what: &'static str,
        /// What the recipe says.
        found: String,
        /// What there is.
        known: Vec<String>,
        /// The closest of them.
        nearest: Option<String>,
    },
    /// A name given twice.
    #[error(
        "{field}: `{found}` is already the name of {first}; names must be unique, choose another"
    )]
    DuplicateName {
        /// Recipe field.
        field: String,
        /// The name.
        found: String,
        /// The field that has it already.
        first: String,
    },
    /// A list that may not be empty.
    #[error("{field}: expected at least one entry, found none; {advice}")]
    Empty {
        /// Recipe field.
        field: String,
        /// What to do.
        advice: &'static str,
    },
    /// More entries than can be numbered.
    #[error("{field}: expected at most {max} entries, found {found}; split the recipe")]
    TooMany {
        /// Recipe field.
        field: String,
        /// The most there can be.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// A number out of range.
    #[error("{field}: expected {expected}, found {found}; correct the number")]
    Number {
        /// Recipe field, or the bundle's.
        field: String,
        /// The range.
        expected: &'static str,
        /// The number.
        found: f64,
    },
    /// The deadline is over before the last frame can be there.
    #[error(
        "deadline_ms: expected more than {needed_ms} ms, when the window of {field} closes (offset_ms + window_ms), found {deadline_ms} ms; give more time or look earlier"
    )]
    DeadlineTooShort {
        /// The view, e.g. `views[1]`.
        field: String,
        /// When its window closes, ms after the trigger.
        needed_ms: f64,
        /// The recipe's deadline, ms.
        deadline_ms: f64,
    },
    /// One frame could be either of two views.
    #[error(
        "{field}: its window {from_ms}..{to_ms} ms overlaps {other} ({other_from_ms}..{other_to_ms} ms) on the same camera `{camera}`, so one frame could be either; move the offsets apart or narrow the windows"
    )]
    WindowsOverlap {
        /// The later view's field.
        field: String,
        /// The earlier view's field.
        other: String,
        /// Their camera.
        camera: String,
        /// Window of `field`, ms after the trigger.
        from_ms: f64,
        /// Its end.
        to_ms: f64,
        /// Window of `other`, ms after the trigger.
        other_from_ms: f64,
        /// Its end.
        other_to_ms: f64,
    },
    /// Regions and a classifier do not go together.
    #[error(
        "{field}: expected no region, because model `{model}` names the whole view and gives no places, found {found}; remove them or use a detector"
    )]
    RegionsNeedADetector {
        /// Recipe field.
        field: String,
        /// The classifier's name in the recipe.
        model: String,
        /// How many regions there are.
        found: usize,
    },
    /// Tiles and a classifier do not go together.
    #[error(
        "{field}: expected no tiles, because model `{model}` names the whole view; remove them or use a detector"
    )]
    TilesNeedADetector {
        /// Recipe field.
        field: String,
        /// The classifier's name in the recipe.
        model: String,
    },
    /// Recipe and opened bundles disagree about the second stage.
    #[error("{field}: expected {expected}, found {found}; {advice}")]
    Verifier {
        /// Recipe field.
        field: String,
        /// What would do.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// Facts were not given for each model.
    #[error(
        "models: expected the facts of {expected} opened bundles, found {found}; open every model of the recipe first"
    )]
    FactsMissing {
        /// Models in the recipe.
        expected: usize,
        /// Facts given.
        found: usize,
    },
}

impl PlanError {
    pub(crate) fn unknown(
        field: String,
        what: &'static str,
        found: &str,
        known: Vec<String>,
    ) -> Self {
        let nearest = sightline_configs::nearest(found, known.iter().map(String::as_str));
        Self::UnknownName {
            nearest: nearest.map(str::to_owned),
            field,
            what,
            found: found.to_owned(),
            known,
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |n| format!(", did you mean `{n}`"))
}

fn list(known: &[String]) -> String {
    match known {
        [] => "none".to_owned(),
        _ => known.join(", "),
    }
}
