//! Strict TOML to types, reporting everything that is wrong at once.
//!
//! Serde stops at its first error. So the offending entry is noted, taken out of the parsed document, and the rest
//! is read again, until it fits or nothing more can be taken out. Spans survive this, so every problem has its line.

use crate::{Problem, Problems};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More problems than this in one file are not listed.
const MOST_PROBLEMS: usize = 50;

/// Where each field of a file was written, for checks that come after reading.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    lines: BTreeMap<String, usize>,
}

impl Source {
    /// The line of `field`, or of its nearest written parent.
    pub fn line(&self, field: &str) -> Option<usize> {
        let mut at = field;
        loop {
            if let Some(line) = self.lines.get(at) {
                return Some(*line);
            }
            at = &at[..at.rfind(['.', '['])?];
        }
    }

    /// A problem with `field`, with its line.
    pub fn problem(&self, field: impl Into<String>, message: impl Into<String>) -> Problem {
        let field = field.into();
        Problem {
            file: self.file.clone(),
            line: self.line(&field),
            field,
            message: message.into(),
        }
    }
}

/// Reads `text`, the content of `file`, into a `T`.
///
/// # Errors
/// Every syntax error, or every unknown field, missing field and wrong type, each with its line.
pub fn read<T: DeserializeOwned>(file: &Path, text: &str) -> Result<(T, Source), Problems> {
    let whole = |line, message| Problem {
        file: file.into(),
        line,
        field: String::new(),
        message,
    };
    let line_of = line_starts(text);
    let (mut document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let at = |e: &toml::de::Error| e.span().map(|s| line_of(s.start));
        return Err(Problems(
            errors
                .iter()
                .take(MOST_PROBLEMS)
                .map(|e| whole(at(e), format!("not TOML: {}", e.message())))
                .collect(),
        ));
    }
    let mut written = Vec::new();
    index_table(document.get_ref(), "", &mut written);
    let lines = written
        .iter()
        .map(|(span, path)| (path.clone(), line_of(span.start)))
        .collect();
    let (mut problems, mut taken_out) = (Vec::new(), HashSet::<String>::new());
    loop {
        let error = match T::deserialize(toml::Deserializer::from(document.clone())) {
            Ok(value) if problems.is_empty() => {
                return Ok((
                    value,
                    Source {
                        file: file.into(),
                        lines,
                    },
                ));
            }
            Ok(_) => return Err(Problems(problems)),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..text.len());
        let path = written
            .iter()
            .rfind(|(s, _)| *s == span)
            .map_or("", |(_, path)| path);
        // That a field is missing which was taken out here has been said already, by its own problem.
        let known = missing_field(error.message())
            .is_some_and(|name| taken_out.contains(&join(path, name)));
        if !known {
            let line = Some(line_of(span.start)).filter(|_| !path.is_empty());
            problems.push(Problem {
                file: file.into(),
                line,
                field: path.into(),
                message: explain(error.message()),
            });
        }
        taken_out.insert(path.to_string());
        if problems.len() >= MOST_PROBLEMS || !take_out(document.get_mut(), &span) {
            return Err(Problems(problems));
        }
    }
}

/// From an offset to its line, from 1; looked up, so that a file of many fields takes no longer for each of them.
fn line_starts(text: &str) -> impl Fn(usize) -> usize {
    let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    move |offset| starts.partition_point(|at| *at < offset) + 1
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() {
        key.to_string()
    } else {
        format!("{parent}.{key}")
    }
}

/// Lists every entry's path under the span of its key and of its value, parents before children.
fn index_table(table: &DeTable<'_>, parent: &str, written: &mut Vec<(Range<usize>, String)>) {
    for (key, value) in table {
        let path = join(parent, key.get_ref());
        written.push((key.span(), path.clone()));
        index_value(value, &path, written);
    }
}

fn index_value(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    written: &mut Vec<(Range<usize>, String)>,
) {
    written.push((value.span(), path.to_string()));
    match value.get_ref() {
        DeValue::Table(table) => index_table(table, path, written),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                index_value(item, &format!("{path}[{i}]"), written);
            }
        }
        _ => {}
    }
}

/// Removes the innermost entry whose key or value lies at `span`; false when there is none.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    if table
        .iter_mut()
        .any(|(_, value)| take_out_of_value(value, span))
    {
        return true;
    }
    let hit = table
        .iter()
        .find(|(key, value)| key.span() == *span || value.span() == *span);
    let Some(key) = hit.map(|(key, _)| key.get_ref().to_string()) else {
        return false;
    };
    table.remove(key.as_str()).is_some()
}

