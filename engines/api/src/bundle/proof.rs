//! What a bundle's golden pictures must show before they can prove its model.

use super::golden::{Expected, ExpectedDetection, Golden};
use super::{Bundle, BundleError, Manifest, Task};
use std::collections::BTreeSet;
use std::path::Path;

/// Widest tolerance of a score that still proves something.
pub const MAX_SCORE_TOLERANCE: f32 = 0.2;
/// Tolerance of an edge that is taken for a box of any size, view pixels.
const EDGE_PX: f32 = 3.0;

impl Bundle {
    /// Why the golden pictures cannot prove the model, each reason in words; empty: they can, once they are as expected.
    ///
    /// A detector needs a picture with an expected finding of each class and a clean one, a classifier one of each class,
    /// and each expectation must be able to fail.
    ///
    /// # Errors
    /// As [`Bundle::goldens`].
    pub fn proof_gaps(&self) -> Result<Vec<String>, BundleError> {
        let (m, goldens) = (self.manifest(), self.goldens()?);
        if goldens.is_empty() {
            return Ok(vec![format!(
                "expected golden pictures, found none; a {} needs {}: `sightline model golden` makes them",
                match m.task {
                    Task::Detect => "detector",
                    Task::Classify => "classifier",
                },
                match m.task {
                    Task::Detect => "one with a finding of each class, and a clean one",
                    Task::Classify => "one of each class",
                }
            )]);
        }
        let mut gaps: Vec<String> = goldens.iter().flat_map(|g| vacuous(g, m)).collect();
        let shown: BTreeSet<&str> = goldens.iter().flat_map(|g| shows(g, m)).collect();
        // A detector's class that a good part may have rejects nothing.
        let asked = m
            .classes
            .iter()
            .filter(|c| m.task == Task::Classify || !c.good);
        let codes = asked.map(|c| c.code.as_str());
        let missing: Vec<&str> = codes.filter(|c| !shown.contains(c)).collect();
        if !missing.is_empty() {
            gaps.push(format!(
                "expected a golden picture {} each class, found none for {}; add one with `sightline model golden`",
                match m.task {
                    Task::Detect => "with a finding at or above the limit of",
                    Task::Classify => "of",
                },
                missing.join(", ")
            ));
        }
        let clean = |g: &Golden| matches!(&g.expected, Expected::Detections { detections } if detections.is_empty());
        if m.task == Task::Detect && !goldens.iter().any(clean) {
            gaps.push(
                "expected a golden picture without a finding, found none; add a clean one with `sightline model golden`"
                    .into(),
            );
        }
        Ok(gaps)
    }
}

/// Classes of which a picture shows that the model finds them.
fn shows<'g>(golden: &'g Golden, m: &Manifest) -> Vec<&'g str> {
    let counts = |d: &&ExpectedDetection| {
        let class = m.classes.iter().find(|c| c.code == d.class);
        class.is_some_and(|c| d.score >= c.default_limit)
    };
    match (&golden.expected, m.task) {
        (Expected::Detections { detections }, Task::Detect) => {
            let found = detections.iter().filter(counts);
            found.map(|d| d.class.as_str()).collect()
        }
        (Expected::Class { class, .. }, Task::Classify) => vec![class],
        _ => Vec::new(),
    }
}

/// Why an expectation cannot fail.
fn vacuous(golden: &Golden, m: &Manifest) -> Vec<String> {
    let name = golden
        .image
        .file_name()
        .map(Path::new)
        .unwrap_or(&golden.image);
    let say = |what: String| format!("{}: {what}", name.display());
    let tolerance = golden.tolerance;
    let mut gaps = Vec::new();
    if tolerance.score > MAX_SCORE_TOLERANCE {
        gaps.push(say(format!(
            "expected a tolerance of the score of at most {MAX_SCORE_TOLERANCE}, found {}: it would take almost any answer",
            tolerance.score
        )));
    }
    match (&golden.expected, m.task) {
        (Expected::Detections { .. }, Task::Classify) => gaps.push(say(
            "expected {\"class\", \"score\"} of a classifier, found {\"detections\"}: such an expectation cannot fail".into(),
        )),
        (Expected::Class { .. }, Task::Detect) => gaps.push(say(
            "expected {\"detections\"} of a detector, found {\"class\", \"score\"}: such an expectation cannot pass".into(),
        )),
        (Expected::Class { .. }, Task::Classify) => {}
        (Expected::Detections { detections }, Task::Detect) => {
            let can_be_found = |limit: f32| limit + tolerance.score < 1.0;
            if detections.is_empty() && !m.classes.iter().any(|c| can_be_found(c.default_limit)) {
                gaps.push(say(
                    "no finding can reach the limits of the classes: such an expectation cannot fail; lower default_limit"
                        .into(),
                ));
            }
            for d in detections {
                let most = EDGE_PX.max(d.bbox_px.w.min(d.bbox_px.h) / 2.0);
                if tolerance.box_px > most {
                    gaps.push(say(format!(
                        "expected a tolerance of the edges of at most {most} px for {} of {:.0} x {:.0} px, found {}",
                        d.class, d.bbox_px.w, d.bbox_px.h, tolerance.box_px
                    )));
                }
            }
        }
    }
    gaps
}
