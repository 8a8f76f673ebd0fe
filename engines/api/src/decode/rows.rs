//! One finding a row, in the columns that the manifest names: RT-DETR and others with the choice of the best in the
//! graph, YOLOv7's end-to-end export, DeepStream's rows.

use super::{candidates::Candidates, geometry::Geometry};
use crate::bundle::Column;

/// Where the columns of a row start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    pub width: usize,
    bbox: usize,
    score: usize,
    class: usize,
    picture: Option<usize>,
}

impl Layout {
    pub(super) fn of(columns: &[Column]) -> Self {
        let mut layout = Self::default();
        for column in columns {
            let at = layout.width;
            layout.width += 1;
            match column {
                Column::Picture => layout.picture = Some(at),
                Column::Box => {
                    layout.bbox = at;
                    layout.width += 3;
                }
                Column::Score => layout.score = at,
                Column::Class => layout.class = at,
            }
        }
        layout
    }

    /// Rows carry the picture's number, so that the output has no batch axis.
    pub(super) fn unbatched(&self) -> bool {
        self.picture.is_some()
    }
}

/// `values` is `[rows, layout.width]`. A row of another picture than the first, with a class that is not one of
/// `classes` or with a score that is no probability is counted as broken.
pub(super) fn decode(
    values: &[f32],
    layout: Layout,
    geometry: &Geometry,
    classes: usize,
    floor: f32,
    out: &mut Candidates,
) {
    for (place, row) in values.chunks_exact(layout.width).enumerate() {
        let first_picture = layout.picture.is_none_or(|at| row[at] == 0.0);
        if !first_picture || !row.iter().all(|v| v.is_finite()) {
            out.broken();
            continue;
        }
        let at = layout.bbox;
        let bbox = [row[at], row[at + 1], row[at + 2], row[at + 3]];
        geometry.push_labelled(
            bbox,
            row[layout.score],
            row[layout.class],
            place,
            (classes, floor),
            out,
        );
    }
}