fn take_out_of_value(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(items) => {
            if items.iter_mut().any(|item| take_out_of_value(item, span)) {
                return true;
            }
            let Some(hit) = items.iter().position(|item| item.span() == *span) else {
                return false;
            };
            let kept = items.iter().enumerate().filter(|(i, _)| *i != hit);
            *items = kept.map(|(_, item)| item.clone()).collect();
            true
        }
        _ => false,
    }
}

/// The field's name in serde's "missing field `x`".
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// Serde's message with the nearest known name, where it lists names.
fn explain(message: &str) -> String {
    let message = message.trim_end();
    if let Some(name) = missing_field(message) {
        return format!("the field `{name}` is missing; write it");
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let Some((found, known)) = quoted.split_first() else {
        return message.to_string();
    };
    if !message.starts_with("unknown ") || known.is_empty() {
        return message.to_string();
    }
    match nearest(found, known.iter().copied()) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message.to_string(),
    }
}

/// The known name most like `found`, the first of equals, if one is like it at all (Jaro-Winkler of 0.7 or more).
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = (0.7, None);
    for name in known {
        let likeness = strsim::jaro_winkler(found, name);
        if likeness > best.0 {
            best = (likeness, Some(name));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_unknown_fields_are_refused_in_linear_time() {
        let text: String = (0..90_000).map(|i| format!("k{i}=1\n")).collect();
        let begin = std::time::Instant::now();
        let problems = read::<crate::Recipe>(Path::new("many"), &text).expect_err("unknown");
        assert_eq!(problems.0.len(), MOST_PROBLEMS);
        assert_eq!(problems.0[1].line, Some(2));
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    }
    use crate::{Recipe, Station};

    const DEMO: &str = include_str!("../demo.toml");

    fn problems(text: &str) -> Vec<String> {
        let Err(problems) = read::<Station>(Path::new("demo.toml"), text) else {
            panic!("was accepted:\n{text}")
        };
        problems.0.iter().map(Problem::to_string).collect()
    }

    fn line(text: &str, needle: &str) -> usize {
        line_starts(text)(text.find(needle).expect("needle"))
    }

    #[test]
    fn every_problem_is_reported_with_its_line_and_the_nearest_name() {
        let text =
            DEMO.replacen("slots = ", "slotz = ", 1)
                .replacen("seed = 1", "seed = \"one\"", 1);
        assert_ne!(text, DEMO);
        let found = problems(&text);
        assert_eq!(found.len(), 2, "{found:?}");
        let slotz = format!(
            "demo.toml:{}: cameras[0].slotz: unknown field `slotz`",
            line(&text, "slotz")
        );
        let seed = format!(
            "demo.toml:{}: simulation.seed: invalid type: string \"one\"",
            line(&text, "seed")
        );
        assert!(
            found
                .iter()
                .any(|p| p.starts_with(&slotz) && p.ends_with("did you mean `slots`?")),
            "{found:?}"
        );
        assert!(found.iter().any(|p| p.starts_with(&seed)), "{found:?}");
    }

    #[test]
    fn a_missing_field_names_its_table() {
        let text = DEMO.replacen("cell = \"demo\"\n", "", 1);
        let found = problems(&text);
        let expected = format!(
            "demo.toml:{}: station: the field `cell` is missing; write it",
            line(&text, "[station]")
        );
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_is_not_toml_says_where() {
        let found = problems("a = \n[b\n");
        assert!(
            found
                .iter()
                .all(|p| p.starts_with("demo.toml:") && p.contains("not TOML")),
            "{found:?}"
        );
        assert!(found.len() >= 2, "{found:?}");
    }

    #[test]
    fn an_unknown_kind_names_the_nearest() {
        let text = DEMO.replacen("kind = \"simulated\"", "kind = \"simulatd\"", 1);
        let found = problems(&text);
        assert!(found[0].contains("did you mean `simulated`?"), "{found:?}");
    }

    #[test]
    fn a_recipe_is_not_a_station() {
        let Err(found) = read::<Recipe>(Path::new("demo.toml"), DEMO) else {
            panic!("accepted")
        };
        assert!(found.0.len() > 3, "{found}");
    }
}
