//! The heads that files come with: how each is decoded, and what its usual exporter does to pictures.

use crate::bundle::{
    Activation, BoxFormat, BoxUnit, Column, DecoderKind, DecoderSpec, OutputNames,
};

/// A way to read a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// For `--decoder`.
    pub name: &'static str,
    /// What it is, for people.
    pub title: String,
    /// How its outputs are read.
    pub decoder: DecoderSpec,
    /// Classes by the shapes; 0 where they do not tell.
    pub classes: usize,
    /// How pictures come to it.
    pub habit: Habit,
}

/// What an exporter's pictures look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// RGB, 0..1, letterboxed.
    Yolo,
    /// BGR, 0..255, letterboxed into the corner.
    YoloX,
    /// RGB, 0..1, stretched.
    Stretched,
    /// RGB, ImageNet's mean and deviation, stretched.
    RfDetr,
    /// RGB, ImageNet's mean and deviation in 0..255, letterboxed into the corner.
    MmDetection,
    /// RGB, 0..1, the middle of the picture, averaged.
    Middle,
    /// RGB, ImageNet's mean and deviation, the middle 7/8 of the picture, averaged.
    ImageNet,
}

impl Habit {
    /// `mean` and `std` of 0..1, red first.
    pub const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
}

impl Head {
    fn new(
        name: &'static str,
        kind: DecoderKind,
        classes: usize,
        habit: Habit,
        title: String,
    ) -> Self {
        Self {
            name,
            title,
            decoder: DecoderSpec::of(kind),
            classes,
            habit,
        }
    }

    pub(super) fn yolo_v8(rows: i64) -> Self {
        let title = format!("YOLOv8, v9, v11 and v12: {rows} rows by boxes, 4 and one a class");
        Self::new(
            "yolo-v8",
            DecoderKind::YoloV8,
            (rows - 4) as usize,
            Habit::Yolo,
            title,
        )
    }

    pub(super) fn yolo_v8_transposed(columns: i64) -> Self {
        let title = format!(
            "YOLOv8 transposed: boxes by {columns} columns, 4 and one a class, no objectness"
        );
        let kind = DecoderKind::YoloV8;
        let mut head = Self::new(
            "yolo-v8-transposed",
            kind,
            (columns - 4) as usize,
            Habit::Yolo,
            title,
        );
        head.decoder.transposed = true;
        head
    }

    pub(super) fn yolo_v5(columns: i64) -> Self {
        let title =
            format!("YOLOv5, v6 and v7: boxes by {columns} columns, 4, objectness and one a class");
        Self::new(
            "yolo-v5",
            DecoderKind::YoloV5,
            (columns - 5) as usize,
            Habit::Yolo,
            title,
        )
    }

    pub(super) fn yolox(columns: i64) -> Self {
        let title = "YOLOX as its exporter leaves it: places and sizes still relative to the grid; BGR of 0..255".into();
        Self::new(
            "yolox",
            DecoderKind::YoloX,
            (columns - 5) as usize,
            Habit::YoloX,
            title,
        )
    }

    pub(super) fn yolox_decoded(columns: i64) -> Self {
        let title =
            "YOLOX exported with --decode_in_inference: boxes in pixels; BGR of 0..255".into();
        Self::new(
            "yolox-decoded",
            DecoderKind::YoloV5,
            (columns - 5) as usize,
            Habit::YoloX,
            title,
        )
    }

    pub(super) fn yolo_v10() -> Self {
        let title =
            "YOLOv10, YOLO26, or suppression in the file: rows of corners in pixels, score, class"
                .into();
        Self::new("yolo-v10", DecoderKind::YoloV10, 0, Habit::Yolo, title)
    }

    /// With masks: `boxes` and `masks` are the outputs' names, `weights` the numbers of a box that mix the prototypes.
    pub(super) fn with_masks(mut self, boxes: &str, masks: &str, weights: u16) -> Self {
        let (name, title) = match self.decoder.kind {
            DecoderKind::YoloV10 => ("yolo-v10-seg", "each object once"),
            _ => ("yolo-v8-seg", "before suppression"),
        };
        self.name = name;
        self.title = format!("YOLO's segmentation, {title}: {weights} numbers a box mix the masks");
        self.decoder.mask_weights = Some(weights);
        self.decoder.outputs = Some(OutputNames {
            boxes: boxes.to_owned(),
            masks: Some(masks.to_owned()),
            ..OutputNames::default()
        });
        self
    }

