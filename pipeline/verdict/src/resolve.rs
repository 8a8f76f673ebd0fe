//! Recipe + cameras + opened bundles -> [`InspectionPlan`], or the first thing that does not fit.

use crate::plan::{
    ClassFacts, InspectionPlan, ModelFacts, PlannedClass, PlannedModel, PlannedVerifier,
    PlannedView, Task,
};
use crate::plan_error::PlanError;
use sightline_configs::Recipe;
use sightline_configs::recipe::{ClassLimit, Combine, RecipeModel, Verifier, View};
use sightline_model::result::RecipeRef;
use sightline_model::{BoxView, CameraId, ClassId, Generation};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest duration a recipe may ask for, ms: one day.
const MAX_MS: f64 = 86_400_000.0;

impl InspectionPlan {
    /// Makes a plan of `recipe` for `generation`. `recipe_hash` is the SHA-256 of its content in hex,
    /// `camera_names` are the station's in the order of their ids, `facts` has one entry a model of the recipe, in
    /// its order.
    ///
    /// # Errors
    /// [`PlanError`] names the field of the recipe that does not fit.
    pub fn resolve(
        generation: Generation,
        recipe: &Recipe,
        recipe_hash: &str,
        camera_names: &[String],
        facts: &[ModelFacts],
    ) -> Result<Self, PlanError> {
        let deadline = millis("deadline_ms", recipe.deadline_ms)?;
        positive("deadline_ms", recipe.deadline_ms)?;
        let models = models(recipe, facts)?;
        let views = views(recipe, camera_names, &models)?;
        timing(recipe, &views, deadline)?;
        combine(&recipe.combine, views.len())?;
        Ok(Self {
            generation,
            recipe: RecipeRef {
                external_id: recipe.external_id.clone(),
                internal_id: recipe.internal_id.clone(),
                version: recipe.version.clone(),
                hash: recipe_hash.to_owned(),
            },
            product_id: recipe.product_id.clone(),
            deadline,
            views,
            models,
            combine: recipe.combine,
        })
    }
}

fn models(recipe: &Recipe, facts: &[ModelFacts]) -> Result<Vec<PlannedModel>, PlanError> {
    not_empty("models", recipe.models.len(), "name at least one model")?;
    if facts.len() != recipe.models.len() {
        return Err(PlanError::FactsMissing {
            expected: recipe.models.len(),
            found: facts.len(),
        });
    }
    unique("models", recipe.models.iter().map(|m| m.name.as_str()))?;
    let planned: Vec<PlannedModel> = recipe
        .models
        .iter()
        .zip(facts)
        .enumerate()
        .map(|(i, (model, facts))| self::model(i, model, facts, &recipe.limits))
        .collect::<Result<_, _>>()?;
    for (code, limit) in &recipe.limits {
        check_limit(code, limit)?;
        let mut all = planned.iter().flat_map(|m| &m.classes).map(|c| &c.code);
        if !all.clone().any(|c| c == code) {
            let mut known: Vec<String> = all.by_ref().cloned().collect();
            known.sort();
            known.dedup();
            let field = format!("limits.{code}");
            return Err(PlanError::unknown(field, "class", code, known));
        }
    }
    Ok(planned)
}

fn model(
    index: usize,
    model: &RecipeModel,
    facts: &ModelFacts,
    limits: &BTreeMap<String, ClassLimit>,
) -> Result<PlannedModel, PlanError> {
    let field = format!("models[{index}] (`{}`)", model.name);
    check_classes(&field, &facts.classes)?;
    let mut planned = PlannedModel {
        name: model.name.clone(),
        refs: vec![facts.model_ref.clone()],
        task: facts.task,
        classes: facts.classes.iter().map(|c| class(c, limits)).collect(),
        verifier: None,
    };
    if let Some(wanted) = &model.verifier {
        planned.verifier = Some(verifier(index, wanted, facts, &mut planned, limits)?);
    }
    Ok(planned)
}

