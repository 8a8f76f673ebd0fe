//! Average precision and what the recipe's limits make of it.

use crate::matching::{Hit, by_score, matched};
use crate::{Judged, Truth};
use serde::Serialize;
use std::collections::BTreeMap;

/// Overlaps of `ap50_95`: 0.50, 0.55 … 0.95 (COCO).
const COCO_STEPS: usize = 10;
/// Overlap that the DeepPCB authors ask for (strictly more than it).
const POOLED_IOU: f32 = 0.33;

/// The summary of a replay with boxes as truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectionSummary {
    /// Pictures with truth.
    pub images: usize,
    /// Mean over classes of average precision at IoU 0.50 (101-point, COCO).
    pub ap50: f64,
    /// One average precision over the findings of all classes together, IoU > 0.33 with a truth of the same class,
    /// mean of the precision at each correct finding (the DeepPCB authors' measure).
    pub ap33_pooled: f64,
    /// Mean over IoU 0.50 to 0.95 and classes (COCO's AP).
    pub ap50_95: f64,
    /// Average precision at IoU 0.50 of each class that occurs in the truth.
    pub per_class: BTreeMap<String, f64>,
    /// Correct findings over findings, at the limits, IoU 0.50.
    pub precision: f64,
    /// Truths found, at the limits, IoU 0.50.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Pictures without a defect that were rejected.
    pub overkill: usize,
    /// Pictures with a defect that were not rejected.
    pub escapes: usize,
    /// Pictures without a defect.
    pub good: usize,
    /// Rows: the truth's class, columns: the class of the finding of highest overlap (IoU of at least 0.50) at the limits;
    /// the last row and column are "none".
    pub confusion: Confusion,
}

/// Counts of what was called what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Names of rows and columns.
    pub labels: Vec<String>,
    /// `counts[truth][found]`.
    pub counts: Vec<Vec<u64>>,
}

/// Computes the summary. `limits[class]` is the score at which a finding of the class counts.
pub fn detection(judged: &[Judged], classes: &[String], limits: &[f32]) -> DetectionSummary {
    let per_iou: Vec<Vec<Option<f64>>> = (0..COCO_STEPS)
        .map(|step| all_classes(judged, classes.len(), 0.5 + 0.05 * step as f32))
        .collect();
    let mean = |values: &[Option<f64>]| average(values.iter().flatten().copied());
    let named = classes
        .iter()
        .zip(&per_iou[0])
        .filter_map(|(name, ap)| Some((name.clone(), (*ap)?)));
    let (precision, recall) = at_limits(judged, classes.len(), limits);
    let defective = |j: &&Judged| !j.truth.is_empty();
    DetectionSummary {
        images: judged.len(),
        ap50: mean(&per_iou[0]),
        ap33_pooled: pooled(judged, classes.len()),
        ap50_95: average(per_iou.iter().map(|values| mean(values))),
        per_class: named.collect(),
        precision,
        recall,
        f1: if precision + recall > 0.0 {
            2.0 * precision * recall / (precision + recall)
        } else {
            0.0
        },
        overkill: judged
            .iter()
            .filter(|j| !defective(j) && j.rejected)
            .count(),
        escapes: judged
            .iter()
            .filter(|j| defective(j) && !j.rejected)
            .count(),
        good: judged.iter().filter(|j| !defective(j)).count(),
        confusion: confusion(judged, classes, limits),
    }
}

fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(s, n), v| (s + v, n + 1));
    if count == 0 {
        0.0
    } else {
        sum / f64::from(count)
    }
}

fn count_of(judged: &[Judged], class: usize) -> usize {
    judged
        .iter()
        .flat_map(|j| &j.truth)
        .filter(|t| t.class == class)
        .count()
}

fn all_classes(judged: &[Judged], classes: usize, iou: f32) -> Vec<Option<f64>> {
    let one = |class| {
        let truths = count_of(judged, class);
        let mut hits: Vec<Hit> = judged
            .iter()
            .flat_map(|j| matched(&j.truth, &j.found, class, iou, false))
            .collect();
        by_score(&mut hits);
        (truths > 0).then(|| interpolated(&hits, truths))
    };
    (0..classes).map(one).collect()
}

/// 101-point interpolated average precision (`COCOeval.accumulate`).
fn interpolated(hits: &[Hit], truths: usize) -> f64 {
    let (mut correct, mut curve) = (0_usize, Vec::with_capacity(hits.len()));
    for (i, hit) in hits.iter().enumerate() {
        correct += usize::from(hit.correct);
        curve.push((
            correct as f64 / truths as f64,
            correct as f64 / (i + 1) as f64,
        ));
    }
    for i in (1..curve.len()).rev() {
        curve[i - 1].1 = curve[i - 1].1.max(curve[i].1);
    }
    let precision_at = |recall: f64| {
        let at = curve.partition_point(|(r, _)| *r < recall);
        curve.get(at).map_or(0.0, |(_, p)| *p)
    };
    average((0..=100).map(|step| precision_at(f64::from(step) / 100.0)))
}

fn pooled(judged: &[Judged], classes: usize) -> f64 {
    let truths: usize = judged.iter().map(|j| j.truth.len()).sum();
    let of_picture = |j: &Judged| {
        (0..classes)
            .flat_map(|class| matched(&j.truth, &j.found, class, POOLED_IOU, true))
            .collect::<Vec<_>>()
    };
    let mut hits: Vec<Hit> = judged.iter().flat_map(of_picture).collect();
    by_score(&mut hits);
    let (mut correct, mut sum) = (0_u32, 0.0);
    for (i, hit) in hits.iter().enumerate().filter(|(_, h)| h.correct) {
        debug_assert!(hit.correct);
        correct += 1;
        sum += f64::from(correct) / (i + 1) as f64;
    }
    if truths == 0 {
        0.0
    } else {
        sum / truths as f64
    }
}

