//! Accuracy and confusion of a classifier.

use crate::detection::Confusion;
use serde::Serialize;

/// The summary of a replay with one class a picture as truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassificationSummary {
    /// Pictures with truth.
    pub images: usize,
    /// Right answers over pictures.
    pub accuracy: f64,
    /// Rows: truth, columns: answer; the last column is "none" (no answer).
    pub confusion: Confusion,
}

/// Computes the summary of `(truth, answer)` pairs.
pub fn classification(
    pairs: &[(usize, Option<usize>)],
    classes: &[String],
) -> ClassificationSummary {
    let none = classes.len();
    let mut counts = vec![vec![0; none + 1]; none + 1];
    for (truth, answer) in pairs {
        counts[(*truth).min(none)][answer.map_or(none, |a| a.min(none))] += 1;
    }
    let right = pairs
        .iter()
        .filter(|(truth, answer)| Some(*truth) == *answer)
        .count();
    let accuracy = if pairs.is_empty() {
        0.0
    } else {
        right as f64 / pairs.len() as f64
    };
    let labels = classes
        .iter()
        .cloned()
        .chain(["none".to_string()])
        .collect();
    ClassificationSummary {
        images: pairs.len(),
        accuracy,
        confusion: Confusion { labels, counts },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_wrong_and_has_its_own_column() {
        let s = classification(
            &[(0, Some(0)), (0, Some(1)), (1, None)],
            &["a".into(), "b".into()],
        );
        assert!((s.accuracy - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(s.confusion.counts, [[1, 1, 0], [0, 0, 1], [0, 0, 0]]);
    }
}
