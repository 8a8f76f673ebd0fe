//! What a recipe becomes, and what is said of one that does not fit.

use sightline_configs::Recipe;
use sightline_domain::result::ModelRef;
use sightline_domain::{CameraId, ClassId, Detection, Generation, Severity, VerifierOutcome};
use sightline_verdict::{
    ClassFacts, InspectionPlan, ModelFacts, PlanError, PlannedVerifier, Task, VerifierFacts,
    VerifierFault,
};
use std::time::Duration;

const RECIPE: &str = r#"
schema = "sightline.recipe.v1"
external_id = "MES-7"
internal_id = "board"
version = "3"
product_id = "board-a"
deadline_ms = 120

[[models]]
name = "pcb"
bundle = "pcb-detector"
verifier = { bundle = "pcb-verifier", dismiss_at = 0.7 }

[[views]]
name = "top"
camera = "cam2"
model = "pcb"
offset_ms = 12.5
window_ms = 10
exclude = [{ x = 0, y = 0, w = 64, h = 64 }]

[[views]]
name = "top-again"
camera = "cam2"
model = "pcb"
offset_ms = 60
window_ms = 10

[limits]
open = { score = 0.4 }
spur = { count = 3, min_area_px = 16 }
scratch = { count = 0 }
"#;

fn class(code: &str, default_limit: f32) -> ClassFacts {
    ClassFacts {
        code: code.to_owned(),
        name_en: code.to_owned(),
        severity: Severity::Major,
        default_limit,
        good: false,
    }
}

fn model_ref(name: &str) -> ModelRef {
    ModelRef {
        name: name.to_owned(),
        version: "1".to_owned(),
        digest: String::new(),
        engine: "scripted".to_owned(),
    }
}

fn facts() -> ModelFacts {
    ModelFacts {
        model_ref: model_ref("pcb-detector"),
        task: Task::Detect,
        classes: vec![class("open", 0.35), class("spur", 0.3)],
        verifier: Some(VerifierFacts {
            model_ref: model_ref("pcb-verifier"),
            task: Task::Classify,
            classes: vec![
                class("spur", 0.5),
                class("false_call", 0.5),
                class("scratch", 0.5),
            ],
        }),
    }
}

fn recipe(from: &str, to: &str) -> Recipe {
    assert!(RECIPE.contains(from), "{from}");
    toml::from_str(&RECIPE.replacen(from, to, 1)).expect("a recipe")
}

fn resolve(recipe: &Recipe, facts: &[ModelFacts]) -> Result<InspectionPlan, PlanError> {
    let cameras = ["cam1".to_owned(), "cam2".to_owned()];
    InspectionPlan::resolve(Generation(4), recipe, "hash", &cameras, facts)
}

fn good() -> InspectionPlan {
    resolve(&recipe("", ""), &[facts()]).expect("a plan")
}

#[test]
fn names_become_indexes_and_limits_stand_beside_their_classes() {
    let plan = good();
    assert_eq!(
        (plan.generation, plan.recipe.hash.as_str()),
        (Generation(4), "hash")
    );
    assert_eq!(plan.deadline, Duration::from_millis(120));
    assert_eq!(plan.views[0].camera, CameraId(1));
    assert_eq!(plan.views[0].offset, Duration::from_micros(12_500));
    let model = &plan.models[0];
    assert_eq!(model.refs.len(), 2);
    let limits: Vec<_> = model
        .classes
        .iter()
        .map(|c| (c.code.as_str(), c.score_limit, c.min_area_px, c.count))
        .collect();
    let expected = [
        ("open", 0.4, 0.0, 1),
        ("spur", 0.3, 16.0, 3),
        ("scratch", 0.5, 0.0, 0),
    ];
    assert_eq!(limits, expected);
    let verifier = model.verifier.as_ref().expect("a verifier");
    assert_eq!(verifier.classes, [Some(ClassId(1)), None, Some(ClassId(2))]);
    assert_eq!(verifier.dismiss_at, 0.7);
}

#[test]
fn the_verifier_confirms_renames_or_dismisses() {
    let verifier: PlannedVerifier = good().models[0].verifier.clone().expect("a verifier");
    let found = |class| Detection {
        class: ClassId(class),
        score: 0.9,
        bbox_view: Default::default(),
        verifier: None,
        area: None,
    };
    let apply = |class, scores: &[f32]| {
        let mut d = found(class);
        verifier
            .apply(&mut d, scores)
            .map(|()| (d.class.0, d.verifier))
    };
    use VerifierOutcome::{Confirmed, Dismissed, Renamed};
    let from = ClassId(0);
    assert_eq!(
        apply(1, &[0.6, 0.3, 0.1]),
        Ok((1, Some(Confirmed { score: 0.6 })))
    );
    assert_eq!(
        apply(0, &[0.1, 0.3, 0.6]),
        Ok((2, Some(Renamed { from, score: 0.6 })))
    );
    assert_eq!(
        apply(1, &[0.2, 0.7, 0.1]),
        Ok((1, Some(Dismissed { score: 0.7 })))
    );
    assert_eq!(
        apply(1, &[0.2, 0.69, 0.11]),
        Ok((1, Some(Confirmed { score: 0.2 })))
    );
    assert_eq!(
        apply(2, &[0.5, 0.0, 0.5]),
        Ok((2, Some(Confirmed { score: 0.5 })))
    );
    let fault = |found, finite| {
        Err(VerifierFault {
            expected: 3,
            found,
            finite,
        })
    };
    assert_eq!(apply(1, &[0.5, f32::NAN, 0.5]), fault(3, 2));
    assert_eq!(apply(1, &[0.5, 0.5]), fault(2, 2));
}

