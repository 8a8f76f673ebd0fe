//! Text to [`Manifest`], with line, field and nearest name in every complaint.

use super::{Manifest, Problem};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Parses a manifest strictly.
///
/// # Errors
/// [`Problem::Syntax`] or [`Problem::Unknown`], for the first thing that is wrong.
pub(super) fn parse(text: &str, path: &Path) -> Result<Manifest, Box<Problem>> {
    toml::from_str(text).map_err(|e| Box::new(explain(text, path, &e)))
}

fn explain(text: &str, path: &Path, error: &toml::de::Error) -> Problem {
    let offset = error.span().map_or(0, |span| span.start);
    let line = line_of(text, offset);
    let message = error.message();
    match unknown_name(message) {
        Some((found, known)) => Problem::Unknown {
            path: path.to_owned(),
            line,
            nearest: nearest(&found, &known),
            found,
            known,
        },
        None => Problem::Syntax {
            path: path.to_owned(),
            line,
            field: key_on_line(text, line),
            message: message.replace('\n', ", "),
        },
    }
}

/// Takes apart serde's "unknown field `x`, expected one of `a`, `b`" and "unknown variant …".
fn unknown_name(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))?;
    let mut quoted = rest.split('`').skip(1).step_by(2).map(str::to_owned);
    let found = quoted.next()?;
    Some((found, quoted.collect()))
}

/// The known name that looks most like `found`, if any looks like it at all.
pub(super) fn nearest(found: &str, known: &[String]) -> Option<String> {
    let score = |name: &String| strsim::jaro_winkler(found, name);
    let best = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.7).then(|| best.clone())
}

fn key_on_line(text: &str, line: usize) -> String {
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
    match written.split_once('=') {
        Some((key, _)) => key.trim().to_owned(),
        None => String::new(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|&&b| b == b'\n')
        .count()
        + 1
}

/// Finds the line of a dotted field like `classes[2].id`; the nearest enclosing table's where it is not written.
pub(super) struct Lines<'t> {
    text: &'t str,
    root: Option<DeTable<'t>>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let root = DeTable::parse(text).ok().map(|t| t.into_inner());
        Self { text, root }
    }

    pub(super) fn of(&self, field: &str) -> usize {
        let mut line = 1;
        let Some(root) = &self.root else { return line };
        let mut table = Some(root);
        for step in field.split('.') {
            let (key, index) = match step.split_once('[') {
                Some((key, rest)) => (key, rest.trim_end_matches(']').parse::<usize>().ok()),
                None => (step, None),
            };
            let Some(value) = table.and_then(|t| t.get(key)) else {
                return line;
            };
            let mut value = value;
            line = line_of(self.text, value.span().start);
            if let (Some(i), DeValue::Array(items)) = (index, value.get_ref()) {
                let Some(item) = items.get(i) else {
                    return line;
                };
                value = item;
                line = line_of(self.text, value.span().start);
            }
            table = match value.get_ref() {
                DeValue::Table(t) => Some(t),
                _ => None,
            };
        }
        line
    }
}
