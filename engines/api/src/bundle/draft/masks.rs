//! YOLO's segmentation: boxes with weights in one output, prototypes of masks in the other.

use super::ModelInfo;
use super::candidates::{MOST_CHOSEN, Reading, is_float};
use super::evidence::possible;
use super::head::Head;
use crate::bundle::{BoxFormat, BoxUnit};

impl Reading<'_> {
    /// YOLO's segmentation: boxes with weights, and prototypes; `None` where it is none.
    pub(super) fn segmented(&self) -> Option<Vec<Head>> {
        let (boxes, masks) = prototypes(self.info, (self.height, self.width))?;
        let weights = u16::try_from(self.info.dims(masks)[1]).ok()?;
        let (m, outputs) = (i64::from(weights), &self.info.outputs);
        let [_, rows, columns] = *self.info.dims(boxes) else {
            return None;
        };
        let chosen = (self.meta.end2end == Some(true) || self.meta.nms || rows <= MOST_CHOSEN)
            && columns == 6 + m;
        let head = match rows - m {
            _ if chosen => Head::yolo_v10(),
            n if n > 4 && columns > 6 => Head::yolo_v8(n),
            _ => return Some(Vec::new()),
        };
        let kind = head.name;
        let table = self.table(boxes, kind == "yolo-v8");
        let fits = table.is_none_or(|t| match kind {
            "yolo-v8" => {
                t.are_probabilities_to(4, 4 + head.classes)
                    && t.most_boxes_can_be(BoxFormat::Centre, BoxUnit::Pixels)
            }
            _ => possible(kind, &t),
        });
        let head = head.with_masks(&outputs[boxes].name, &outputs[masks].name, weights);
        Some(self.by_names(fits.then_some(head).into_iter().collect()))
    }
}

/// Which output is a table of boxes and which the prototypes of masks, a quarter of the input's sides: as YOLO's
/// segmentation has them, and nothing else beside.
pub(super) fn prototypes(info: &ModelInfo, (height, width): (i64, i64)) -> Option<(usize, usize)> {
    let boxes = |i: &usize| info.dims(*i).len() == 3;
    let masks = |i: &usize| {
        let d = info.dims(*i);
        // open sides of a file that was not run may be a quarter, too
        let quarter = |side: i64, of: i64| side < 0 || side * 4 == of;
        d.len() == 4 && d[1] > 0 && quarter(d[2], height) && quarter(d[3], width)
    };
    let find = |is: &dyn Fn(&usize) -> bool| (0..2).find(|i| is(i) && is_float(&info.outputs[*i]));
    match info.outputs.len() {
        2 => Some((find(&boxes)?, find(&masks)?)),
        _ => None,
    }
}
