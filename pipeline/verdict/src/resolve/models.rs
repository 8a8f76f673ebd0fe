//! Models, their classes with the recipe's limits, and their verifiers.

use super::check::{at_most, in_unit, not_empty, positive, unique};
use crate::plan::{ClassFacts, ModelFacts, PlannedClass, PlannedModel, PlannedVerifier, Task};
use crate::plan_error::PlanError;
use sightline_configs::Recipe;
use sightline_configs::recipe::{ClassLimit, RecipeModel, Verifier};
use sightline_domain::ClassId;
use std::collections::BTreeMap;

pub(super) fn models(
    recipe: &Recipe,
    facts: &[ModelFacts],
) -> Result<Vec<PlannedModel>, PlanError> {
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
        count: limit.map_or(u32::from(!facts.good), |l| l.count),
        max_area_px: limit.and_then(|l| l.max_area_px),
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
    let most = limit.max_area_px.map(|area| ("max_area_px", area));
    for (name, area) in [("min_area_px", limit.min_area_px)].into_iter().chain(most) {
        if !(area.is_finite() && area >= 0.0) {
            return Err(PlanError::Number {
                field: format!("limits.{code}.{name}"),
                expected: "a finite number of square pixels, 0 or more",
                found: area.into(),
            });
        }
    }
    Ok(())
}
