//! What the numbers of a run say for or against a head. Without a run nothing is said.

use super::RunOutput;
use crate::bundle::{BoxFormat, BoxUnit};

/// How far outside a box may reach, in sides of the picture.
const REACH: f64 = 0.25;
/// How many of a thousand boxes must look right.
const MOST: usize = 970;

/// A run's output as boxes by columns.
pub(super) struct Table<'r> {
    values: &'r [f32],
    pub rows: usize,
    pub columns: usize,
    by_column: bool,
    size: (f64, f64),
}

impl<'r> Table<'r> {
    /// `None` without a run. `by_column`: the columns are the first axis.
    pub(super) fn of(
        run: Option<&'r RunOutput>,
        by_column: bool,
        size: (i64, i64),
    ) -> Option<Self> {
        let run = run?;
        let sizes: Vec<usize> = run.dims.iter().map(|&d| d.max(0) as usize).collect();
        let (a, b) = match sizes[..] {
            [1, a, b] | [a, b] => (a, b),
            _ => return None,
        };
        let (rows, columns) = if by_column { (b, a) } else { (a, b) };
        let whole = run.values.len() == rows * columns && rows > 0 && columns > 0;
        whole.then_some(Self {
            values: &run.values,
            rows,
            columns,
            by_column,
            size: (size.0 as f64, size.1 as f64),
        })
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        f64::from(match self.by_column {
            true => self.values[column * self.rows + row],
            false => self.values[row * self.columns + column],
        })
    }

    fn column(&self, column: usize) -> impl Iterator<Item = f64> {
        (0..self.rows).map(move |row| self.at(row, column))
    }

    /// All values from column `first` on are probabilities.
    pub(super) fn are_probabilities(&self, first: usize) -> bool {
        self.are_probabilities_to(first, self.columns)
    }

    /// The same up to a column.
    pub(super) fn are_probabilities_to(&self, first: usize, end: usize) -> bool {
        (first..end).all(|c| self.column(c).all(is_probability))
    }

    /// Values of column `c` are probabilities.
    pub(super) fn is_score(&self, c: usize) -> bool {
        self.column(c).all(is_probability)
    }

    /// Values of column `c` are class numbers; of padding also -1.
    pub(super) fn is_class(&self, c: usize) -> bool {
        self.column(c).all(|v| v >= -1.0 && v.fract() == 0.0)
    }

    /// Values of column `c` are all zero.
    pub(super) fn is_zero(&self, c: usize) -> bool {
        self.column(c).all(|v| v == 0.0)
    }

    /// Boxes that say something: not all zeros, all numbers.
    fn boxes(&self, first: usize) -> Vec<[f64; 4]> {
        let all = (0..self.rows).map(|r| [0, 1, 2, 3].map(|c| self.at(r, first + c)));
        all.filter(|b| b.iter().all(|v| v.is_finite()) && b.iter().any(|v| *v != 0.0))
            .collect()
    }

    /// Boxes from column `first` on can be of this format in this unit: they lie on the picture, and have a size.
    pub(super) fn boxes_can_be(&self, first: usize, format: BoxFormat, unit: BoxUnit) -> bool {
        self.lie_on_the_picture(self.boxes(first), format, unit)
    }

    /// The same of the boxes with a size alone, where these are most: a head that regresses its edges freely (YOLO26) has some
    /// without among what it does not mean. For files that name their head.
    pub(super) fn most_boxes_can_be(&self, format: BoxFormat, unit: BoxUnit) -> bool {
        let mut boxes = self.boxes(0);
        let all = boxes.len();
        boxes.retain(|b| match format {
            BoxFormat::Corners => b[2] > b[0] && b[3] > b[1],
            BoxFormat::Centre => b[2] > 0.0 && b[3] > 0.0,
        });
        boxes.len() * 2 >= all && self.lie_on_the_picture(boxes, format, unit)
    }

