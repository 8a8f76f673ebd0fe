//! What a replay measured: how good the model is on the pictures, and what the engine could not answer.

use super::Pictures;
use crate::cli::{labels, output};
use anyhow::Context;
use serde_json::{Value, json};
use sightline_configs::Recipe;
use sightline_domain::{Disposition, InspectionResult};
use sightline_engine::bundle::ClassSpec;
use sightline_engine::{Bundle, Task};
use sightline_evaluation::{Found, Judged, Named, Truth};
use sightline_ingest::images::CocoPicture;
use std::collections::BTreeMap;

/// The pictures' results against their truth.
///
/// # Errors
/// A label that names no class of the model, or a picture without one.
pub fn summarise(
    bundle: &Bundle,
    recipe: &Recipe,
    pictures: &Pictures,
    results: &[InspectionResult],
) -> anyhow::Result<Value> {
    let classes: Vec<String> = bundle
        .manifest()
        .classes
        .iter()
        .map(|c| c.code.clone())
        .collect();
    let class_of: BTreeMap<&str, usize> = classes
        .iter()
        .enumerate()
        .map(|(i, c)| (c.as_str(), i))
        .collect();
    let Some(truth) = &pictures.truth else {
        let rejected = results
            .iter()
            .filter(|r| r.disposition == Disposition::Reject)
            .count();
        return Ok(json!({"kind": "summary", "images": results.len(), "rejected": rejected}));
    };
    let class = |id: u64| labels::class_of(bundle.manifest(), truth, id);
    let scored = results.iter().filter_map(|result| {
        let frame = result.views.first()?.frame_id?;
        let picture = &truth.pictures[frame as usize % truth.pictures.len()];
        (!picture.spoiled).then_some((result, picture))
    });
    if bundle.manifest().task == Task::Classify {
        let named = scored.map(|(result, picture)| {
            let answer = best_class(result).and_then(|code| class_of.get(code).copied());
            Ok(Named {
                truth: class(class_id(picture)?)?,
                answer,
                rejected: result.disposition == Disposition::Reject,
            })
        });
        let named = named.collect::<anyhow::Result<Vec<_>>>()?;
        let passes = |c: &ClassSpec| {
            let limit = recipe.limits.get(&c.code);
            limit.map_or(c.good, |l| l.count == 0)
        };
        let good: Vec<bool> = bundle.manifest().classes.iter().map(passes).collect();
        return tagged(sightline_evaluation::classification(
            &named, &classes, &good,
        ));
    }
    let mut judged = Vec::new();
    for (result, picture) in scored {
        let truth = picture.boxes.iter().map(|b| {
            Ok(Truth {
                class: class(b.category)?,
                bbox_view: b.bbox,
            })
        });
        let found = result.views[0].detections.iter().filter_map(|d| {
            Some(Found {
                class: *class_of.get(d.code.as_str())?,
                score: d.score,
                bbox_view: d.bbox_px,
            })
        });
        judged.push(Judged {
            truth: truth.collect::<anyhow::Result<_>>()?,
            found: found.collect(),
            rejected: result.disposition == Disposition::Reject,
        });
    }
    let limits: Vec<f32> = bundle
        .manifest()
        .classes
        .iter()
        .map(|c| {
            let own = recipe.limits.get(&c.code).and_then(|l| l.score);
            own.unwrap_or(c.default_limit)
        })
        .collect();
    tagged(sightline_evaluation::detection(&judged, &classes, &limits))
}

/// The code of the class with the highest score.
fn best_class(result: &InspectionResult) -> Option<&str> {
    let detections = result.views[0].detections.iter();
    let best = detections.max_by(|a, b| a.score.total_cmp(&b.score));
    best.map(|d| d.code.as_str())
}

fn class_id(picture: &CocoPicture) -> anyhow::Result<u64> {
    picture.class_id.with_context(|| {
        format!(
            "{}: expected a `class_id`, found none; a classifier is compared with the class of each picture: write the id of its \
             category as \"class_id\" into its entry of `images`",
            picture.file_name
        )
    })
}

fn tagged(summary: impl serde::Serialize) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(summary)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("kind".into(), "summary".into());
    }
    Ok(value)
}

/// For people, a line a figure.
pub fn print(summary: &Value) {
    let Value::Object(fields) = summary else {
        return;
    };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "kind") {
        if name == "faults" {
            for fault in value.as_array().into_iter().flatten() {
                let reason = fault["reason"].as_str().unwrap_or_default();
                output::say(&format!(
                    "{:>14}: {} pictures: {reason}",
                    "faults", fault["pictures"]
                ));
            }
            continue;
        }
        match value.as_f64() {
            Some(number) if number.fract() != 0.0 => {
                output::say(&format!("{name:>14}: {number:.4}"))
            }
            _ => output::say(&format!("{name:>14}: {value}")),
        }
    }
}

/// Adds `faults`: how many pictures the engine could not answer, by the reason.
pub fn tell_faults(results: &[InspectionResult], summary: &mut Value) {
    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    for view in results.iter().flat_map(|r| &r.views) {
        if let Some(why) = view.fault.as_deref() {
            *faults.entry(why).or_default() += 1;
        }
    }
    if !faults.is_empty() {
        summary["faults"] = faults
            .iter()
            .map(|(why, pictures)| json!({"pictures": pictures, "reason": why}))
            .collect();
    }
}
