//! Which head an output's shape looks like.

use crate::bundle::DecoderKind;

/// What the shapes suggest.
pub(super) struct Guess {
    pub kind: DecoderKind,
    pub classes: usize,
    pub why: String,
}

/// Cells of the grids of strides 8, 16 and 32.
fn cells(width: i64, height: i64) -> i64 {
    [8, 16, 32].iter().map(|s| (width / s) * (height / s)).sum()
}

pub(super) fn guess(dims: &[i64], width: i64, height: i64) -> Option<Guess> {
    let cells = cells(width, height);
    let as_guess = |kind, classes: i64, why: String| {
        (1..=10_000).contains(&classes).then_some(Guess {
            kind,
            classes: classes as usize,
            why,
        })
    };
    match *dims {
        [_, classes] => as_guess(
            DecoderKind::Classifier,
            classes,
            format!("one row of {classes} values a picture"),
        ),
        [_, rows, 6] if (1..=1_000).contains(&rows) && rows != cells => Some(Guess {
            kind: DecoderKind::YoloV10,
            classes: 0,
            why: format!(
                "{rows} rows of 6: corners, score, class; the number of classes cannot be seen"
            ),
        }),
        [_, rows, boxes] if rows >= 5 && (boxes < 0 || boxes > rows) => as_guess(
            DecoderKind::YoloV8,
            rows - 4,
            format!("{rows} rows by {boxes} boxes: 4 and one a class"),
        ),
        [_, boxes, columns] if boxes == cells => as_guess(
            DecoderKind::YoloX,
            columns - 5,
            format!(
                "one box a grid cell, {columns} columns; if the export decodes its grid itself, write yolo-v5"
            ),
        ),
        [_, boxes, columns] if columns >= 6 && (boxes < 0 || boxes > columns) => as_guess(
            DecoderKind::YoloV5,
            columns - 5,
            format!("{boxes} boxes of {columns}: 4, objectness, and one a class"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_of(side: i64, dims: &[i64]) -> Option<(DecoderKind, usize)> {
        guess(dims, side, side).map(|g| (g.kind, g.classes))
    }

    #[test]
    fn each_usual_head_is_told_from_the_others() {
        assert_eq!(
            head_of(640, &[1, 84, 8400]),
            Some((DecoderKind::YoloV8, 80))
        );
        assert_eq!(head_of(640, &[-1, 10, -1]), Some((DecoderKind::YoloV8, 6)));
        assert_eq!(
            head_of(640, &[1, 25200, 85]),
            Some((DecoderKind::YoloV5, 80))
        );
        assert_eq!(head_of(640, &[1, 25200, 6]), Some((DecoderKind::YoloV5, 1)));
        assert_eq!(head_of(640, &[1, 8400, 85]), Some((DecoderKind::YoloX, 80)));
        assert_eq!(head_of(416, &[1, 3549, 85]), Some((DecoderKind::YoloX, 80)));
        assert_eq!(head_of(640, &[1, 300, 6]), Some((DecoderKind::YoloV10, 0)));
        assert_eq!(head_of(640, &[1, 6, 8400]), Some((DecoderKind::YoloV8, 2)));
        assert_eq!(
            head_of(224, &[-1, 1000]),
            Some((DecoderKind::Classifier, 1000))
        );
        assert_eq!(head_of(32, &[10, 1, 8, 8]), None);
    }
}