type Change = fn(&mut ModelFacts);

/// Each recipe, changed in one place, is refused with a message that names the place.
#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_recipe_that_does_not_fit_is_refused_by_its_field() {
    let cases = [
        (
            "open = {",
            "opem = {",
            "limits.opem: there is no class `opem`, did you mean `open`; known: open, scratch, spur;",
        ),
        (
            "open = {",
            "false_call = {",
            "limits.false_call: there is no class `false_call`; known:",
        ),
        (
            "camera = \"cam2\"",
            "camera = \"cam3\"",
            "views[0].camera: there is no camera `cam3`, did you mean `cam",
        ),
        (
            "model = \"pcb\"",
            "model = \"pcbb\"",
            "views[0].model: there is no model `pcbb`, did you mean `pcb`; known: pcb;",
        ),
        (
            "name = \"top-again\"",
            "name = \"top\"",
            "views[1]: `top` is already the name of views[0];",
        ),
        (
            "dismiss_at = 0.7",
            "false_call = \"falsecall\"",
            "models[0].verifier.false_call: there is no class of the verifier `falsecall`, did you mean `false_call`",
        ),
        (
            "dismiss_at = 0.7",
            "dismiss_at = 1.5",
            "models[0].verifier.dismiss_at: expected 0 to 1, found 1.5",
        ),
        (
            "dismiss_at = 0.7",
            "context = 0",
            "models[0].verifier.context: expected a finite number above 0, found 0",
        ),
        (
            "deadline_ms = 120",
            "deadline_ms = 70",
            "deadline_ms: expected more than 70 ms, when the window of views[1] (`top-again`) closes (offset_ms + window_ms), found 70 ms",
        ),
        (
            "deadline_ms = 120",
            "deadline_ms = nan",
            "deadline_ms: expected 0 to 86400000 ms, found NaN",
        ),
        (
            "deadline_ms = 120",
            "deadline_ms = 0",
            "deadline_ms: expected a finite number above 0, found 0",
        ),
        (
            "offset_ms = 12.5",
            "offset_ms = -1",
            "views[0].offset_ms: expected 0 to 86400000 ms, found -1",
        ),
        (
            "offset_ms = 60",
            "offset_ms = 32.5",
            "views[1] (`top-again`): its window 22.5..42.5 ms overlaps view `top` (2.5..22.5 ms) on the same camera `cam2`",
        ),
        (
            "w = 64",
            "w = 0",
            "views[0].exclude[0].w: expected a finite number above 0, found 0",
        ),
        (
            "x = 0",
            "x = inf",
            "views[0].exclude[0].x: expected a finite number of pixels, found inf",
        ),
        (
            "score = 0.4",
            "score = -0.1",
            "limits.open.score: expected 0 to 1, found -0.1",
        ),
        (
            "min_area_px = 16",
            "min_area_px = -16",
            "limits.spur.min_area_px: expected a finite number of square pixels, 0 or more, found -16",
        ),
        (
            "min_area_px = 16",
            "max_area_px = inf",
            "limits.spur.max_area_px: expected a finite number of square pixels, 0 or more, found inf",
        ),
        (
            "[limits]",
            "[combine]\nkind = \"at-least\"\nviews = 3\n[limits]",
            "combine.views: expected 1 up to the number of the recipe's views",
        ),
    ];
    for (from, to, expected) in cases {
        let error = resolve(&recipe(from, to), &[facts()]).expect_err(to);
        assert!(
            error.to_string().starts_with(expected),
            "{error}\nexpected: {expected}"
        );
    }
}

#[test]
fn models_that_do_not_fit_the_recipe_are_refused() {
    let refused = |facts: &[ModelFacts]| resolve(&recipe("", ""), facts).unwrap_err().to_string();
    assert!(refused(&[]).starts_with("models: expected the facts of 1 opened bundles, found 0"));
    let change = |change: Change| {
        let mut f = facts();
        change(&mut f);
        refused(&[f])
    };
    let cases: [(Change, &str); 6] = [
        (
            |f| f.verifier = None,
            "models[0].verifier: expected the facts of its opened bundle, found none",
        ),
        (
            |f| f.task = Task::Classify,
            "models[0].verifier: expected a detector, whose findings it looks at, found `pcb`",
        ),
        (
            |f| f.verifier.as_mut().unwrap().task = Task::Detect,
            "models[0].verifier: expected a classifier, found a detector",
        ),
        (
            |f| f.classes.clear(),
            "models[0] (`pcb`): the bundle's classes: expected at least one entry",
        ),
        (
            |f| f.classes[1].code = "open".into(),
            "models[0] (`pcb`): the bundle's classes[1]: `open` is already",
        ),
        (
            |f| f.classes[1].default_limit = f32::NAN,
            "models[0] (`pcb`): the bundle's classes, default_limit of `spur`: expected 0 to 1, found NaN",
        ),
    ];
    for (f, expected) in cases {
        let error = change(f);
        assert!(error.starts_with(expected), "{error}\nexpected: {expected}");
    }
    let mut classifier = facts();
    classifier.task = Task::Classify;
    classifier.verifier = None;
    let plain = recipe(
        "verifier = { bundle = \"pcb-verifier\", dismiss_at = 0.7 }\n",
        "",
    );
    let mut plain = plain;
    plain.limits.clear();
    let error = resolve(&plain, &[classifier]).unwrap_err().to_string();
    assert!(
        error.starts_with("views[0].exclude: expected no region, because model `pcb`"),
        "{error}"
    );
}
