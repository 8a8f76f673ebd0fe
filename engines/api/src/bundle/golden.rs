//! Golden pictures: what a model must say of them, and how far a run may be off.

use super::{Bundle, BundleError, Manifest, Problem, Task, Tolerance, hash};
use crate::{ClassInfo, RegionOutput};
use serde::{Deserialize, Serialize};
use sightline_configs::recipe::Tiles;
use sightline_domain::{BoxView, ClassId, Detection};
use std::path::{Path, PathBuf};

/// Largest expected answer read, bytes.
const MAX_EXPECTED_BYTES: u64 = 1 << 20;

/// What a model must say of a golden picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Expected {
    /// Of a detector: these findings at or above each class's default limit, and no other.
    Detections {
        /// In any order.
        detections: Vec<ExpectedDetection>,
    },
    /// Of a classifier: this class first.
    Class {
        /// Its code.
        class: String,
        /// Its probability.
        score: f32,
    },
}

/// One expected finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDetection {
    /// The class's code.
    pub class: String,
    /// In 0..=1.
    pub score: f32,
    /// In pixels of the picture.
    pub bbox_px: BoxView,
    /// What it covers, square pixels of the picture; of models with masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_px: Option<f32>,
}

impl ExpectedDetection {
    /// A mask may be off by what moving its box's edges by the tolerance would change.
    fn covers(&self, found: &Detection, edge_px: f32) -> bool {
        let around = 2.0 * (self.bbox_px.w + self.bbox_px.h);
        let slack = (edge_px * around).max(1.0);
        match (self.area_px, found.area) {
            (None, None) => true,
            (Some(wanted), Some(found)) => (wanted - found.px).abs() <= slack,
            _ => false,
        }
    }
}

/// A golden picture of a bundle, its answer read.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// The picture's file.
    pub image: PathBuf,
    /// The reference's file, if the model takes one.
    pub reference: Option<PathBuf>,
    /// It is looked at in tiles.
    pub tiles: Option<Tiles>,
    /// The answer.
    pub expected: Expected,
    /// How far a run may be off.
    pub tolerance: Tolerance,
}

impl Bundle {
    /// The bundle's golden pictures; their answers were checked when the bundle was loaded.
    ///
    /// # Errors
    /// [`Problem::Unreadable`] or [`Problem::Syntax`] when a file has changed since.
    pub fn goldens(&self) -> Result<Vec<Golden>, BundleError> {
        self.manifest()
            .golden
            .iter()
            .map(|spec| {
                Ok(Golden {
                    image: self.dir().join(&spec.image),
                    reference: spec.reference.as_ref().map(|r| self.dir().join(r)),
                    tiles: spec.tiles,
                    expected: read(&self.dir().join(&spec.expected))
                        .map_err(|problem| self.refused(*problem))?,
                    tolerance: spec.tolerance,
                })
            })
            .collect()
    }
}

fn read(path: &Path) -> Result<Expected, Box<Problem>> {
    let bytes =
        hash::read_limited(path, MAX_EXPECTED_BYTES).map_err(|source| Problem::Unreadable {
            path: path.to_owned(),
            source,
            advice: "copy the bundle again, or remove the golden from manifest.toml",
        })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Box::new(Problem::Syntax {
        path: path.to_owned(),
        line: e.line(),
        message: format!(
            "expected {{\"detections\":[{{\"class\",\"score\",\"bbox_px\":{{\"x\",\"y\",\"w\",\"h\"}}}}]}} or {{\"class\",\"score\"}}: {e}"
        ),
        })
    })
}

/// Checks that the goldens' files are there and their answers speak of the bundle's classes.
pub(super) fn check(dir: &Path, manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Vec::new();
    for spec in &manifest.golden {
        for picture in [Some(&spec.image), spec.reference.as_ref()]
            .into_iter()
            .flatten()
        {
            let path = dir.join(picture);
            if let Err(source) = std::fs::metadata(&path) {
                problems.push(Problem::Unreadable {
                    path,
                    source,
                    advice: "copy the bundle again, or remove the golden from manifest.toml",
                });
            }
        }
        let path = dir.join(&spec.expected);
        match read(&path) {
            Err(problem) => problems.push(*problem),
            Ok(expected) => problems.extend(unknown_classes(&path, &expected, manifest)),
        }
    }
    problems
}

fn unknown_classes(path: &Path, expected: &Expected, manifest: &Manifest) -> Vec<Problem> {
    let known: Vec<String> = manifest.classes.iter().map(|c| c.code.clone()).collect();
    let named: Vec<&String> = match expected {
        Expected::Detections { detections } => detections.iter().map(|d| &d.class).collect(),
        Expected::Class { class, .. } => vec![class],
    };
    named
        .into_iter()
        .filter(|name| !known.contains(name))
        .map(|name| Problem::Unknown {
            path: path.to_owned(),
            line: 1,
            found: name.clone(),
            nearest: sightline_configs::nearest(name, known.iter().map(String::as_str))
                .map(str::to_owned),
            known: known.clone(),
        })
        .collect()
}

