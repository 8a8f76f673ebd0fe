//! Which class of a model the labels of a data set mean.

use anyhow::Context;
use sightline_engine::bundle::Manifest;
use sightline_ingest::CocoFile;

/// The model's class that has the category's name as its code, else as its English name (a code may not be able to hold
/// what a data set calls it), else the only one of the same letters, whatever their case and what stands between words.
pub fn class_of(manifest: &Manifest, truth: &CocoFile, category: u64) -> anyhow::Result<usize> {
    let mut categories = truth.categories.iter();
    let named = categories.find(|(id, _)| *id == category);
    let (_, name) = named.with_context(|| {
        format!("the labels name the category {category}, which `categories` does not have")
    })?;
    let classes = &manifest.classes;
    let by_code = classes.iter().position(|c| c.code == *name);
    let by_name = || classes.iter().position(|c| c.name.en == *name);
    let found = by_code.or_else(by_name).or_else(|| alike(manifest, name));
    found.with_context(|| {
        let codes: Vec<&str> = classes.iter().map(|c| c.code.as_str()).collect();
        format!(
            "the labels have the class `{name}`, the model has {}; rename the one or the other",
            codes.join(", ")
        )
    })
}

/// The class whose code or English name differs from `name` in case and in blanks, `_` and `-` only; none if two do.
fn alike(manifest: &Manifest, name: &str) -> Option<usize> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
    let wanted = plain(name);
    let mut like = manifest
        .classes
        .iter()
        .enumerate()
        .filter(|(_, c)| plain(&c.code) == wanted || plain(&c.name.en) == wanted);
    match (like.next(), like.next()) {
        (Some((class, _)), None) => Some(class),
        _ => None,
    }
}
