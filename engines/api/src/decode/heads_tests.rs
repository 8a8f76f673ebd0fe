//! The heads that name their columns and outputs, against what was written by hand, and against values no sound model gives.

use super::{Decoder, OutputView};
use crate::RegionOutput;
use crate::bundle::{Activation, Background, BoxFormat, BoxUnit, Channel, Color, Column};
use crate::bundle::{DecoderKind, DecoderSpec, Dtype, InputSpec, Layout, OutputNames, Resize};
use crate::preprocess::Placement;
use sightline_domain::{BoxView, ViewToTensor};

const SIDE: f32 = 64.0;

fn decoder(change: impl FnOnce(&mut DecoderSpec), kind: DecoderKind) -> Decoder {
    let mut spec = DecoderSpec {
        score_floor: 0.25,
        iou_threshold: 1.0,
        boxes: Some(BoxFormat::Corners),
        unit: Some(BoxUnit::Pixels),
        ..DecoderSpec::of(kind)
    };
    change(&mut spec);
    let input = InputSpec {
        name: "images".into(),
        width: SIDE as u32,
        height: SIDE as u32,
        layout: Layout::Nchw,
        dtype: Dtype::F32,
        color: Color::Gray,
        scale: 1.0,
        mean: vec![0.0],
        std: vec![1.0],
        resize: Resize::Stretch,
        resize_to: None,
        antialias: false,
        pad_value: 114,
        channels: vec![Channel::Image],
    };
    Decoder::of(&spec, &input, 2)
}

fn run(d: &mut Decoder, outputs: &[(&[f32], &[usize])]) -> RegionOutput {
    let views: Vec<OutputView<'_>> = outputs
        .iter()
        .map(|&(values, dims)| OutputView { values, dims })
        .collect();
    let placed = Placement {
        map: ViewToTensor {
            scale_x: 1.0,
            scale_y: 1.0,
            offset_x: 0.0,
            offset_y: 0.0,
        },
        bounds: BoxView {
            x: 0.0,
            y: 0.0,
            w: SIDE,
            h: SIDE,
        },
    };
    let mut out = RegionOutput::default();
    d.decode_all(&views, &placed, &mut out).expect("it fits");
    out
}

fn first(out: &RegionOutput) -> (u16, f32, [f32; 4]) {
    let d = out.detections.first().expect("a finding");
    let b = d.bbox_view;
    (d.class.0, d.score, [b.x, b.y, b.w, b.h])
}

fn rows(columns: &[Column]) -> Decoder {
    let columns = columns.to_vec();
    decoder(|s| s.columns = columns, DecoderKind::Rows)
}

#[test]
fn rows_are_read_by_their_columns() {
    let mut plain = rows(&[Column::Box, Column::Score, Column::Class]);
    let out = run(&mut plain, &[(&[8.0, 16.0, 24.0, 40.0, 0.9, 1.0], &[1, 6])]);
    assert_eq!(first(&out), (1, 0.9, [8.0, 16.0, 16.0, 24.0]));
    let order = [Column::Picture, Column::Box, Column::Class, Column::Score];
    let mut yolo_v7 = rows(&order);
    let out = run(
        &mut yolo_v7,
        &[(&[0.0, 8.0, 16.0, 24.0, 40.0, 1.0, 0.9], &[1, 7])],
    );
    assert_eq!(first(&out), (1, 0.9, [8.0, 16.0, 16.0, 24.0]));
    // no rows at all is a picture without findings
    assert!(run(&mut yolo_v7, &[(&[], &[0, 7])]).detections.is_empty());
    let other_picture = run(
        &mut yolo_v7,
        &[(&[1.0, 8.0, 16.0, 24.0, 40.0, 1.0, 0.9], &[1, 7])],
    );
    assert_eq!(other_picture.dropped_nonfinite, 1);
}

#[test]
fn what_a_row_may_not_say_is_counted_and_padding_is_not() {
    let mut d = rows(&[Column::Box, Column::Score, Column::Class]);
    let good = [8.0, 16.0, 24.0, 40.0, 0.9, 1.0];
    for (at, value) in [
        (4, f32::NAN),
        (0, f32::INFINITY),
        (4, 1.5),
        (4, -0.5),
        (5, 2.0),
        (5, -1.0),
        (5, 0.5),
        // the right edge left of the left one, the lower one above the upper one, no size
        (2, 4.0),
        (3, 4.0),
        (2, 8.0),
        // outside of the picture
        (0, 1e9),
        (2, -1e9),
    ] {
        let mut row = good;
        row[at] = value;
        let out = run(&mut d, &[(&row, &[1, 6])]);
        assert_eq!(
            (out.detections.len(), out.dropped_nonfinite),
            (0, 1),
            "{row:?}"
        );
    }
    let far = run(
        &mut d,
        &[(&[100.0, 100.0, 120.0, 120.0, 0.9, 1.0], &[1, 6])],
    );
    assert_eq!((far.detections.len(), far.dropped_nonfinite), (0, 1));
    for padding in [[0.0; 6], [-1.0; 6], [0.0, 0.0, 0.0, 0.0, 0.01, 77.0]] {
        let out = run(&mut d, &[(&padding, &[1, 6])]);
        assert_eq!(
            (out.detections.len(), out.dropped_nonfinite),
            (0, 0),
            "{padding:?}"
        );
    }
}