fn verifier(
    index: usize,
    wanted: &Verifier,
    facts: &ModelFacts,
    model: &mut PlannedModel,
    limits: &BTreeMap<String, ClassLimit>,
) -> Result<PlannedVerifier, PlanError> {
    let field = format!("models[{index}].verifier");
    let mismatch = |expected: &str, found: &str, advice| PlanError::Verifier {
        field: field.clone(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        advice,
    };
    let Some(second) = &facts.verifier else {
        return Err(mismatch(
            "the facts of its opened bundle",
            "none",
            "open the verifier's bundle first",
        ));
    };
    if model.task != Task::Detect {
        let found = format!("`{}`, which names the whole view", model.name);
        return Err(mismatch(
            "a detector, whose findings it looks at",
            &found,
            "remove the verifier",
        ));
    }
    if second.task != Task::Classify {
        return Err(mismatch(
            "a classifier",
            "a detector",
            "name a bundle whose task is classify",
        ));
    }
    in_unit(format!("{field}.dismiss_at"), wanted.dismiss_at)?;
    positive(&format!("{field}.context"), wanted.context.into())?;
    positive(&format!("{field}.min_crop_px"), wanted.min_crop_px.into())?;
    check_classes(&field, &second.classes)?;
    if !second.classes.iter().any(|c| c.code == wanted.false_call) {
        let known = second.classes.iter().map(|c| c.code.clone()).collect();
        let field = format!("{field}.false_call");
        let what = "class of the verifier";
        return Err(PlanError::unknown(field, what, &wanted.false_call, known));
    }
    model.refs.push(second.model_ref.clone());
    let classes = second
        .classes
        .iter()
        .map(|c| (c.code != wanted.false_call).then(|| own_class(model, c, limits)))
        .collect();
    Ok(PlannedVerifier {
        context: wanted.context,
        min_crop_px: wanted.min_crop_px,
        dismiss_at: wanted.dismiss_at,
        classes,
    })
}

/// The model's class of the same code; one that only the verifier knows is added.
fn own_class(
    model: &mut PlannedModel,
    facts: &ClassFacts,
    limits: &BTreeMap<String, ClassLimit>,
) -> ClassId {
    let index = model
        .classes
        .iter()
        .position(|c| c.code == facts.code)
        .unwrap_or_else(|| {
            model.classes.push(class(facts, limits));
            model.classes.len() - 1
        });
    ClassId(index as u16)
}

fn class(facts: &ClassFacts, limits: &BTreeMap<String, ClassLimit>) -> PlannedClass {
    let limit = limits.get(&facts.code);
    PlannedClass {
        code: facts.code.clone(),
        name_en: facts.name_en.clone(),
        severity: facts.severity,
        score_limit: limit.and_then(|l| l.score).unwrap_or(facts.default_limit),
        min_area_px: limit.map_or(0.0, |l| l.min_area_px),
        count: limit.map_or(1, |l| l.count),
    }
}

fn check_classes(field: &str, classes: &[ClassFacts]) -> Result<(), PlanError> {
    let list = format!("{field}: the bundle's classes");
    not_empty(&list, classes.len(), "the bundle must name what it finds")?;
    // Two stages share one table of at most 2^16 classes.
    at_most(&list, classes.len(), usize::from(u16::MAX) / 2)?;
    unique(&list, classes.iter().map(|c| c.code.as_str()))?;
    for c in classes {
        in_unit(
            format!("{list}, default_limit of `{}`", c.code),
            c.default_limit,
        )?;
    }
    Ok(())
}

fn check_limit(code: &str, limit: &ClassLimit) -> Result<(), PlanError> {
    if let Some(score) = limit.score {
        in_unit(format!("limits.{code}.score"), score)?;
    }
    if !(limit.min_area_px.is_finite() && limit.min_area_px >= 0.0) {
        return Err(PlanError::Number {
            field: format!("limits.{code}.min_area_px"),
            expected: "a finite number of square pixels, 0 or more",
            found: limit.min_area_px.into(),
        });
    }
    Ok(())
}

fn views(
    recipe: &Recipe,
    cameras: &[String],
    models: &[PlannedModel],
) -> Result<Vec<PlannedView>, PlanError> {
    not_empty(
        "views",
        recipe.views.len(),
        "a part without a view can never be OK",
    )?;
    at_most("views", recipe.views.len(), usize::from(u16::MAX))?;
    unique("views", recipe.views.iter().map(|v| v.name.as_str()))?;
    let view = |(i, v): (usize, &View)| -> Result<PlannedView, PlanError> {
        let camera = cameras.iter().position(|c| *c == v.camera).ok_or_else(|| {
            let field = format!("views[{i}].camera");
            PlanError::unknown(field, "camera", &v.camera, cameras.to_vec())
        })?;
        let model = models
            .iter()
            .position(|m| m.name == v.model)
            .ok_or_else(|| {
                let known = models.iter().map(|m| m.name.clone()).collect();
                PlanError::unknown(format!("views[{i}].model"), "model", &v.model, known)
            })?;
        check_regions(i, "include", &v.include, &models[model])?;
        check_regions(i, "exclude", &v.exclude, &models[model])?;
        Ok(PlannedView {
            name: v.name.clone(),
            camera: CameraId(camera as u16),
            camera_name: v.camera.clone(),
            model,
            offset: millis(&format!("views[{i}].offset_ms"), v.offset_ms)?,
            window: millis(&format!("views[{i}].window_ms"), v.window_ms)?,
            frame_per_trigger: v.frame_per_trigger,
            include: v.include.clone(),
            exclude: v.exclude.clone(),
            reference: v.reference.clone(),
        })
    };
    recipe.views.iter().enumerate().map(view).collect()
}

fn check_regions(
    view: usize,
    which: &str,
    regions: &[BoxView],
    model: &PlannedModel,
) -> Result<(), PlanError> {
    if model.task == Task::Classify && !regions.is_empty() {
        return Err(PlanError::RegionsNeedADetector {
            field: format!("views[{view}].{which}"),
            model: model.name.clone(),
            found: regions.len(),
        });
    }
    for (i, r) in regions.iter().enumerate() {
        let field = format!("views[{view}].{which}[{i}]");
        positive(&format!("{field}.w"), r.w.into())?;
        positive(&format!("{field}.h"), r.h.into())?;
        for (side, found) in [("x", r.x), ("y", r.y)] {
            if !found.is_finite() {
                return Err(PlanError::Number {
                    field: format!("{field}.{side}"),
                    expected: "a finite number of pixels",
                    found: found.into(),
                });
            }
        }
    }
    Ok(())
}

/// Every window closes before the deadline, and no two windows of a camera overlap.
fn timing(recipe: &Recipe, views: &[PlannedView], deadline: Duration) -> Result<(), PlanError> {
    for (i, v) in views.iter().enumerate() {
        if v.offset + v.window >= deadline {
            return Err(PlanError::DeadlineTooShort {
                field: format!("views[{i}] (`{}`)", v.name),
                needed_ms: recipe.views[i].offset_ms + recipe.views[i].window_ms,
                deadline_ms: recipe.deadline_ms,
            });
        }
        let overlaps = |o: &&PlannedView| {
            o.camera == v.camera && o.offset.abs_diff(v.offset) <= o.window + v.window
        };
        if let Some(o) = views[..i].iter().find(overlaps) {
            let ms = |d: Duration| d.as_secs_f64() * 1e3;
            return Err(PlanError::WindowsOverlap {
                field: format!("views[{i}] (`{}`)", v.name),
                other: format!("view `{}`", o.name),
                camera: v.camera_name.clone(),
                from_ms: ms(v.offset) - ms(v.window),
                to_ms: ms(v.offset + v.window),
                other_from_ms: ms(o.offset) - ms(o.window),
                other_to_ms: ms(o.offset + o.window),
            });
        }
    }
    Ok(())
}

fn combine(combine: &Combine, views: usize) -> Result<(), PlanError> {
    match *combine {
        Combine::AtLeast { views: n } if n == 0 || n as usize > views => Err(PlanError::Number {
            field: "combine.views".to_owned(),
            expected: "1 up to the number of the recipe's views (more could never fail a part)",
            found: n.into(),
        }),
        _ => Ok(()),
    }
}

fn millis(field: &str, ms: f64) -> Result<Duration, PlanError> {
    if !(0.0..=MAX_MS).contains(&ms) {
        return Err(PlanError::Number {
            field: field.to_owned(),
            expected: "0 to 86400000 ms",
            found: ms,
        });
    }
    Ok(Duration::from_secs_f64(ms / 1e3))
}

fn positive(field: &str, found: f64) -> Result<(), PlanError> {
    if found.is_finite() && found > 0.0 {
        return Ok(());
    }
    Err(PlanError::Number {
        field: field.to_owned(),
        expected: "a finite number above 0",
        found,
    })
}

fn in_unit(field: String, found: f32) -> Result<(), PlanError> {
    if (0.0..=1.0).contains(&found) {
        return Ok(());
    }
    Err(PlanError::Number {
        field,
        expected: "0 to 1",
        found: found.into(),
    })
}

fn not_empty(field: &str, found: usize, advice: &'static str) -> Result<(), PlanError> {
    if found > 0 {
        return Ok(());
    }
    Err(PlanError::Empty {
        field: field.to_owned(),
        advice,
    })
}

fn at_most(field: &str, found: usize, max: usize) -> Result<(), PlanError> {
    if found <= max {
        return Ok(());
    }
    Err(PlanError::TooMany {
        field: field.to_owned(),
        max,
        found,
    })
}

fn unique<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), PlanError> {
    let mut first = BTreeMap::new();
    for (i, name) in names.enumerate() {
        if let Some(j) = first.insert(name, i) {
            return Err(PlanError::DuplicateName {
                field: format!("{list}[{i}]"),
                found: name.to_owned(),
                first: format!("{list}[{j}]"),
            });
        }
    }
    Ok(())
}
