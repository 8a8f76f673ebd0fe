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
    /// Pictures of a class that passes.
    pub good: usize,
    /// Pictures of a class that passes that were rejected.
    pub overkill: usize,
    /// Pictures of any other class that were not rejected.
    pub escapes: usize,
    /// Rows: truth, columns: answer; the last column is "none" (no answer).
    pub confusion: Confusion,
}

/// One picture with its class as truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Class of the labels.
    pub truth: usize,
    /// Class that the model says, if any.
    pub answer: Option<usize>,
    /// The part was rejected by the recipe's limits.
    pub rejected: bool,
}

/// Computes the summary; `good` says of each of the `classes` whether it passes.
pub fn classification(
    pictures: &[Named],
    classes: &[String],
    good: &[bool],
) -> ClassificationSummary {
    let none = classes.len();
    let mut counts = vec![vec![0; none + 1]; none + 1];
    for p in pictures {
        counts[p.truth.min(none)][p.answer.map_or(none, |a| a.min(none))] += 1;
    }
    let of = |which: &dyn Fn(&Named) -> bool| pictures.iter().filter(|p| which(p)).count();
    let right = of(&|p| Some(p.truth) == p.answer);
    let accuracy = match pictures.len() {
        0 => 0.0,
        all => right as f64 / all as f64,
    };
    let passes = |p: &Named| good.get(p.truth) == Some(&true);
    let labels = classes
        .iter()
        .cloned()
        .chain(["none".to_string()])
        .collect();
    ClassificationSummary {
        images: pictures.len(),
        accuracy,
        good: of(&passes),
        overkill: of(&|p| passes(p) && p.rejected),
        escapes: of(&|p| !passes(p) && !p.rejected),
        confusion: Confusion { labels, counts },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_wrong_and_has_its_own_column() {
        let picture = |truth, answer, rejected| Named {
            truth,
            answer,
            rejected,
        };
        let s = classification(
            &[
                picture(0, Some(0), false),
                picture(0, Some(1), true),
                picture(1, None, false),
            ],
            &["a".into(), "b".into()],
            &[true, false],
        );
        assert_eq!((s.good, s.overkill, s.escapes), (2, 1, 1));
        assert!((s.accuracy - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(s.confusion.counts, [[1, 1, 0], [0, 0, 1], [0, 0, 0]]);
    }
}
