//! Fields of a manifest that only some heads and fits have.

use super::check::{Checker, MAX_INPUT_SIDE};
use super::{Column, DecoderKind, Manifest, Resize};

impl Checker<'_> {
    /// What only some heads have.
    pub(super) fn head_fields(&mut self, m: &Manifest) {
        use DecoderKind::{BoxesLabels, BoxesScores, Rows, YoloV8, YoloV10};
        let d = &m.decoder;
        let described = matches!(d.kind, Rows | BoxesScores | BoxesLabels);
        let named = d.outputs.as_ref();
        let right_outputs =
            match d.kind {
                BoxesLabels => named.is_some_and(|n| n.labels.is_some() && n.masks.is_none()),
                BoxesScores => named
                    .is_none_or(|n| n.labels.is_none() && n.scores.is_some() && n.masks.is_none()),
                YoloV8 | YoloV10 if d.mask_weights.is_some() => named
                    .is_some_and(|n| n.masks.is_some() && n.scores.is_none() && n.labels.is_none()),
                _ => named.is_none(),
            };
        let may_have_masks = matches!(d.kind, YoloV8 | YoloV10) && !d.transposed;
        let only = |kinds: &str| format!("this field only with {kinds}");
        let fields = [
            (d.transposed && d.kind != YoloV8, "decoder.transposed", only("yolo-v8")),
            (
                d.boxes.is_some() != described,
                "decoder.boxes",
                "\"corners\" or \"centre\" with rows, boxes-scores and boxes-labels, and only there".to_owned(),
            ),
            (
                d.unit.is_some() != described,
                "decoder.unit",
                "\"pixels\" or \"normalized\" with rows, boxes-scores and boxes-labels, and only there".to_owned(),
            ),
            (
                !right_columns(&d.columns, d.kind == Rows),
                "decoder.columns",
                "[\"box\", \"score\", \"class\"] in the file's order with rows, and only there".to_owned(),
            ),
            (
                !right_outputs,
                "decoder.outputs",
                "{ boxes, labels } and perhaps scores with boxes-labels, { boxes, scores } with boxes-scores of two outputs, { boxes, masks } \
                 with mask_weights"
                    .to_owned(),
            ),
            (
                d.mask_weights.is_some_and(|n| !may_have_masks || !(1..=256).contains(&n)),
                "decoder.mask_weights",
                "1 to 256, with yolo-v8 and yolo-v10 only".to_owned(),
            ),
            (
                d.background.is_some() && !matches!(d.kind, BoxesScores | BoxesLabels),
                "decoder.background",
                only("boxes-scores and boxes-labels"),
            ),
        ];
        for (wrong, field, expected) in fields {
            self.expect(
                !wrong,
                field,
                &expected,
                "otherwise",
                "let `sightline model inspect FILE.onnx` draft it",
            );
        }
        let (side, least) = (m.input.resize_to, m.input.width.max(m.input.height));
        self.expect(
            side.is_none_or(|s| {
                (least..=MAX_INPUT_SIDE).contains(&s) && m.input.resize == Resize::Crop
            }),
            "input.resize_to",
            &format!("{least} to {MAX_INPUT_SIDE}, with resize = \"crop\""),
            side.unwrap_or(0),
            "write the side that the pictures were resized to in training",
        );
    }
}

fn right_columns(columns: &[Column], wanted: bool) -> bool {
    let count = |c: Column| columns.iter().filter(|x| **x == c).count();
    match wanted {
        false => columns.is_empty(),
        true => {
            [Column::Box, Column::Score, Column::Class]
                .iter()
                .all(|c| count(*c) == 1)
                && count(Column::Picture) <= 1
        }
    }
}
