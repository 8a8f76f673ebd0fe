//! Secrets that people write where they do not belong, taken out of whatever leaves the box: log, support file, `--json`.

use std::borrow::Cow;

/// A word that ends like one of these, before `=` or `:`, names a secret.
const NAMES: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pw",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
];
const GONE: &str = "***";

/// The text without user and password of addresses (`rtsp://user:password@camera/`) and without what stands behind
/// `user-pw=`, `password=` and the like.
pub fn secrets(text: &str) -> String {
    assignments(&logins(text)).into_owned()
}

/// What cannot be seen, such as line ends and marks that turn the direction of a text, as `\u{…}`; at most `most` characters.
pub fn visible(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().take(most) {
        match c {
            c if crate::is_unseen(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// What stands between `://` and the last `@` of the same word. A password may hold a slash.
fn logins(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return text.into();
    }
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let end = part.find(|c: char| c == '"' || c == '\'' || c.is_whitespace());
        let word = &part[..end.unwrap_or(part.len())];
        match word.rfind('@') {
            Some(at) => {
                out.push_str(GONE);
                out.push_str(&part[at..]);
            }
            None => out.push_str(part),
        }
    }
    out.into()
}

fn assignments(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        out.push_str(&rest[..=at]);
        rest = after;
        if !names_a_secret(before) {
            continue;
        }
        let value = after.trim_start_matches([' ', '\t']);
        out.push_str(&after[..after.len() - value.len()]);
        let end = end_of_value(value);
        if end > 0 {
            out.push_str(GONE);
        }
        rest = &value[end..];
    }
    if out.is_empty() {
        return text.into();
    }
    out.push_str(rest);
    out.into()
}

/// The last word of `before`, perhaps in quotes, ends like the name of a secret.
fn names_a_secret(before: &str) -> bool {
    let word = before.trim_end_matches([' ', '\t', '"', '\'', '\\']);
    let begin = word.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let word = word[begin.map_or(0, |b| {
        b + word[b..].chars().next().map_or(1, char::len_utf8)
    })..]
        .to_ascii_lowercase();
    NAMES.iter().any(|name| word.ends_with(name))
}

/// Bytes of a value: to its closing quote, or to where a word ends.
fn end_of_value(value: &str) -> usize {
    let quoted = ["\\\"", "\"", "'"];
    if let Some(quote) = quoted.iter().find(|q| value.starts_with(**q)) {
        let inside = &value[quote.len()..];
        let mut from = 0;
        while let Some(at) = inside[from..].find(quote) {
            let end = from + at;
            if *quote == "\"" && inside[..end].ends_with('\\') {
                from = end + 1;
                continue;
            }
            return quote.len() + end + quote.len();
        }
        return value.len();
    }
    let ends = |c: char| c.is_whitespace() || "!&;,\"')}]".contains(c);
    value.find(ends).unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::{secrets, visible};

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\nb\u{202e}c\0", 99), "a\\nb\\u{202e}c\\u{0}");
        assert_eq!(visible("零件 Ä", 99), "零件 Ä");
        assert_eq!(visible("abc", 2), "ab");
    }

    #[test]
    fn a_secret_of_any_shape_is_taken_out() {
        for (text, expected) in [
            (
                "rtspsrc location=rtsp://c/ user-id=u user-pw=hunter2 ! decodebin",
                "rtspsrc location=rtsp://c/ user-id=u user-pw=*** ! decodebin",
            ),
            ("user-pw=\"hunter2 x\" !", "user-pw=*** !"),
            (
                "description = \"rtspsrc user-pw=\\\"hunter2 x\\\" ! a\"",
                "description = \"rtspsrc user-pw=*** ! a\"",
            ),
            (
                "{\"password\":\"hunter2\\\"x\",\"a\":1}",
                "{\"password\":***,\"a\":1}",
            ),
            ("PassWord : 'hunter2'", "PassWord : ***"),
            (
                "rtsp://u:hunter2@10.0.0.1/x rtsps://u:hun/ter2@h/y",
                "rtsp://***@10.0.0.1/x rtsps://***@h/y",
            ),
            (
                "url = \"rtsp://anna:hunter2@x@10.0.0.5/a\" # x",
                "url = \"rtsp://***@10.0.0.5/a\" # x",
            ),
            ("http://h/?token=hunter2&x=1", "http://h/?token=***&x=1"),
            ("API_KEY=hunter2", "API_KEY=***"),
        ] {
            assert_eq!(secrets(text), expected);
            assert!(!secrets(text).contains("hunter2"));
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "password_file = \"mqtt.pass\"",
            "expected mqtt://host:1883, found x",
            "mail anna@plant, see http://x y@z",
            "state from=Ready to=Error",
            "键=值 é=1",
            "",
        ] {
            assert_eq!(secrets(text), text);
        }
    }
}
