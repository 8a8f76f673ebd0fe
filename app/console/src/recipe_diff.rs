//! What differs between two recipes, line by line, comments and order of tables left as they are written.

/// Lines only in `old` (`-`) and only in `new` (`+`), in their order: the longest common sequence is left out.
/// Blank lines and comments are not compared.
pub fn lines(old: &str, new: &str) -> Vec<(char, String)> {
    let (old, new) = (meaningful(old), meaningful(new));
    // Longest common sequence from each pair of ends; recipes have some hundred lines.
    let (n, m) = (old.len(), new.len());
    let mut longest = vec![vec![0u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            longest[i][j] = if old[i] == new[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < n || j < m {
        if i < n && j < m && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == m || (i < n && longest[i + 1][j] >= longest[i][j + 1]) {
            out.push(('-', old[i].to_owned()));
            i += 1;
        } else {
            out.push(('+', new[j].to_owned()));
            j += 1;
        }
    }
    out
}

/// At most so many lines are compared.
const MOST: usize = 2_000;

fn meaningful(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_shown_once_on_each_side() {
        let old = "a = 1\n# note\nb = 2\n\nc = 3\n";
        let new = "a = 1\nb = 5\nc = 3\nd = 4\n";
        let told: Vec<_> = lines(old, new);
        let expected = [('-', "b = 2"), ('+', "b = 5"), ('+', "d = 4")];
        assert_eq!(told, expected.map(|(c, l)| (c, l.to_owned())));
        assert_eq!(lines(old, old), []);
    }
}
