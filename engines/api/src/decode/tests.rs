//! Heads against layouts written out by hand, and outputs that no sane model gives.

use super::{Decoder, MAX_CANDIDATES, OutputView};
use crate::RegionOutput;
use crate::bundle::{Activation, Channel, Color, DecoderKind, DecoderSpec, Dtype, InputSpec};
use crate::bundle::{Layout, Resize};
use crate::preprocess::Placement;
use proptest::prelude::*;
use sightline_domain::{BoxView, ViewToTensor};
use std::time::Instant;

fn decoder(kind: DecoderKind, classes: usize) -> Decoder {
    let spec = DecoderSpec {
        score_floor: 0.25,
        activation: (kind == DecoderKind::Classifier).then_some(Activation::Softmax),
        ..DecoderSpec::of(kind)
    };
    let input = InputSpec {
        name: "images".into(),
        width: 64,
        height: 64,
        layout: Layout::Nchw,
        dtype: Dtype::F32,
        color: Color::Gray,
        scale: 1.0,
        mean: vec![0.0],
        std: vec![1.0],
        resize: Resize::Letterbox,
        resize_to: None,
        antialias: false,
        pad_value: 114,
        channels: vec![Channel::Image],
    };
    Decoder::of(&spec, &input, classes)
}

/// A 128 x 64 view letterboxed into 64 x 64: half size, 16 rows of padding above.
fn placed() -> Placement {
    Placement {
        map: ViewToTensor {
            scale_x: 0.5,
            scale_y: 0.5,
            offset_x: 0.0,
            offset_y: 16.0,
        },
        bounds: BoxView {
            x: 0.0,
            y: 0.0,
            w: 128.0,
            h: 64.0,
        },
    }
}

fn decode(d: &mut Decoder, values: &[f32], dims: &[usize]) -> RegionOutput {
    let mut out = RegionOutput::default();
    d.decode(values, dims, &placed(), &mut out)
        .expect("it fits");
    out
}

fn summary(out: &RegionOutput) -> Vec<(u16, f32, [f32; 4])> {
    let row = |d: &sightline_domain::Detection| {
        let b = d.bbox_view;
        (d.class.0, d.score, [b.x, b.y, b.w, b.h])
    };
    out.detections.iter().map(row).collect()
}

/// `[cx, cy, w, h, scores…]` rows turned into v8's columns.
fn columns(rows: &[Vec<f32>]) -> Vec<f32> {
    let mut values = Vec::new();
    for row in 0..rows[0].len() {
        values.extend(rows.iter().map(|r| r[row]));
    }
    values
}

#[test]
fn v8_boxes_come_back_in_view_pixels_by_falling_score_and_without_doubles() {
    let rows = [
        vec![20.0, 30.0, 10.0, 10.0, 0.1, 0.6],
        // the same object again, a little stronger
        vec![20.5, 30.0, 10.0, 10.0, 0.1, 0.7],
        // another class in the same place stays
        vec![20.0, 30.0, 10.0, 10.0, 0.5, 0.2],
        vec![50.0, 30.0, 10.0, 10.0, 0.1, 0.2],
        // half outside
        vec![0.0, 30.0, 10.0, 10.0, 0.9, 0.2],
    ];
    let out = decode(
        &mut decoder(DecoderKind::YoloV8, 2),
        &columns(&rows),
        &[6, 5],
    );
    assert_eq!(
        summary(&out),
        [
            (0, 0.9, [0.0, 18.0, 10.0, 20.0]),
            (1, 0.7, [31.0, 18.0, 20.0, 20.0]),
            (0, 0.5, [30.0, 18.0, 20.0, 20.0]),
        ]
    );
    assert_eq!((out.dropped_nonfinite, out.dropped_excess), (0, 0));
}

