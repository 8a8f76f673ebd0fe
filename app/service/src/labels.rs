//! Which class of a model the labels of a data set mean.

use anyhow::Context;
use sightline_engine::bundle::Manifest;
use sightline_ingest::CocoFile;

/// The model's class that has the category's name as its code, else as its English name: a code may not be able to hold
/// what a data set calls it.
pub fn class_of(manifest: &Manifest, truth: &CocoFile, category: u64) -> anyhow::Result<usize> {
    let mut categories = truth.categories.iter();
    let named = categories.find(|(id, _)| *id == category);
    let (_, name) = named.with_context(|| {
        format!("the labels name the category {category}, which `categories` does not have")
    })?;
    let classes = &manifest.classes;
    let by_code = classes.iter().position(|c| c.code == *name);
    let found = by_code.or_else(|| classes.iter().position(|c| c.name.en == *name));
    found.with_context(|| {
        let codes: Vec<&str> = classes.iter().map(|c| c.code.as_str()).collect();
        format!(
            "the labels have the class `{name}`, the model has {}; rename the one or the other",
            codes.join(", ")
        )
    })
}