#[test]
fn boxes_and_scores_come_apart_or_side_by_side_as_logits_or_not() {
    let logit = |p: f32| (p / (1.0 - p)).ln();
    let apart = |s: &mut DecoderSpec| {
        s.boxes = Some(BoxFormat::Centre);
        s.unit = Some(BoxUnit::Normalized);
        s.activation = Some(Activation::Sigmoid);
        s.outputs = Some(OutputNames {
            boxes: "b".into(),
            scores: Some("s".into()),
            labels: None,
            masks: None,
        });
    };
    let bbox = [0.25, 0.4375, 0.25, 0.375];
    let scores = [logit(0.1), logit(0.9)];
    let mut sigmoid = decoder(apart, DecoderKind::BoxesScores);
    let out = run(&mut sigmoid, &[(&bbox, &[1, 4]), (&scores, &[1, 2])]);
    let (class, score, found) = first(&out);
    assert_eq!((class, found), (1, [8.0, 16.0, 16.0, 24.0]));
    assert!((score - 0.9).abs() < 1e-6);
    // both classes of one query are told, the better one first
    let scores = [logit(0.7), logit(0.9)];
    let out = run(&mut sigmoid, &[(&bbox, &[1, 4]), (&scores, &[1, 2])]);
    let classes: Vec<u16> = out.detections.iter().map(|d| d.class.0).collect();
    assert_eq!(classes, [1, 0]);

    let mut softmax = decoder(
        |s| {
            apart(s);
            s.activation = Some(Activation::Softmax);
            s.background = Some(Background::Last);
        },
        DecoderKind::BoxesScores,
    );
    let logs = [0.1_f32.ln(), 0.6_f32.ln(), 0.3_f32.ln()];
    let out = run(&mut softmax, &[(&bbox, &[1, 4]), (&logs, &[1, 3])]);
    assert!((first(&out).1 - 0.6).abs() < 1e-6);
    // nothing is the likeliest
    let nothing = [-1e4, -1e4, 1e4];
    let out = run(&mut softmax, &[(&bbox, &[1, 4]), (&nothing, &[1, 3])]);
    assert_eq!((out.detections.len(), out.dropped_nonfinite), (0, 0));

    let mut beside = decoder(
        |s| s.activation = Some(Activation::None),
        DecoderKind::BoxesScores,
    );
    let out = run(
        &mut beside,
        &[(&[8.0, 16.0, 24.0, 40.0, 0.1, 0.9], &[1, 6])],
    );
    assert_eq!(first(&out), (1, 0.9, [8.0, 16.0, 16.0, 24.0]));
    let out = run(
        &mut beside,
        &[(&[8.0, 16.0, 24.0, 40.0, 0.1, 2.9], &[1, 6])],
    );
    assert_eq!(out.dropped_nonfinite, 1);
}

#[test]
fn class_numbers_may_start_at_one_and_rows_must_be_as_many() {
    let names = OutputNames {
        boxes: "b".into(),
        scores: Some("s".into()),
        labels: Some("l".into()),
        masks: None,
    };
    let mut torch = decoder(
        |s| {
            s.outputs = Some(names);
            s.background = Some(Background::First);
        },
        DecoderKind::BoxesLabels,
    );
    let bbox = [8.0, 16.0, 24.0, 40.0];
    let out = run(
        &mut torch,
        &[(&bbox, &[1, 4]), (&[2.0], &[1]), (&[0.9], &[1])],
    );
    assert_eq!(first(&out), (1, 0.9, [8.0, 16.0, 16.0, 24.0]));
    // class 0 is the background, which is never found
    let out = run(
        &mut torch,
        &[(&bbox, &[1, 4]), (&[0.0], &[1]), (&[0.9], &[1])],
    );
    assert_eq!(out.dropped_nonfinite, 1);
    let uneven = [
        OutputView {
            values: &bbox,
            dims: &[1, 4],
        },
        OutputView {
            values: &[1.0, 1.0],
            dims: &[2],
        },
        OutputView {
            values: &[0.9],
            dims: &[1],
        },
    ];
    let placed = Placement {
        map: ViewToTensor {
            scale_x: 1.0,
            scale_y: 1.0,
            offset_x: 0.0,
            offset_y: 0.0,
        },
        bounds: BoxView {
            x: 0.0,
            y: 0.0,
            w: SIDE,
            h: SIDE,
        },
    };
    assert!(
        torch
            .decode_all(&uneven, &placed, &mut RegionOutput::default())
            .is_err()
    );
    assert!(
        torch
            .decode_all(&uneven[..2], &placed, &mut RegionOutput::default())
            .is_err()
    );
}

#[test]
fn one_value_is_the_second_of_two_classes() {
    let mut d = decoder(
        |s| s.activation = Some(Activation::Sigmoid),
        DecoderKind::Classifier,
    );
    let out = run(&mut d, &[(&[0.0], &[1, 1, 1])]);
    assert_eq!(out.class_scores, [0.5, 0.5]);
    let mut d = decoder(
        |s| s.activation = Some(Activation::None),
        DecoderKind::Classifier,
    );
    assert_eq!(run(&mut d, &[(&[0.75], &[1])]).class_scores, [0.25, 0.75]);
    assert_eq!(run(&mut d, &[(&[f32::NAN], &[1])]).dropped_nonfinite, 1);
}
