//! Class names as exporters leave them in a file's metadata.

use std::collections::BTreeMap;

/// The names of a Python dict literal `{0: 'name', 10: "it's", 1: …}` as exporters write it, in the order of its keys
/// (not as written); empty where the keys are not 0 and on.
pub fn parse_names(text: &str) -> Vec<String> {
    let mut names = BTreeMap::new();
    let mut rest = text.trim_start().trim_start_matches('{');
    while let Some((key, after)) = rest.split_once(':') {
        let key = key.trim().trim_start_matches(',').trim().parse::<usize>();
        let (Ok(key), Some((name, left))) = (key, quoted(after.trim_start())) else {
            return Vec::new();
        };
        names.insert(key, name);
        rest = left;
    }
    let contiguous = names.keys().copied().eq(0..names.len());
    if contiguous {
        names.into_values().collect()
    } else {
        Vec::new()
    }
}

/// A quoted Python string at the start of `text`, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| "'\"".contains(*c))?;
    let mut name = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => {
                name.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            c if c == quote => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
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
}