/// The picture with only those findings that reach their limit.
fn counted(judged: &Judged, limits: &[f32]) -> Judged {
    let reaches = |f: &&crate::Found| limits.get(f.class).is_none_or(|limit| f.score >= *limit);
    Judged {
        found: judged.found.iter().filter(reaches).copied().collect(),
        ..judged.clone()
    }
}

fn at_limits(judged: &[Judged], classes: usize, limits: &[f32]) -> (f64, f64) {
    let (mut correct, mut found, mut truths) = (0, 0, 0);
    for j in judged.iter().map(|j| counted(j, limits)) {
        let hits = (0..classes).flat_map(|class| matched(&j.truth, &j.found, class, 0.5, false));
        correct += hits.filter(|h| h.correct).count();
        found += j.found.len();
        truths += j.truth.len();
    }
    let share = |of: usize| {
        if of == 0 {
            0.0
        } else {
            correct as f64 / of as f64
        }
    };
    (share(found), share(truths))
}

fn confusion(judged: &[Judged], classes: &[String], limits: &[f32]) -> Confusion {
    let none = classes.len();
    let mut counts = vec![vec![0; none + 1]; none + 1];
    for j in judged.iter().map(|j| counted(j, limits)) {
        let mut met = vec![false; j.found.len()];
        for truth in &j.truth {
            let overlap = |i: &usize| j.found[*i].bbox_view.iou(&truth.bbox_view);
            let free = (0..j.found.len()).filter(|i| !met[*i] && overlap(i) >= 0.5);
            // The same class wins over a higher overlap, or a right finding beside a wrong one would look wrong.
            let same = |i: &usize| j.found[*i].class == truth.class;
            let best = free.max_by(|a, b| {
                same(a)
                    .cmp(&same(b))
                    .then(overlap(a).total_cmp(&overlap(b)))
            });
            counts[row(truth, none)][best.map_or(none, |i| j.found[i].class.min(none))] += 1;
            if let Some(i) = best {
                met[i] = true;
            }
        }
        for (f, _) in j.found.iter().zip(&met).filter(|(_, met)| !**met) {
            counts[none][f.class.min(none)] += 1;
        }
    }
    Confusion {
        labels: classes
            .iter()
            .cloned()
            .chain(["none".to_string()])
            .collect(),
        counts,
    }
}

fn row(truth: &Truth, none: usize) -> usize {
    truth.class.min(none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Found;
    use sightline_domain::BoxView;

    fn at(x: f32) -> BoxView {
        BoxView {
            x,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        }
    }

    fn truth(class: usize, x: f32) -> Truth {
        Truth {
            class,
            bbox_view: at(x),
        }
    }

    fn found(class: usize, score: f32, x: f32) -> Found {
        Found {
            class,
            score,
            bbox_view: at(x),
        }
    }

    fn names() -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    #[test]
    fn a_perfect_answer_scores_one_and_confuses_nothing() {
        let judged = vec![Judged {
            truth: vec![truth(0, 0.0), truth(1, 50.0)],
            found: vec![found(0, 0.9, 0.0), found(1, 0.8, 50.0)],
            rejected: true,
        }];
        let s = detection(&judged, &names(), &[0.5, 0.5]);
        assert!(
            [
                s.ap50,
                s.ap33_pooled,
                s.ap50_95,
                s.precision,
                s.recall,
                s.f1
            ]
            .iter()
            .all(|v| (v - 1.0).abs() < 1e-9)
        );
        assert_eq!(s.confusion.counts, [[1, 0, 0], [0, 1, 0], [0, 0, 0]]);
        assert_eq!((s.overkill, s.escapes, s.good), (0, 0, 0));
    }

    #[test]
    fn a_false_call_above_the_truth_halves_the_precision() {
        let judged = vec![Judged {
            truth: vec![truth(0, 0.0)],
            found: vec![
                found(0, 0.9, 100.0),
                found(0, 0.8, 0.0),
                found(0, 0.1, 200.0),
            ],
            rejected: true,
        }];
        let s = detection(&judged, &names(), &[0.5, 0.5]);
        assert!((s.ap50 - 0.5).abs() < 1e-9, "{}", s.ap50);
        assert!((s.ap33_pooled - 0.5).abs() < 1e-9);
        assert_eq!((s.precision, s.recall), (0.5, 1.0));
        assert_eq!(
            s.per_class.keys().collect::<Vec<_>>(),
            ["a"],
            "class b does not occur"
        );
    }

    #[test]
    fn a_second_finding_of_the_same_truth_is_false() {
        let judged = vec![Judged {
            truth: vec![truth(0, 0.0)],
            found: vec![found(0, 0.9, 0.0), found(0, 0.8, 1.0)],
            rejected: true,
        }];
        assert_eq!(detection(&judged, &names(), &[0.5, 0.5]).precision, 0.5);
    }

    #[test]
    fn overkill_and_escapes_are_counted_by_picture() {
        let good = Judged {
            rejected: true,
            ..Judged::default()
        };
        let missed = Judged {
            truth: vec![truth(1, 0.0)],
            ..Judged::default()
        };
        let s = detection(
            &[good.clone(), Judged::default(), missed],
            &names(),
            &[0.5, 0.5],
        );
        assert_eq!((s.overkill, s.escapes, s.good), (1, 1, 2));
        assert_eq!(s.confusion.counts[1], [0, 0, 1]);
    }
}
