//! Text from outside, bounded and made visible before it is kept.

use std::fmt::Write;

/// At most `most` characters; what would change how the rest is shown (control characters, changes of direction) is
/// escaped, and what is left out is counted.
pub(crate) fn bounded(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most * 4));
    let mut used = 0;
    for (i, c) in text.chars().enumerate() {
        if used >= most {
            let _ = write!(out, "… ({} more characters)", text.chars().count() - i);
            return out;
        }
        if is_unseen(c) {
            let escaped = c.escape_unicode();
            used += escaped.len();
            out.extend(escaped);
        } else {
            used += 1;
            out.push(c);
        }
    }
    out
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_counted_and_what_cannot_be_seen_is_escaped() {
        assert_eq!(bounded("Größe 3", 80), "Größe 3");
        assert_eq!(
            bounded(&"x".repeat(15_000), 3),
            "xxx… (14997 more characters)"
        );
        assert_eq!(
            bounded("a\n\u{1b}[2J\u{202e}", 80),
            "a\\u{a}\\u{1b}[2J\\u{202e}"
        );
    }
}
