//! Ranges of numbers and the form of names. Every number of configuration and recipe passes through here, so that whatever
//! is good here can be made a duration, a count of bytes or a capacity without another look.

use crate::check::Report;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Longest name that becomes part of a topic, an alarm or a file.
const LONGEST_NAME: usize = 64;
/// Cores, from 0.
const CORES: RangeInclusive<usize> = 0..=1_023;

impl Report<'_> {
    /// `value` must lie in `range`, which the message says, with its unit.
    pub(crate) fn within<N: PartialOrd + Display>(
        &mut self,
        field: impl Into<String>,
        value: N,
        range: RangeInclusive<N>,
        unit: &str,
    ) {
        let (low, high) = (range.start(), range.end());
        let space = if unit.is_empty() { "" } else { " " };
        self.require(range.contains(&value), field, || {
            format!("expected {low} to {high}{space}{unit}, found {value}")
        });
    }

    /// The same for a number that may be absent.
    pub(crate) fn within_if<N: PartialOrd + Display>(
        &mut self,
        field: impl Into<String>,
        value: Option<N>,
        range: RangeInclusive<N>,
        unit: &str,
    ) {
        if let Some(value) = value {
            self.within(field, value, range, unit);
        }
    }

    /// A share from 0 to 1.
    pub(crate) fn share(&mut self, field: impl Into<String>, value: f64) {
        self.within(field, value, 0.0..=1.0, "(a share)");
    }

    /// The number of a core of this box; whether there is such a core is found out at start.
    pub(crate) fn core(&mut self, field: impl Into<String>, core: usize) {
        self.within(field, core, CORES, "");
    }

    /// A name that becomes part of a topic, an alarm's id, a metric or a file.
    pub(crate) fn name(&mut self, field: impl Into<String>, name: &str) {
        if let Some(why) = wrong_name(name) {
            self.add(field, why);
        }
    }
}

/// What is wrong with a name that becomes a topic level or part of one.
fn wrong_name(name: &str) -> Option<String> {
    let bad = |c: char| "+#$/\\".contains(c) || c.is_whitespace() || is_unseen(c);
    let good = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with('.')
        && !name.contains(bad);
    (!good).then(|| {
        format!(
            "expected a name of 1 to {LONGEST_NAME} bytes that can be part of a topic and of a file: without spaces, `/`, `\\`, `+`, `#`, `$` and \
             control characters, and without a dot before it; found `{}`",
            name.escape_debug()
        )
    })
}

/// Control characters, and those that turn the direction of a text or have no width.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::wrong_name;

    #[test]
    fn a_name_is_a_topic_level_and_a_part_of_a_file() {
        for good in ["cam1", "cam-1_b.left", "相机1", "Käfer"] {
            assert_eq!(wrong_name(good), None);
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            "cam/1",
            "cam+1",
            "cam#",
            "$cam",
            "cam 1",
            "a\\b",
            ".cam",
            "..",
            "a\nb",
            "a\0",
            "a\u{202e}b",
            &long,
        ] {
            assert!(wrong_name(bad).is_some(), "{bad:?}");
        }
    }
}
