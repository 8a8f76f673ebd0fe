//! Checks of single values and lists; the error names the field.

use crate::plan_error::PlanError;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest duration a recipe may ask for, ms: one day.
const MAX_MS: f64 = 86_400_000.0;

pub(super) fn millis(field: &str, ms: f64) -> Result<Duration, PlanError> {
    if !(0.0..=MAX_MS).contains(&ms) {
        return Err(PlanError::Number {
            field: field.to_owned(),
            expected: "0 to 86400000 ms",
            found: ms,
        });
    }
    Ok(Duration::from_secs_f64(ms / 1e3))
}

pub(super) fn positive(field: &str, found: f64) -> Result<(), PlanError> {
    if found.is_finite() && found > 0.0 {
        return Ok(());
    }
    Err(PlanError::Number {
        field: field.to_owned(),
        expected: "a finite number above 0",
        found,
    })
}

pub(super) fn in_unit(field: String, found: f32) -> Result<(), PlanError> {
    if (0.0..=1.0).contains(&found) {
        return Ok(());
    }
    Err(PlanError::Number {
        field,
        expected: "0 to 1",
        found: found.into(),
    })
}

pub(super) fn not_empty(field: &str, found: usize, advice: &'static str) -> Result<(), PlanError> {
    if found > 0 {
        return Ok(());
    }
    Err(PlanError::Empty {
        field: field.to_owned(),
        advice,
    })
}

pub(super) fn at_most(field: &str, found: usize, max: usize) -> Result<(), PlanError> {
    if found <= max {
        return Ok(());
    }
    Err(PlanError::TooMany {
        field: field.to_owned(),
        max,
        found,
    })
}

pub(super) fn unique<'a>(
    list: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), PlanError> {
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
