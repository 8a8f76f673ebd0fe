//! Which heads a file can have: by its shapes, then by what its exporter wrote, then by the numbers of a run.

use super::evidence::{Table, possible, sums_to_one};
use super::head::{Habit, Head};
use super::{ModelInfo, TensorInfo, metadata::Metadata};
use crate::bundle::{Activation, BoxFormat, BoxUnit, OutputNames};

/// Most rows of a head that has chosen its best already.
pub(super) const MOST_CHOSEN: i64 = 1_000;

/// A file's outputs beside what is known of it.
pub(super) struct Reading<'i> {
    pub info: &'i ModelInfo,
    pub meta: &'i Metadata,
    /// Of the input.
    pub height: i64,
    /// Of the input.
    pub width: i64,
    /// Of the input; -1: open.
    pub batch: i64,
}

impl Reading<'_> {
    /// Every head that fits; the file is clear if it is one.
    pub(super) fn heads(&self) -> Vec<Head> {
        if let Some(heads) = self.segmented().or_else(|| self.several()) {
            return heads;
        }
        let outputs = self.info.outputs.iter().enumerate();
        // older exporters leave raw maps beside the output
        let flat: Vec<usize> = outputs
            .filter(|(i, o)| is_float(o) && self.info.dims(*i).len() <= 3)
            .map(|(i, _)| i)
            .collect();
        match (flat.as_slice(), self.info.outputs.len()) {
            ([one], _) => self.single(*one),
            ([], 1) => self.single(0),
            _ => Vec::new(),
        }
    }

    pub(super) fn table(&self, index: usize, by_column: bool) -> Option<Table<'_>> {
        Table::of(
            self.info.ran.get(index),
            by_column,
            (self.width, self.height),
        )
    }

    fn single(&self, index: usize) -> Vec<Head> {
        match *self.info.dims(index) {
            [_, 1..=10_000] if self.holds_rows(index) => self.rows_of_all_pictures(index),
            [_, n @ 1..=10_000] | [_, n @ 1..=10_000, 1, 1] => vec![self.classifier(index, n)],
            [_, rows, columns] => {
                let heads = self.by_shape(rows, columns);
                let heads = self.by_names(heads);
                let heads = self.by_metadata(heads);
                self.by_numbers(index, heads)
            }
            _ => Vec::new(),
        }
    }

    /// Two axes, and the first one is no batch.
    fn holds_rows(&self, index: usize) -> bool {
        let declared = &self.info.outputs[index].dims;
        let chosen = ["NonMaxSuppression", "NonZero", "Compress"];
        let near = self.info.tails.get(index);
        let by_choice = near.is_some_and(|t| chosen.iter().any(|op| t.near.contains(*op)));
        let another_axis = declared.first() == Some(&-1) && self.batch >= 1;
        matches!(declared.get(1), Some(6 | 7 | -1)) && (by_choice || another_axis)
    }

    fn rows_of_all_pictures(&self, index: usize) -> Vec<Head> {
        let columns = self.info.dims(index)[1];
        let table = self.table(index, false);
        let mut heads = Vec::new();
        if columns == 7 {
            let fits = table.as_ref().is_none_or(|t| {
                t.is_zero(0)
                    && t.is_class(5)
                    && t.is_score(6)
                    && t.boxes_can_be(1, BoxFormat::Corners, BoxUnit::Pixels)
            });
            heads.extend(fits.then(Head::yolo_v7_rows));
        }
        if columns == 6 {
            let fits = table.is_none_or(|t| {
                t.is_score(4)
                    && t.is_class(5)
                    && t.boxes_can_be(0, BoxFormat::Corners, BoxUnit::Pixels)
            });
            heads.extend(fits.then(Head::deepstream));
        }
        heads
    }

    fn by_shape(&self, rows: i64, columns: i64) -> Vec<Head> {
        let cells: i64 = [8, 16, 32]
            .iter()
            .map(|s| (self.width / s) * (self.height / s))
            .sum();
        let chosen = (1..=MOST_CHOSEN).contains(&rows) && rows != cells;
        let tall = rows < 0 || rows > columns;
        let mut heads = Vec::new();
        if rows >= 5 && (columns < 0 || columns > rows) {
            heads.push(Head::yolo_v8(rows));
        }
        if columns >= 5 && tall {
            heads.push(Head::yolo_v8_transposed(columns));
        }
        if columns >= 6 && tall {
            heads.push(Head::yolo_v5(columns));
        }
        if columns >= 6 && (rows == cells || rows < 0) {
            heads.push(Head::yolox(columns));
            heads.push(Head::yolox_decoded(columns));
        }
        if columns == 6 && tall {
            heads.push(Head::deepstream());
        }
        if columns == 6 && (chosen || rows < 0) {
            heads.push(Head::yolo_v10());
            heads.push(Head::rt_detr_rows());
        }
        if columns >= 5 && (chosen || rows < 0) {
            heads.push(Head::rt_detr(columns));
        }
        heads
    }

    /// Heads whose classes are as many as the file names; all, where none is.
    pub(super) fn by_names(&self, heads: Vec<Head>) -> Vec<Head> {
        let count = self.meta.names.len();
        let fits = |h: &Head| h.classes == 0 || h.classes == count;
        match count > 0 && heads.iter().any(fits) {
            true => heads.into_iter().filter(fits).collect(),
            false => heads,
        }
    }

    fn by_metadata(&self, heads: Vec<Head>) -> Vec<Head> {
        let meta = self.meta;
        let ultralytics = meta.task.is_some();
        let wanted: &[&str] = if !ultralytics {
            return heads;
        } else if meta.rt_detr {
            &["rt-detr", "rt-detr-rows"]
        } else if meta.end2end == Some(true) || meta.nms {
            &["yolo-v10"]
        } else if meta.is_plain_detect() {
            &["yolo-v8", "yolo-v8-transposed", "yolo-v10"]
        } else {
            &[
                "yolo-v8",
                "yolo-v8-transposed",
                "yolo-v10",
                "rt-detr",
                "rt-detr-rows",
                "yolo-v5",
            ]
        };
        heads
            .into_iter()
            .filter(|h| wanted.contains(&h.name))
            .collect()
    }

    fn by_numbers(&self, index: usize, mut heads: Vec<Head>) -> Vec<Head> {
        heads.retain(|head| {
            let by_column = head.name == "yolo-v8";
            self.table(index, by_column)
                .is_none_or(|t| possible(head.name, &t) || self.is_named(head.name, &t))
        });
        // what YOLOX's own exporter calls its tensors
        let input = self.info.inputs.first().map(|i| i.name.as_str());
        let output = self.info.outputs[index].name.as_str();
        let bare = self.info.metadata.is_empty();
        let is_yolox = |h: &Head| h.habit == Habit::YoloX;
        if bare && (input, output) == (Some("images"), "output") && heads.iter().any(is_yolox) {
            heads.retain(is_yolox);
        }
        heads
    }

    /// What the file calls the plain head, with numbers that do not speak against it.
    fn is_named(&self, name: &str, t: &Table<'_>) -> bool {
        let plain = matches!(name, "yolo-v8" | "yolo-v8-transposed");
        let said = self.meta.is_plain_detect() && self.meta.end2end == Some(false);
        let boxes = || t.most_boxes_can_be(BoxFormat::Centre, BoxUnit::Pixels);
        plain && said && t.are_probabilities(4) && boxes()
    }

    fn classifier(&self, index: usize, values: i64) -> Head {
        let last = self.info.tails.get(index).and_then(|t| t.last.as_deref());
        let ran = self.info.ran.get(index).map(|r| r.values.as_slice());
        let probabilities = match last {
            Some("Softmax" | "Sigmoid" | "HardSigmoid") => true,
            Some("LogSoftmax") => false,
            _ => values > 1 && ran.is_some_and(sums_to_one),
        };
        let activation = match (probabilities, values) {
            (true, _) => Activation::None,
            (false, 1) => Activation::Sigmoid,
            _ => Activation::Softmax,
        };
        let habit = if self.meta.task.is_some() {
            Habit::Middle
        } else if self.info.producer == "pytorch" {
            Habit::ImageNet
        } else {
            Habit::Stretched
        };
        Head::classifier(values, activation, habit)
    }

    /// Heads of several outputs; `None` where it is none.
    fn several(&self) -> Option<Vec<Head>> {
        if self.info.outputs.len() < 2 {
            return None;
        }
        let found = self.tables_of_boxes().into_iter();
        let heads: Vec<Vec<Head>> = found.filter_map(|b| self.with_boxes(b)).collect();
        (!heads.is_empty()).then(|| heads.concat())
    }

    /// Outputs that can be boxes. Three classes and nothing have four columns, too: then names tell them apart, or else the
    /// numbers do.
    fn tables_of_boxes(&self) -> Vec<usize> {
        let last = |i: usize| self.info.dims(i).last().copied().unwrap_or(0);
        let outputs = self.info.outputs.iter().enumerate();
        let can_be = |(i, o): &(usize, &TensorInfo)| {
            is_float(o)
                && self.info.dims(*i).len() >= 2
                && (last(*i) == 4 || (last(*i) == 5 && !named(o, &["score"])))
        };
        let all: Vec<(usize, &TensorInfo)> = outputs.filter(can_be).collect();
        let called = |words: &[&str], wanted: bool| -> Vec<usize> {
            let some = all.iter().filter(|(_, o)| named(o, words) == wanted);
            some.map(|(i, _)| *i).collect()
        };
        let boxes = called(&["box", "dets"], true);
        let others = called(&["logit", "score", "prob", "label", "class", "cls"], false);
        match (boxes.is_empty(), others.is_empty()) {
            (false, _) => boxes,
            (true, false) => others,
            _ => all.into_iter().map(|(i, _)| i).collect(),
        }
    }

    fn with_boxes(&self, boxes: usize) -> Option<Vec<Head>> {
        let last = |i: usize| self.info.dims(i).last().copied().unwrap_or(0);
        let whole = |o: &TensorInfo| o.dtype.starts_with("int") || o.dtype.starts_with("uint");
        let outputs = || self.info.outputs.iter().enumerate();
        let first = &self.info.outputs[boxes];
        let rank = self.info.dims(boxes).len();
        let labels = outputs().find(|(i, o)| {
            let is_row = self.info.dims(*i).len() + 1 == rank;
            *i != boxes
                && is_row
                && (whole(o) || named(o, &["label", "class", "cls"]))
                && !named(o, &["num"])
        });
        if let Some((_, labels)) = labels {
            let scores = outputs().find(|(i, o)| {
                *i != boxes
                    && is_float(o)
                    && o.name != labels.name
                    && self.info.dims(*i).len() + 1 == rank
            });
            let scores = scores.map(|(_, o)| o.name.clone());
            if (last(boxes) == 5) == scores.is_some() {
                return Some(Vec::new());
            }
            return Some(self.with_labels(boxes, first.name.clone(), labels.name.clone(), scores));
        }
        let scores =
            outputs().find(|(i, o)| *i != boxes && is_float(o) && self.info.dims(*i).len() == rank);
        let (scores, second) = scores.filter(|_| last(boxes) == 4)?;
        Some(self.with_scores((boxes, first), (scores, second)))
    }

    fn with_labels(
        &self,
        boxes: usize,
        first: String,
        labels: String,
        scores: Option<String>,
    ) -> Vec<Head> {
        let inside = scores.is_none();
        let names = OutputNames {
            boxes: first,
            scores,
            labels: Some(labels),
            masks: None,
        };
        let table = self.table(boxes, false);
        let habit = if inside {
            Habit::MmDetection
        } else {
            Habit::Yolo
        };
        // torchvision numbers its classes from 1
        let background = !inside && self.info.dims(boxes).len() == 2;
        let head = |unit| Head::boxes_labels(names.clone(), unit, background, habit);
        let fits = |unit: BoxUnit| {
            table
                .as_ref()
                .is_none_or(|t| t.boxes_can_be(0, BoxFormat::Corners, unit))
        };
        let units = [BoxUnit::Pixels, BoxUnit::Normalized].into_iter();
        let found: Vec<Head> = units.filter(|u| fits(*u)).map(head).collect();
        // a run that found nothing says nothing: pixels are what these exporters write
        found.into_iter().take(1).collect()
    }

    fn with_scores(
        &self,
        (b, boxes): (usize, &TensorInfo),
        (s, scores): (usize, &TensorInfo),
    ) -> Vec<Head> {
        let columns = self.info.dims(s).last().copied().unwrap_or(0).max(0) as usize;
        if columns == 0 {
            return Vec::new();
        }
        let table = self.table(b, false);
        let fits = |format, unit| {
            table
                .as_ref()
                .is_none_or(|t| t.boxes_can_be(0, format, unit))
        };
        let probabilities = match self.table(s, false) {
            Some(t) => t.are_probabilities(0),
            None => false,
        };
        let names = (boxes.name.clone(), scores.name.clone());
        let head = |who, activation, geometry| {
            Head::boxes_scores(who, names.clone(), columns, activation, geometry)
        };
        let detr = (BoxFormat::Centre, BoxUnit::Normalized, 1.0);
        let mut heads = Vec::new();
        if fits(BoxFormat::Centre, BoxUnit::Normalized) {
            let rf = "RF-DETR: centre and size as fractions of the picture, logits of each class on its own";
            let rt = "RT-DETR, D-FINE, DEIM: centre and size as fractions of the picture, logits of each class on its own";
            let old = "DETR: centre and size as fractions of the picture, logits of the classes and, last, of nothing";
            let done = "DETR's family: centre and size as fractions of the picture, a probability of each class";
            if names.0 == "dets" && names.1 == "labels" {
                heads.push(head(
                    ("rf-detr", rf, Habit::RfDetr),
                    Activation::Sigmoid,
                    detr,
                ));
            } else if probabilities {
                heads.push(head(
                    ("rt-detr", done, Habit::Stretched),
                    Activation::None,
                    detr,
                ));
            } else {
                heads.push(head(
                    ("rt-detr", rt, Habit::Stretched),
                    Activation::Sigmoid,
                    detr,
                ));
                let mut softmax = head(("detr", old, Habit::RfDetr), Activation::Softmax, detr);
                softmax.classes = columns - 1;
                softmax.decoder.background = Some(crate::bundle::Background::Last);
                heads.extend((columns > 1).then_some(softmax));
            }
        }
        if fits(BoxFormat::Corners, BoxUnit::Pixels) && (probabilities || table.is_none()) {
            let nas = "YOLO-NAS and others: corners in pixels, a probability of each class, before suppression";
            let geometry = (BoxFormat::Corners, BoxUnit::Pixels, 0.5);
            heads.push(head(
                ("yolo-nas", nas, Habit::Yolo),
                Activation::None,
                geometry,
            ));
        }
        self.by_names(heads)
    }
}

pub(super) fn is_float(o: &TensorInfo) -> bool {
    o.dtype.starts_with("float")
}

fn named(o: &TensorInfo, words: &[&str]) -> bool {
    words.iter().any(|w| o.name.to_lowercase().contains(w))
}
