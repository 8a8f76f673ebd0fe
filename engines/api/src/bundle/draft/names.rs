//! Class names as exporters leave them in a file's metadata, and the codes that are made of them.

use crate::bundle::is_code;
use std::collections::{BTreeMap, BTreeSet};

/// Keys under which exporters keep names, the usual first.
const KEYS: [&str; 6] = [
    "names",
    "class_names",
    "classes",
    "labels",
    "categories",
    "model_info labels",
];

/// The names in a file's metadata in the order of the model's outputs; empty where there are none.
pub fn names_of(metadata: &BTreeMap<String, String>) -> Vec<String> {
    let found = KEYS.iter().filter_map(|key| metadata.get(*key));
    let mut lists = found
        .map(|text| parse_names(text))
        .filter(|n| !n.is_empty());
    lists.next().unwrap_or_default()
}

/// The names of a Python dict literal `{0: 'name', 10: "it's", 1: …}`, of the same as JSON, of a list `['a', "b"]` or
/// of plain words with commas or spaces between, in the order of the keys (not as written); empty where they cannot be
/// read or the keys are not 0 and on.
pub fn parse_names(text: &str) -> Vec<String> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('{') {
        return inner
            .strip_suffix('}')
            .and_then(by_number)
            .unwrap_or_default();
    }
    let list = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let list = list.or_else(|| text.strip_prefix('(').and_then(|t| t.strip_suffix(')')));
    match list {
        Some(inner) => in_order(inner).unwrap_or_default(),
        None => plain(text),
    }
}

fn by_number(mut rest: &str) -> Option<Vec<String>> {
    let mut names = BTreeMap::new();
    while let Some((key, after)) = next_item(rest)? {
        let after = after.trim_start().strip_prefix(':')?;
        let (name, left) = value(after)?;
        names.insert(key.trim().parse::<usize>().ok()?, name);
        rest = left;
    }
    let contiguous = names.keys().copied().eq(0..names.len());
    contiguous.then(|| names.into_values().collect())
}

fn in_order(mut rest: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while let Some((name, left)) = next_item(rest)? {
        names.push(name);
        rest = left;
    }
    Some(names)
}

/// The next value behind a comma, if there is one; `None` outside where it cannot be read.
#[allow(clippy::type_complexity, reason = "a value and what follows it")]
fn next_item(rest: &str) -> Option<Option<(String, &str)>> {
    let rest = rest.trim_start().trim_start_matches(',').trim_start();
    if rest.is_empty() {
        return Some(None);
    }
    value(rest).map(Some)
}

/// A quoted string or a bare word at the start of `text`, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    // Python marks strings of bytes and unicode
    let text = text
        .strip_prefix('u')
        .filter(|t| t.starts_with(['\'', '"']))
        .unwrap_or(text);
    if text.starts_with(['\'', '"']) {
        return quoted(text);
    }
    let end = text.find([',', ':']).unwrap_or(text.len());
    let word = text[..end].trim();
    (!word.is_empty() && !word.contains(['{', '[', '\''])).then(|| (word.to_owned(), &text[end..]))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next()?.1;
                let digits = match escaped {
                    'u' => 4,
                    'U' => 8,
                    'x' => 2,
                    _ => 0,
                };
                if digits == 0 {
                    name.push(escaped);
                } else {
                    let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    name.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                }
            }
            c if c == quote => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
}

/// `red,green` or `red green`.
fn plain(text: &str) -> Vec<String> {
    let words: Vec<&str> = match text.contains(',') {
        true => text.split(',').collect(),
        false => text.split_whitespace().collect(),
    };
    let words = words.into_iter().map(str::trim).filter(|w| !w.is_empty());
    words.map(str::to_owned).collect()
}

/// A code for each name: the name itself where it can be one, else with `_` for what cannot stand in a code.
pub fn codes(names: &[String]) -> Vec<String> {
    let mut used = BTreeSet::new();
    let code = |(id, name): (usize, &String)| {
        let mut code: String = name.trim().to_owned();
        if !is_code(&code) {
            let right = |c: char| {
                if c.is_alphanumeric() || "-.".contains(c) {
                    c
                } else {
                    '_'
                }
            };
            code = code.chars().map(right).take(64).collect();
        }
        if code.chars().all(|c| c == '_') {
            code = format!("class-{id}");
        }
        if used.contains(&code) {
            code = format!("{}-{id}", code.chars().take(56).collect::<String>());
        }
        used.insert(code.clone());
        code
    };
    names.iter().enumerate().map(code).collect()
}

/// Whether a classifier's class of this name is that of good parts.
pub fn names_good_parts(name: &str) -> bool {
    let plain: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let good = [
        "ok",
        "good",
        "pass",
        "passed",
        "normal",
        "nodefect",
        "nodefects",
        "defectfree",
        "okay",
        "goodpart",
        "良品",
        "合格",
        "正常",
        "好",
    ];
    good.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_their_keys() {
        assert_eq!(
            parse_names(
                r#"{0: 'a: b', 10: "it's", 2: 'c\'d', 1: 'z', 3:'e',4:'f',5:'g',6:'h',7:'i',8:'j',9:'k'}"#
            )[..3],
            ["a: b", "z", "c'd"]
        );
        assert!(parse_names("{1: 'a', 2: 'b'}").is_empty());
        assert!(parse_names("{0: 'a").is_empty());
        assert!(parse_names("").is_empty());
    }

    #[test]
    fn lists_json_and_words_are_read_too() {
        let three = ["red", "green", "blue"];
        for text in [
            "['red', 'green', 'blue']",
            r#"["red", "green", "blue"]"#,
            r#"{"0": "red", "2": "blue", "1": "green"}"#,
            "('red', 'green', 'blue')",
            "red, green, blue",
            "red green blue",
            "['red', 'green', 'blue',]",
        ] {
            assert_eq!(parse_names(text), three, "{text}");
        }
        assert_eq!(parse_names(r#"["\u5212\u75d5"]"#), ["划痕"]);
        assert_eq!(
            parse_names("{0: '划痕', 1: 'Mouse_bite'}"),
            ["划痕", "Mouse_bite"]
        );
        assert_eq!(parse_names("{0: item, 1: 7}"), ["item", "7"]);
    }

    #[test]
    fn a_name_that_can_be_a_code_is_one_and_none_is_lost() {
        let names = [
            "Mouse_bite",
            "Open Circuit",
            "划痕",
            "划痕",
            "!!",
            "pin.hole",
        ]
        .map(str::to_owned);
        let expected = [
            "Mouse_bite",
            "Open_Circuit",
            "划痕",
            "划痕-3",
            "class-4",
            "pin.hole",
        ];
        assert_eq!(codes(&names), expected);
        assert!(
            names_good_parts("OK") && names_good_parts("no_defect") && !names_good_parts("not ok")
        );
    }
}
