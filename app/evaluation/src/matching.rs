//! Which finding meets which truth: greedy by falling score, as in pycocotools (`COCOeval.evaluateImg`).

use crate::{Found, Truth};

/// Findings of one class on one picture taken into account at most (pycocotools' `maxDets`).
const MOST_FOUND: usize = 100;

/// A finding's score and whether it met a truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    pub score: f32,
    pub correct: bool,
}

/// Matches one class on one picture. A finding takes the free truth of highest overlap at or above `iou`; the last of
/// equals, as pycocotools does.
pub(crate) fn matched(
    truth: &[Truth],
    found: &[Found],
    class: usize,
    iou: f32,
    strict: bool,
) -> Vec<Hit> {
    let truth: Vec<&Truth> = truth.iter().filter(|t| t.class == class).collect();
    let mut found: Vec<&Found> = found.iter().filter(|f| f.class == class).collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = vec![false; truth.len()];
    let hits = found.iter().take(MOST_FOUND).map(|f| {
        let mut best = (iou, None);
        for (i, t) in truth.iter().enumerate().filter(|(i, _)| !taken[*i]) {
            let overlap = f.bbox_view.iou(&t.bbox_view);
            if overlap > best.0 || !strict && overlap == best.0 {
                best = (overlap, Some(i));
            }
        }
        if let Some(i) = best.1 {
            taken[i] = true;
        }
        Hit {
            score: f.score,
            correct: best.1.is_some(),
        }
    });
    hits.collect()
}

/// Falling score; equals stay in the order of their pictures (a stable sort, as in pycocotools).
pub(crate) fn by_score(hits: &mut [Hit]) {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
}
