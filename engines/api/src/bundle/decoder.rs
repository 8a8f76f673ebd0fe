//! The `[decoder]` of a manifest: how a network's outputs are read.

use super::Task;
use serde::{Deserialize, Serialize};

/// How the outputs are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderSpec {
    /// Which head.
    pub kind: DecoderKind,
    /// Of the decoder's contract; 1.
    pub version: u32,
    /// Candidates below are not decoded.
    #[serde(default = "default_score_floor")]
    pub score_floor: f32,
    /// Overlap above which the weaker of two boxes of one class goes; 1 keeps all. Unused by `yolo-v10`.
    #[serde(default = "default_iou_threshold")]
    pub iou_threshold: f32,
    /// The weaker boxes that go move the one that stays: it becomes their mean, weighted by the scores. Better where the
    /// extent of a defect is a matter of opinion. Unused by `yolo-v10`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merge: bool,
    /// Findings kept per region.
    #[serde(default = "default_max_detections")]
    pub max_detections: usize,
    /// Of a classifier and of `boxes-scores`, and required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Of `yolo-v8`: the output is `[N, A, 4 + classes]`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transposed: bool,
    /// Of `rows`, `boxes-scores` and `boxes-labels`, and required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<BoxFormat>,
    /// Of `rows`, `boxes-scores` and `boxes-labels`, and required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<BoxUnit>,
    /// Of `rows`, and required there: what stands in a row, in order; `box` is four numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// Which output is which, of heads with several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputNames>,
    /// Of `yolo-v8` and `yolo-v10` with masks: how many numbers of a box mix the prototypes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_weights: Option<u16>,
    /// A class of the model that means "nothing", beside those of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
}

impl DecoderSpec {
    /// A head with every other field at its default.
    pub fn of(kind: DecoderKind) -> Self {
        Self {
            kind,
            version: 1,
            score_floor: default_score_floor(),
            iou_threshold: default_iou_threshold(),
            merge: false,
            max_detections: default_max_detections(),
            activation: None,
            transposed: false,
            boxes: None,
            unit: None,
            columns: Vec::new(),
            outputs: None,
            mask_weights: None,
            background: None,
        }
    }
}

/// How four numbers are a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxFormat {
    /// Left, top, right, bottom.
    Corners,
    /// Centre across and down, width, height.
    Centre,
}

/// What boxes are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxUnit {
    /// Pixels of the network's input.
    Pixels,
    /// Fractions of the network's input.
    Normalized,
}

/// What stands in a row of a `rows` head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    /// Index of the picture in the batch: the output has no batch axis.
    Picture,
    /// Four numbers.
    Box,
    /// 0..=1.
    Score,
    /// A class's number.
    Class,
}

/// The outputs of a head with several, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputNames {
    /// `[N, K, 4]`; `[N, K, 5]` with the score behind the box where `scores` is absent.
    pub boxes: String,
    /// `[N, K, classes]` of `boxes-scores`, `[N, K]` of `boxes-labels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<String>,
    /// `[N, K]` of `boxes-labels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Prototypes `[N, mask_weights, height, width]` of `yolo-v8` and `yolo-v10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<String>,
}

/// Where a class that means "nothing" stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// Number 0; the manifest's classes follow.
    First,
    /// Behind the manifest's classes.
    Last,
    /// Nowhere: all scores are of the manifest's classes. The same as leaving it out, said aloud.
    None,
}

impl Background {
    /// As written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::None => "none",
        }
    }
}

fn default_score_floor() -> f32 {
    0.05
}

fn default_iou_threshold() -> f32 {
    0.5
}

fn default_max_detections() -> usize {
    300
}

/// The heads we read; see [`crate::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DecoderKind {
    /// `[N, A, 5 + classes]`: centre, size, objectness, class scores.
    #[serde(rename = "yolo-v5")]
    YoloV5,
    /// `[N, 4 + classes, A]`: centre, size, class scores. Also v11 and v12.
    #[serde(rename = "yolo-v8")]
    YoloV8,
    /// `[N, K, 6]`: corners, score, class; no suppression. Also v26.
    #[serde(rename = "yolo-v10")]
    YoloV10,
    /// `[N, A, 5 + classes]` on a grid of strides 8, 16, 32, sizes as logarithms.
    #[serde(rename = "yolox")]
    YoloX,
    /// `[N, K, columns]` or, with a picture's number in each row, `[K, columns]`: one finding a row, see
    /// [`DecoderSpec::columns`]. RT-DETR, YOLOv7 and DeepStream exports.
    #[serde(rename = "rows")]
    Rows,
    /// A box and a score a class: `[N, K, 4 + classes]`, or two outputs `[N, K, 4]` and `[N, K, classes]`. RT-DETR,
    /// RF-DETR, D-FINE, YOLO-NAS.
    #[serde(rename = "boxes-scores")]
    BoxesScores,
    /// Boxes, scores and class numbers in two or three outputs. MMDetection, torchvision.
    #[serde(rename = "boxes-labels")]
    BoxesLabels,
    /// `[N, classes]`, `[N, classes, 1, 1]`; of two classes also `[N, 1]`, the second one's.
    #[serde(rename = "classifier")]
    Classifier,
}

impl DecoderKind {
    /// As written in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::YoloV5 => "yolo-v5",
            Self::YoloV8 => "yolo-v8",
            Self::YoloV10 => "yolo-v10",
            Self::YoloX => "yolox",
            Self::Rows => "rows",
            Self::BoxesScores => "boxes-scores",
            Self::BoxesLabels => "boxes-labels",
            Self::Classifier => "classifier",
        }
    }

    /// The task it serves.
    pub fn task(self) -> Task {
        match self {
            Self::Classifier => Task::Classify,
            _ => Task::Detect,
        }
    }
}

/// What is done to outputs to make them probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Outputs are logits; the classes exclude one another.
    Softmax,
    /// Outputs are logits, each class on its own.
    Sigmoid,
    /// Outputs already are probabilities.
    None,
}