impl Golden {
    /// What is wrong with a run's answer, in words; empty when it is as expected within the tolerance.
    /// A finding that the tolerance may move across its class's limit may be there or not.
    pub fn differences(&self, output: &RegionOutput, classes: &[ClassInfo]) -> Vec<String> {
        let mut wrong = Vec::new();
        if output.dropped_nonfinite > 0 {
            wrong.push(format!(
                "{} outputs say nothing (NaN, infinite, or no probabilities, classes or boxes)",
                output.dropped_nonfinite
            ));
        }
        let limit = |class: ClassId| classes.get(class.index()).map_or(0.0, |c| c.default_limit);
        wrong.extend(output.doubt(limit));
        match &self.expected {
            Expected::Class { class, score } => {
                wrong.extend(self.class_difference(output, classes, class, *score));
            }
            Expected::Detections { detections } => {
                wrong.extend(self.box_differences(output, classes, detections));
            }
        }
        wrong
    }

    fn class_difference(
        &self,
        output: &RegionOutput,
        classes: &[ClassInfo],
        class: &str,
        score: f32,
    ) -> Option<String> {
        let Some((best, found)) = output.best_class() else {
            return Some(format!("expected class {class}, found no class scores"));
        };
        let code = classes.get(best.index()).map_or("?", |c| &c.code);
        let good = code == class && (found - score).abs() <= self.tolerance.score;
        (!good).then(|| format!("expected {class} at {score:.3}, found {code} at {found:.3}"))
    }

    fn box_differences(
        &self,
        output: &RegionOutput,
        classes: &[ClassInfo],
        expected: &[ExpectedDetection],
    ) -> Vec<String> {
        let slack = self.tolerance.score;
        let limit = |d: &Detection| {
            classes
                .get(d.class.index())
                .map_or(0.0, |c| c.default_limit)
        };
        let mut wrong = Vec::new();
        let mut matched = vec![false; output.detections.len()];
        for want in expected {
            let hit = output.detections.iter().enumerate().position(|(i, d)| {
                !matched[i]
                    && classes
                        .get(d.class.index())
                        .is_some_and(|c| c.code == want.class)
                    && (d.score - want.score).abs() <= slack
                    && edges_apart(&d.bbox_view, &want.bbox_px) <= self.tolerance.box_px
                    && want.covers(d, self.tolerance.box_px)
            });
            match hit {
                Some(i) => matched[i] = true,
                None => wrong.push(format!(
                    "expected {} of score {:.3} at {}{}, found none within {} of the score and {} px of each edge",
                    want.class,
                    want.score,
                    place(&want.bbox_px),
                    want.area_px.map(|a| format!(" covering {a:.0} px²")).unwrap_or_default(),
                    self.tolerance.score,
                    self.tolerance.box_px
                )),
            }
        }
        for (d, _) in output.detections.iter().zip(&matched).filter(|(_, m)| !**m) {
            if d.score >= limit(d) + slack {
                let code = classes.get(d.class.index()).map_or("?", |c| &c.code);
                wrong.push(format!(
                    "found {code} of score {:.3} at {}, expected nothing there",
                    d.score,
                    place(&d.bbox_view)
                ));
            }
        }
        wrong
    }
}

/// Left, top, width and height, for people.
fn place(b: &BoxView) -> String {
    format!("({:.1}, {:.1}) {:.1} x {:.1} px", b.x, b.y, b.w, b.h)
}

/// Largest distance between corresponding edges, pixels.
fn edges_apart(a: &BoxView, b: &BoxView) -> f32 {
    [
        a.x - b.x,
        a.y - b.y,
        (a.x + a.w) - (b.x + b.w),
        (a.y + a.h) - (b.y + b.h),
    ]
    .into_iter()
    .fold(0.0, |worst, d| worst.max(d.abs()))
}

impl Golden {
    /// The same picture, expecting what `output` said of it: what another engine is held against. `None` where a
    /// classifier said nothing.
    pub fn expecting(&self, output: &RegionOutput, manifest: &Manifest) -> Option<Self> {
        let code = |class: usize| manifest.classes.get(class).map(|c| c.code.clone());
        let expected = match manifest.task {
            Task::Classify => {
                let (class, score) = output.best_class()?;
                Expected::Class {
                    class: code(class.index())?,
                    score,
                }
            }
            Task::Detect => {
                let counts = |d: &&Detection| {
                    let class = manifest.classes.get(d.class.index());
                    class.is_some_and(|c| d.score >= c.default_limit)
                };
                let found = output.detections.iter().filter(counts);
                let detections = found.filter_map(|d| {
                    Some(ExpectedDetection {
                        class: code(d.class.index())?,
                        score: d.score,
                        bbox_px: d.bbox_view,
                        area_px: d.area.map(|a| a.px),
                    })
                });
                Expected::Detections {
                    detections: detections.collect(),
                }
            }
        };
        Some(Self {
            expected,
            ..self.clone()
        })
    }
}
