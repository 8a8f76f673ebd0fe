//! Views: their cameras, regions and windows, and how they combine.

use super::check::{at_most, millis, not_empty, positive, unique};
use crate::plan::{PlannedModel, PlannedView, Task};
use crate::plan_error::PlanError;
use sightline_configs::Recipe;
use sightline_configs::recipe::{Combine, View};
use sightline_domain::{BoxView, CameraId};
use std::time::Duration;

pub(super) fn views(
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
        check_tiles(i, v, &models[model])?;
        Ok(PlannedView {
            name: v.name.clone(),
            camera: CameraId(camera as u16),
            camera_name: v.camera.clone(),
            model,
            offset: millis(&format!("views[{i}].offset_ms"), v.offset_ms)?,
            window: millis(&format!("views[{i}].window_ms"), v.window_ms)?,
            size: v.width.zip(v.height),
            frame_per_trigger: v.frame_per_trigger,
            tiles: v.tiles,
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

/// Only findings can be put together: what classes a part has is told by its whole picture.
fn check_tiles(view: usize, v: &View, model: &PlannedModel) -> Result<(), PlanError> {
    match v.tiles {
        Some(_) if model.task == Task::Classify => Err(PlanError::TilesNeedADetector {
            field: format!("views[{view}].tiles"),
            model: model.name.clone(),
        }),
        _ => Ok(()),
    }
}

/// Every window closes before the deadline, and no two windows of a camera overlap.
pub(super) fn timing(
    recipe: &Recipe,
    views: &[PlannedView],
    deadline: Duration,
) -> Result<(), PlanError> {
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

pub(super) fn combine(combine: &Combine, views: usize) -> Result<(), PlanError> {
    match *combine {
        Combine::AtLeast { views: n } if n == 0 || n as usize > views => Err(PlanError::Number {
            field: "combine.views".to_owned(),
            expected: "1 up to the number of the recipe's views (more could never fail a part)",
            found: n.into(),
        }),
        _ => Ok(()),
    }
}