    pub(super) fn rt_detr_rows() -> Self {
        let title =
            "RT-DETR: rows of centre and size as fractions of the picture, score, class".into();
        let head = Self::new(
            "rt-detr-rows",
            DecoderKind::Rows,
            0,
            Habit::Stretched,
            title,
        );
        head.rows(
            &[Column::Box, Column::Score, Column::Class],
            BoxFormat::Centre,
            BoxUnit::Normalized,
            1.0,
        )
    }

    pub(super) fn rt_detr(columns: i64) -> Self {
        let title = format!(
            "RT-DETR: {columns} columns, centre and size as fractions of the picture and one score a class"
        );
        let kind = DecoderKind::BoxesScores;
        let mut head = Self::new(
            "rt-detr",
            kind,
            (columns - 4) as usize,
            Habit::Stretched,
            title,
        );
        head.decoder.activation = Some(Activation::None);
        head.boxes(BoxFormat::Centre, BoxUnit::Normalized, 1.0)
    }

    pub(super) fn deepstream() -> Self {
        let title =
            "DeepStream-Yolo: rows of corners in pixels, score, class, before suppression".into();
        let head = Self::new("deepstream", DecoderKind::Rows, 0, Habit::Yolo, title);
        head.rows(
            &[Column::Box, Column::Score, Column::Class],
            BoxFormat::Corners,
            BoxUnit::Pixels,
            0.45,
        )
    }

    pub(super) fn yolo_v7_rows() -> Self {
        let title = "YOLOv7 end to end: rows of picture, corners in pixels, class, score".into();
        let head = Self::new("yolo-v7-rows", DecoderKind::Rows, 0, Habit::Yolo, title);
        let columns = [Column::Picture, Column::Box, Column::Class, Column::Score];
        head.rows(&columns, BoxFormat::Corners, BoxUnit::Pixels, 1.0)
    }

    pub(super) fn boxes_labels(
        names: OutputNames,
        unit: BoxUnit,
        background: bool,
        habit: Habit,
    ) -> Self {
        let tool = match habit {
            Habit::MmDetection => "MMDetection and others",
            _ => "torchvision and others",
        };
        let title = format!(
            "{tool}: boxes by their corners, scores and class numbers in outputs of their own"
        );
        let mut head = Self::new("boxes-labels", DecoderKind::BoxesLabels, 0, habit, title);
        head.decoder.outputs = Some(names);
        head.decoder.background = background.then_some(crate::bundle::Background::First);
        head.boxes(BoxFormat::Corners, unit, 1.0)
    }

    pub(super) fn boxes_scores(
        (name, title, habit): (&'static str, &str, Habit),
        names: (String, String),
        classes: usize,
        activation: Activation,
        (format, unit, iou): (BoxFormat, BoxUnit, f32),
    ) -> Self {
        let mut head = Self::new(
            name,
            DecoderKind::BoxesScores,
            classes,
            habit,
            title.to_owned(),
        );
        head.decoder.outputs = Some(OutputNames {
            boxes: names.0,
            scores: Some(names.1),
            labels: None,
            masks: None,
        });
        head.decoder.activation = Some(activation);
        head.boxes(format, unit, iou)
    }

    pub(super) fn classifier(values: i64, activation: Activation, habit: Habit) -> Self {
        let title = format!("a classifier: {values} value(s) a picture");
        let classes = (values as usize).max(2);
        let mut head = Self::new("classifier", DecoderKind::Classifier, classes, habit, title);
        head.decoder.activation = Some(activation);
        head
    }

    fn rows(mut self, columns: &[Column], format: BoxFormat, unit: BoxUnit, iou: f32) -> Self {
        self.decoder.columns = columns.to_vec();
        self.boxes(format, unit, iou)
    }

    fn boxes(mut self, format: BoxFormat, unit: BoxUnit, iou: f32) -> Self {
        self.decoder.boxes = Some(format);
        self.decoder.unit = Some(unit);
        self.decoder.iou_threshold = iou;
        self
    }
}
