//! Recipe + cameras + opened bundles -> [`InspectionPlan`], or the first thing that does not fit.

mod check;
mod models;
mod views;

use crate::plan::{InspectionPlan, ModelFacts, PlannedModel};
use crate::plan_error::PlanError;
use check::{millis, positive};
use sightline_configs::Recipe;
use sightline_domain::Generation;
use sightline_domain::result::RecipeRef;

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
        let models = models::models(recipe, facts)?;
        challenge(recipe, &models)?;
        let views = views::views(recipe, camera_names, &models)?;
        views::timing(recipe, &views, deadline)?;
        views::combine(&recipe.combine, views.len())?;
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
            challenge: recipe.challenge.clone(),
        })
    }
}

/// A finding that a challenge part is to have must be one that fails a part.
fn challenge(recipe: &Recipe, models: &[PlannedModel]) -> Result<(), PlanError> {
    let failing = models.iter().flat_map(|m| &m.classes);
    let failing: Vec<_> = failing.filter(|c| c.count > 0).collect();
    let parts = recipe.challenge.iter().flat_map(|c| &c.parts);
    for (i, part) in parts.enumerate() {
        for (n, code) in part.findings.iter().enumerate() {
            if !failing.iter().any(|c| c.code == *code) {
                let field = format!("challenge.parts[{i}].findings[{n}]");
                let known = failing.iter().map(|c| c.code.clone()).collect();
                return Err(PlanError::unknown(
                    field,
                    "class that fails a part",
                    code,
                    known,
                ));
            }
        }
    }
    Ok(())
}