    fn lie_on_the_picture(&self, boxes: Vec<[f64; 4]>, format: BoxFormat, unit: BoxUnit) -> bool {
        let (w, h) = match unit {
            BoxUnit::Pixels => self.size,
            BoxUnit::Normalized => (1.0, 1.0),
        };
        let large = boxes.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
        if !boxes.is_empty() && (unit == BoxUnit::Pixels) != (large > 3.0) {
            return false;
        }
        let on = |low: f64, high: f64, side: f64| {
            low <= high && low >= -REACH * side && high <= (1.0 + REACH) * side
        };
        let fits = |b: &&[f64; 4]| match format {
            BoxFormat::Corners => on(b[0], b[2], w) && on(b[1], b[3], h),
            BoxFormat::Centre => {
                let (x, y) = (b[2] / 2.0, b[3] / 2.0);
                on(b[0] - x, b[0] + x, w) && on(b[1] - y, b[1] + y, h)
            }
        };
        boxes.iter().filter(fits).count() * 1_000 >= boxes.len() * MOST
    }

    /// Boxes of a head with one a cell of strides 8, 16 and 32: `(relative to the cell, at the cell's place)`.
    pub(super) fn on_the_grid(&self) -> (bool, bool) {
        let (mut relative, mut placed) = (0, 0);
        let mut row = 0;
        for stride in [8.0, 16.0, 32.0] {
            let (columns, rows) = (
                (self.size.0 / stride) as usize,
                (self.size.1 / stride) as usize,
            );
            for cell in 0..columns * rows {
                if row == self.rows {
                    break;
                }
                let (x, y) = (self.at(row, 0), self.at(row, 1));
                let centre = ((cell % columns) as f64 + 0.5, (cell / columns) as f64 + 0.5);
                relative += usize::from(x.abs() < 4.0 && y.abs() < 4.0);
                let near = |v: f64, c: f64| (v / stride - c).abs() < 4.0;
                placed += usize::from(near(x, centre.0) && near(y, centre.1));
                row += 1;
            }
        }
        let most = |n: usize| n * 10 >= self.rows * 9;
        (most(relative), most(placed))
    }
}

/// Whether a run's numbers can be of the head.
pub(super) fn possible(name: &str, t: &Table<'_>) -> bool {
    let centre = |unit| t.boxes_can_be(0, BoxFormat::Centre, unit);
    let corners = |unit| t.boxes_can_be(0, BoxFormat::Corners, unit);
    let (relative, placed) = t.on_the_grid();
    match name {
        "yolo-v8" | "yolo-v8-transposed" | "yolo-v5" => {
            t.are_probabilities(4) && centre(BoxUnit::Pixels)
        }
        "yolox" => t.are_probabilities(4) && relative && !placed,
        "yolox-decoded" => t.are_probabilities(4) && centre(BoxUnit::Pixels) && placed,
        "deepstream" | "yolo-v10" => t.is_score(4) && t.is_class(5) && corners(BoxUnit::Pixels),
        "rt-detr-rows" => t.is_score(4) && t.is_class(5) && centre(BoxUnit::Normalized),
        "rt-detr" => t.are_probabilities(4) && centre(BoxUnit::Normalized),
        _ => true,
    }
}

fn is_probability(v: f64) -> bool {
    // NaN is none
    (-1e-3..=1.0 + 1e-3).contains(&v)
}

/// A row of values is a distribution.
pub(super) fn sums_to_one(values: &[f32]) -> bool {
    let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
    values.iter().all(|v| is_probability(f64::from(*v))) && (sum - 1.0).abs() < 1e-2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_head_may_have_some_boxes_without_a_size_and_no_other_may() {
        // 10 boxes of 5 columns, 3 of them with a negative width
        let rows = (0..10_u8).flat_map(|i| {
            let width = if i < 3 { -4.0 } else { 20.0 };
            [f32::from(i) * 9.0, 50.0, width, 10.0, 0.5]
        });
        let run = |values: Vec<f32>| RunOutput {
            dims: vec![1, 10, 5],
            values,
        };
        let said = run(rows.collect());
        let table = Table::of(Some(&said), false, (100, 100)).expect("a table");
        let (format, unit) = (BoxFormat::Centre, BoxUnit::Pixels);
        assert!(!table.boxes_can_be(0, format, unit));
        assert!(table.most_boxes_can_be(format, unit));
        let far = run(said.values.iter().map(|v| v * 10.0).collect());
        let table = Table::of(Some(&far), false, (100, 100)).expect("a table");
        assert!(!table.most_boxes_can_be(format, unit), "they lie elsewhere");
    }
}
