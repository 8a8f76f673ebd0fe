//! Whether what the models say can be true: watches results go by, and says what cannot.
//!
//! A model that was proved can still be blind to what comes: a lamp that failed, another product, a camera that was turned.

use sightline_domain::result::ViewResult;
use sightline_domain::{Evaluation, InspectionResult, MissReason};
use std::collections::VecDeque;

/// Parts one after the other that could not be decided.
const UNDECIDED_RUN: u32 = 10;
/// Parts from which the share of those with findings is known.
const BASELINE: u64 = 200;
/// Least share of parts with findings at which their absence means something.
const LEAST_SHARE: f64 = 0.05;
/// Chance of so long a run without a finding, if nothing had changed.
const CHANCE: f64 = 1e-6;
/// Findings in a row that are looked at for being all alike.
const ALIKE: usize = 20;
/// Scores and edges closer than these are equal.
const SAME_SCORE: f32 = 1e-5;
const SAME_PX: f32 = 0.05;

/// What cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Part after part is NotDecidable.
    Undecided,
    /// Nothing is found any more.
    Nothing,
    /// Every finding has the same score, or the same box.
    Alike,
}

impl Doubt {
    pub const ALL: [Self; 3] = [Self::Undecided, Self::Nothing, Self::Alike];
}

/// Watches one station's results.
#[derive(Default)]
pub struct Plausibility {
    undecided: u32,
    /// Decided parts, and those of them with a finding.
    decided: u64,
    with_finding: u64,
    /// Decided parts since the last finding.
    without: u64,
    /// Score and box of the best finding of the last parts with any.
    last: VecDeque<(f32, [f32; 4])>,
}

impl Plausibility {
    /// Takes the next result in.
    pub fn take(&mut self, result: &InspectionResult) {
        // A correction tells of the gate, and a camera that is down has its own alarm.
        let down = |v: &ViewResult| v.missed == Some(MissReason::CameraDown);
        if result.correction > 0 || result.views.iter().any(down) {
            return;
        }
        let found = result.views.iter().flat_map(|v| &v.detections);
        let best = found.max_by(|a, b| a.score.total_cmp(&b.score));
        let best = best.map(|d| (d.score, d.bbox_px));
        self.part(
            result.evaluation,
            best.map(|(s, b)| (s, [b.x, b.y, b.w, b.h])),
        );
    }

    /// A part, and the score and box of its best finding.
    fn part(&mut self, evaluation: Evaluation, best: Option<(f32, [f32; 4])>) {
        if evaluation == Evaluation::NotDecidable {
            self.undecided = self.undecided.saturating_add(1);
            return;
        }
        self.undecided = 0;
        let Some(best) = best else {
            self.without += 1;
            self.decided += 1;
            return;
        };
        self.decided += 1;
        self.with_finding += 1;
        self.without = 0;
        self.last.push_back(best);
        if self.last.len() > ALIKE {
            self.last.pop_front();
        }
        // What was long ago counts less and less: the share follows the product.
        if self.decided >= 20 * BASELINE {
            self.decided /= 2;
            self.with_finding /= 2;
        }
    }

    fn share(&self) -> Option<f64> {
        // As it was up to the last finding: the silence itself does not belong to it.
        let until = self.decided.saturating_sub(self.without);
        let share = self.with_finding as f64 / until.max(1) as f64;
        (until >= BASELINE && share >= LEAST_SHARE).then_some(share)
    }

    fn is_silent(&self) -> bool {
        let share = self.share();
        share.is_some_and(|s| (1.0 - s).powf(self.without as f64) < CHANCE)
    }

    /// What stands, in words.
    pub fn doubt(&self, doubt: Doubt) -> Option<String> {
        match doubt {
            Doubt::Undecided => (self.undecided >= UNDECIDED_RUN).then(|| {
                format!(
                    "expected parts to be decided, the last {UNDECIDED_RUN} and more were NotDecidable; look at cameras and engines, or roll the model back"
                )
            }),
            Doubt::Nothing => self.is_silent().then(|| {
                format!(
                    "expected findings on {:.0} % of the parts as until now, found none on the last {}; show the station a known bad part, or roll the model back",
                    100.0 * self.share().unwrap_or_default(),
                    self.without
                )
            }),
            Doubt::Alike => {
                let first = self.last.front().filter(|_| self.last.len() == ALIKE)?;
                let (score, place) = first;
                let same_score = self.last.iter().all(|(s, _)| (s - score).abs() <= SAME_SCORE);
                let near = |b: &[f32; 4]| b.iter().zip(place).all(|(p, q)| (p - q).abs() <= SAME_PX);
                let same_box = self.last.iter().all(|(_, b)| near(b));
                (same_score || same_box).then(|| {
                    format!(
                        "expected findings to differ from part to part, found the same {} on {ALIKE} parts one after the other; look at the pictures, or roll the model back",
                        if same_score { "score" } else { "box" }
                    )
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Option<(f32, [f32; 4])> = None;

    fn at(score: f32, x: f32) -> Option<(f32, [f32; 4])> {
        Some((score, [x, 10.0, 8.0, 8.0]))
    }

    #[test]
    fn a_run_of_undecided_parts_is_told_until_one_is_decided() {
        let mut p = Plausibility::default();
        for _ in 0..UNDECIDED_RUN {
            assert_eq!(p.doubt(Doubt::Undecided), None);
            p.part(Evaluation::NotDecidable, NONE);
        }
        assert!(p.doubt(Doubt::Undecided).is_some());
        p.part(Evaluation::OK, NONE);
        assert_eq!(p.doubt(Doubt::Undecided), None);
    }

    #[test]
    fn silence_is_told_where_findings_were_usual_and_only_there() {
        let mut p = Plausibility::default();
        for i in 0..5 * BASELINE {
            let found = (i % 10 == 0).then(|| at(0.5 + i as f32 * 1e-4, i as f32));
            p.part(Evaluation::OK, found.flatten());
            assert_eq!(p.doubt(Doubt::Nothing), None, "part {i}");
        }
        for _ in 0..200 {
            p.part(Evaluation::OK, NONE);
        }
        let told = p.doubt(Doubt::Nothing).expect("it is silent");
        assert!(told.contains("10 % of the parts"), "{told}");
        p.part(Evaluation::NotOK, at(0.8, 1.0));
        assert_eq!(p.doubt(Doubt::Nothing), None);

        let mut good = Plausibility::default();
        for i in 0..5 * BASELINE {
            let found = (i % 50 == 0).then(|| at(0.5, i as f32));
            good.part(Evaluation::OK, found.flatten());
            assert_eq!(
                good.doubt(Doubt::Nothing),
                None,
                "one of fifty is no baseline"
            );
        }
    }

    #[test]
    fn findings_all_alike_are_told() {
        let (mut scores, mut boxes, mut real) =
            <(Plausibility, Plausibility, Plausibility)>::default();
        for i in 0..ALIKE {
            assert_eq!(scores.doubt(Doubt::Alike), None);
            let x = i as f32;
            scores.part(Evaluation::NotOK, at(0.5, x));
            boxes.part(Evaluation::NotOK, at(0.5 + x / 100.0, 7.0));
            real.part(Evaluation::NotOK, at(0.5 + x / 100.0, x));
        }
        assert!(
            scores
                .doubt(Doubt::Alike)
                .is_some_and(|w| w.contains("same score"))
        );
        assert!(
            boxes
                .doubt(Doubt::Alike)
                .is_some_and(|w| w.contains("same box"))
        );
        assert_eq!(real.doubt(Doubt::Alike), None);
    }
}