#[test]
fn merged_boxes_are_the_mean_by_scores_of_what_would_have_gone() {
    let rows = [
        vec![20.0, 30.0, 10.0, 10.0, 0.3, 0.0],
        vec![21.0, 30.0, 10.0, 12.0, 0.9, 0.0],
        // overlaps the one that goes, not the one that stays
        vec![17.0, 30.0, 10.0, 10.0, 0.28, 0.0],
        // another class moves nobody
        vec![23.0, 30.0, 10.0, 10.0, 0.0, 0.8],
    ];
    let mut decoder = decoder(DecoderKind::YoloV8, 2);
    decoder.spec.merge = true;
    let out = decode(&mut decoder, &columns(&rows), &[6, 4]);
    // (0.9 * 21 + 0.3 * 20) / 1.2 = 20.75, (0.9 * 12 + 0.3 * 10) / 1.2 = 11.5; half size, 16 rows above
    assert_eq!(
        summary(&out),
        [
            (0, 0.9, [31.5, 16.5, 20.0, 23.0]),
            (1, 0.8, [36.0, 18.0, 20.0, 20.0]),
            (0, 0.28, [24.0, 18.0, 20.0, 20.0]),
        ]
    );
}

#[test]
fn each_class_of_an_anchor_above_the_floor_is_told_and_suppressed_by_itself() {
    let rows = [
        vec![20.0, 30.0, 10.0, 10.0, 0.9, 0.6],
        // of the first class no more than the same again, of the second the better one
        vec![20.5, 30.0, 10.0, 10.0, 0.5, 0.7],
    ];
    let wanted = [
        (0, 0.9, [30.0, 18.0, 20.0, 20.0]),
        (1, 0.7, [31.0, 18.0, 20.0, 20.0]),
    ];
    let v8 = decode(
        &mut decoder(DecoderKind::YoloV8, 2),
        &columns(&rows),
        &[6, 2],
    );
    assert_eq!(summary(&v8), wanted);
    let with_objectness: Vec<f32> = rows
        .iter()
        .flat_map(|r| [r[0], r[1], r[2], r[3], 1.0, r[4], r[5]])
        .collect();
    let mut v5 = decoder(DecoderKind::YoloV5, 2);
    assert_eq!(summary(&decode(&mut v5, &with_objectness, &[2, 7])), wanted);
    // one class that is no number takes no other with it, and the anchor is counted
    let half = [vec![20.0, 30.0, 10.0, 10.0, f32::INFINITY, 0.6]];
    let v8 = decode(
        &mut decoder(DecoderKind::YoloV8, 2),
        &columns(&half),
        &[6, 1],
    );
    assert_eq!((v8.detections.len(), v8.dropped_nonfinite), (1, 1));
}

#[test]
fn boxes_where_none_can_be_are_shown_with_their_values() {
    let said = |rows: &[Vec<f32>]| {
        let mut d = decoder(DecoderKind::YoloV8, 1);
        let out = decode(&mut d, &columns(rows), &[5, rows.len()]);
        out.doubt(|_| 0.5).unwrap_or_default()
    };
    let good = vec![20.0, 30.0, 10.0, 10.0, 0.9];
    assert_eq!(said(std::slice::from_ref(&good)), "");
    let far = said(&[good.clone(), vec![900.0, 30.0, 10.0, 10.0, 0.3]]);
    assert!(
        far.contains("left 895.00") && far.contains("outside of it"),
        "{far}"
    );
    let fractions = vec![0.4, 0.5, 0.2, 0.2, 0.9];
    let corner = said(std::slice::from_ref(&fractions));
    assert!(corner.contains("fractions taken for pixels"), "{corner}");
    assert!(
        corner.contains("left 0.30, top 0.40, 0.20 wide"),
        "{corner}"
    );
    // below the limit, or beside others that lie where boxes lie, nobody is told of the corner
    assert_eq!(said(&[vec![0.4, 0.5, 0.2, 0.2, 0.3]]), "");
    let border = said(&[good, vec![40.0, 8.0, 6.0, 6.0, 0.6]]);
    assert!(
        border.contains("on the border beside the picture"),
        "{border}"
    );
}

#[test]
fn v5_scores_are_objectness_times_class() {
    let values = [
        [20.0, 30.0, 10.0, 10.0, 0.5, 0.9, 0.8],
        [50.0, 30.0, 10.0, 10.0, 0.2, 1.0, 1.0],
        [50.0, 30.0, 10.0, 10.0, 0.4, 0.5, 0.6],
    ];
    let mut d = decoder(DecoderKind::YoloV5, 2);
    let out = decode(&mut d, values.as_flattened(), &[3, 7]);
    let bbox = [30.0, 18.0, 20.0, 20.0];
    assert_eq!(summary(&out), [(0, 0.45, bbox), (1, 0.4, bbox)]);
}

#[test]
fn v10_rows_are_corners_and_are_not_suppressed() {
    let values = [
        [15.0, 25.0, 25.0, 35.0, 0.9, 1.0],
        [15.0, 25.0, 25.0, 35.0, 0.8, 1.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        // no such class
        [15.0, 25.0, 25.0, 35.0, 0.7, 2.0],
    ];
    let mut d = decoder(DecoderKind::YoloV10, 2);
    let out = decode(&mut d, values.as_flattened(), &[4, 6]);
    let bbox = [30.0, 18.0, 20.0, 20.0];
    assert_eq!(summary(&out), [(1, 0.9, bbox), (1, 0.8, bbox)]);
    assert_eq!(out.dropped_nonfinite, 1);
}

#[test]
fn yolox_cells_are_decoded_on_their_grids() {
    let mut values = vec![0.0; 84 * 6];
    let mut set = |place: usize, row: [f32; 6]| {
        values[place * 6..place * 6 + 6].copy_from_slice(&row);
    };
    // stride 8, column 3, row 2; then stride 16, column 1, row 3; then stride 32, column 1, row 0
    set(2 * 8 + 3, [0.5, 0.5, 0.0, 0.0, 0.9, 1.0]);
    set(64 + 3 * 4 + 1, [0.0, -0.5, 0.0, 0.0, 0.8, 1.0]);
    set(64 + 16 + 1, [0.25, 0.5, 2.0_f32.ln(), 0.0, 0.7, 1.0]);
    let out = decode(&mut decoder(DecoderKind::YoloX, 1), &values, &[84, 6]);
    let boxes = summary(&out);
    assert_eq!(boxes.len(), 3);
    assert_eq!(boxes[0].2, [48.0, 0.0, 16.0, 16.0]);
    assert_eq!(boxes[1].2, [16.0, 32.0, 32.0, 32.0]);
    // centre 40, 16, size 64 x 32 in the tensor: cut at the view's left and top
    assert_eq!(boxes[2].2, [16.0, 0.0, 112.0, 32.0]);
}

#[test]
fn a_classifier_gives_probabilities_also_of_large_logits() {
    let mut d = decoder(DecoderKind::Classifier, 3);
    let out = decode(&mut d, &[1_000.0, 999.0, -1_000.0], &[3]);
    let e = 1.0_f32.exp();
    assert!((out.class_scores[0] - e / (1.0 + e)).abs() < 1e-6);
    assert!((out.class_scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    assert_eq!(out.best_class().map(|(c, _)| c.0), Some(0));
    let bad = decode(&mut d, &[f32::NAN, 1.0, f32::INFINITY], &[3]);
    assert_eq!((bad.dropped_nonfinite, bad.best_class()), (2, None));
}

#[test]
fn scores_that_are_no_probabilities_are_found_and_coordinates_are_not_mistaken_for_them() {
    let rows = [
        vec![20.0, 30.0, 10.0, 10.0, 0.1, 1.0],
        vec![50.0, 30.0, 10.0, 10.0, -7.5, 0.0],
    ];
    let range = |d: &Decoder, values: &[f32], dims: &[usize]| {
        d.out_of_range(&[OutputView { values, dims }])
    };
    let v8 = decoder(DecoderKind::YoloV8, 2);
    assert_eq!(range(&v8, &columns(&rows), &[6, 2]), Some(-7.5));
    assert_eq!(range(&v8, &columns(&rows[..1]), &[6, 1]), None);
    let row = [20.0, 30.0, 10.0, 10.0, 3.0, 0.5];
    let v5 = decoder(DecoderKind::YoloV5, 1);
    assert_eq!(range(&v5, &row, &[1, 6]), Some(3.0));
    assert_eq!(range(&v5, &rows[0], &[1, 6]), None);
    let v10 = decoder(DecoderKind::YoloV10, 80);
    assert_eq!(range(&v10, &row, &[1, 6]), Some(3.0));
    assert_eq!(range(&v10, &[1.0, 2.0, 3.0, 4.0, 0.5, 70.0], &[1, 6]), None);
    // softmax takes any number
    assert_eq!(
        range(&decoder(DecoderKind::Classifier, 1), &[9.0], &[1]),
        None
    );
}

#[test]
fn outputs_of_another_shape_are_refused_with_both_sides() {
    let mut d = decoder(DecoderKind::YoloV8, 2);
    let mut out = RegionOutput::default();
    let error = d
        .decode(&[0.0; 35], &[7, 5], &placed(), &mut out)
        .expect_err("7 rows are 3 classes");
    assert_eq!(
        error.to_string(),
        "decoder yolo-v8 expects [N, 6, A]: 4 and 2 classes, found [1, 7, 5]"
    );
    assert!(d.fits(&[-1, 6, -1]).is_ok() && d.fits(&[1, 84, 8400]).is_err());
    assert!(d.decode(&[0.0; 29], &[6, 5], &placed(), &mut out).is_err());
    assert!(decoder(DecoderKind::YoloX, 80).fits(&[1, 85, 85]).is_err());
    assert!(decoder(DecoderKind::YoloX, 80).fits(&[1, 84, 85]).is_ok());
}

#[test]
fn not_a_number_anywhere_is_counted_and_never_a_finding() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in 0..6 {
            let mut row = vec![20.0, 30.0, 10.0, 10.0, 0.1, 0.6];
            row[at] = bad;
            let good = vec![50.0, 30.0, 10.0, 10.0, 0.6, 0.1];
            let rows = [row.clone(), good];
            let v8 = decode(
                &mut decoder(DecoderKind::YoloV8, 2),
                &columns(&rows),
                &[6, 2],
            );
            assert_eq!(v8.dropped_nonfinite, 1, "v8 {bad} at {at}");
            let finite = |d: &sightline_domain::Detection| d.bbox_view.area().is_finite();
            assert!(v8.detections.iter().all(finite), "{bad} at {at}");
            let v5 = decode(&mut decoder(DecoderKind::YoloV5, 1), &row, &[1, 6]);
            assert_eq!((v5.dropped_nonfinite, v5.detections.len()), (1, 0));
            let v10 = decode(&mut decoder(DecoderKind::YoloV10, 1), &row, &[1, 6]);
            assert_eq!((v10.dropped_nonfinite, v10.detections.len()), (1, 0));
        }
    }
}

#[test]
fn a_hundred_thousand_boxes_are_bounded_in_time_and_counted() {
    let rows: Vec<Vec<f32>> = (0..100_000)
        .map(|i| {
            let (x, y) = ((i % 317) as f32 * 0.2, (i / 317) as f32 * 0.1 + 16.0);
            vec![x, y, 0.3, 0.3, 0.3 + (i % 7_919) as f32 * 8e-5]
        })
        .collect();
    let values = columns(&rows);
    let mut d = decoder(DecoderKind::YoloV8, 1);
    let start = Instant::now();
    let out = decode(&mut d, &values, &[5, 100_000]);
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    assert_eq!(out.dropped_excess as usize, 100_000 - MAX_CANDIDATES);
    assert_eq!(out.detections.len(), 300);
    assert!(out.detections.is_sorted_by(|a, b| a.score >= b.score));
    assert_eq!(out, decode(&mut d, &values, &[5, 100_000]));
}

proptest! {
    /// Suppression against the textbook: sort all, take the best, strike what overlaps it, repeat.
    #[test]
    fn suppression_is_the_textbooks(
        boxes in prop::collection::vec((8f32..56.0, 20f32..44.0, 1f32..20.0, 1f32..20.0, 0u8..3, 0u8..5, 0u8..5), 0..60),
    ) {
        let rows: Vec<Vec<f32>> = boxes
            .iter()
            .map(|&(x, y, w, h, class, level, second)| {
                let mut row = vec![x, y, w, h, 0.0, 0.0, 0.0];
                // few levels, so that ties are common
                row[4 + usize::from(class)] = f32::from(level) * 0.2 + 0.05;
                row[4 + usize::from(class + 1) % 3] = f32::from(second) * 0.2 + 0.05;
                row
            })
            .collect();
        prop_assume!(!rows.is_empty());
        let out = decode(&mut decoder(DecoderKind::YoloV8, 3), &columns(&rows), &[7, rows.len()]);
        let edges = |r: &[f32]| [r[0] - r[2] / 2.0, r[1] - r[3] / 2.0, r[0] + r[2] / 2.0, r[1] + r[3] / 2.0];
        let overlap = |a: &[f32], b: &[f32]| {
            let (p, q) = (edges(a), edges(b));
            let w = (p[2].min(q[2]) - p[0].max(q[0])).max(0.0);
            let h = (p[3].min(q[3]) - p[1].max(q[1])).max(0.0);
            w * h / (a[2] * a[3] + b[2] * b[3] - w * h)
        };
        let mut open: Vec<(usize, usize, f32)> = (0..rows.len())
            .flat_map(|i| (0..3).map(move |c| (i, c)))
            .map(|(i, c)| (i, c, rows[i][4 + c]))
            .filter(|r| r.2 >= 0.25)
            .collect();
        open.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        let mut kept = Vec::new();
        while let Some(best) = (!open.is_empty()).then(|| open.remove(0)) {
            open.retain(|o| o.1 != best.1 || overlap(&rows[o.0], &rows[best.0]) <= 0.5);
            kept.push((best.1 as u16, best.2));
        }
        let got: Vec<(u16, f32)> = out.detections.iter().map(|d| (d.class.0, d.score)).collect();
        prop_assert_eq!(got, kept);
    }
}

proptest! {
    /// Whatever a network says, nothing panics, and what is found lies in the view with a score of 0 to 1.
    #[test]
    fn any_bits_decode_to_findings_inside_the_view(
        kind in prop::sample::select(&[DecoderKind::YoloV5, DecoderKind::YoloV8, DecoderKind::YoloV10, DecoderKind::YoloX][..]),
        bits in prop::collection::vec(prop_oneof![any::<u32>(), (0f32..64.0).prop_map(f32::to_bits), (0f32..1.0).prop_map(f32::to_bits)], 84 * 6),
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        // one class in YOLOv5 and YOLOX, two in YOLOv8, any in YOLOv10
        let (classes, dims) = match kind {
            DecoderKind::YoloV8 => (2, [6, 84]),
            _ => (1, [84, 6]),
        };
        let out = decode(&mut decoder(kind, classes), &values, &dims);
        for d in &out.detections {
            let b = d.bbox_view;
            prop_assert!((0.0..=1.0).contains(&d.score) && d.class.index() < classes);
            prop_assert!(b.x >= 0.0 && b.y >= 0.0 && b.x + b.w <= 128.001 && b.y + b.h <= 64.001, "{b:?}");
        }
    }
}
