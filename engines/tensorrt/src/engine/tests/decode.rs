//! The decoding kernels' text against the CPU decoders, on the same tensors: the same findings, bit by bit.

use super::rig::manifest;
use crate::device::scripted::host_kernels;
use crate::device::{Grid, Kernel};
use crate::engine::{Head, Network, read_findings};
use crate::kernels::{DecodeParams, DevicePlacement, findings_bytes};
use proptest::prelude::*;
use sightline_domain::{BoxView, ViewToTensor};
use sightline_engine::bundle::Manifest;
use sightline_engine::decode::Decoder;
use sightline_engine::preprocess::Placement;
use sightline_engine::{EngineError, RegionOutput};

const PLACED: Placement = Placement {
    map: ViewToTensor {
        scale_x: 0.5,
        scale_y: 0.7,
        offset_x: 3.0,
        offset_y: -2.0,
    },
    bounds: BoxView {
        x: 5.0,
        y: 6.0,
        w: 50.0,
        h: 40.0,
    },
};

fn on_the_host(manifest: &Manifest, dims: &[usize], values: &[f32], threads: u32) -> RegionOutput {
    let network = Network::new(manifest.input.clone(), false, dims.to_vec(), (1, true), 0);
    let Head::Device {
        params,
        max_detections,
    } = Head::of(manifest, &network)
    else {
        panic!("a detecting head")
    };
    let rows = params.rows as usize;
    let keys = rows * params.class_count as usize;
    let (mut keys, mut boxes) = (vec![0_u64; keys], vec![0_u64; 2 * rows]);
    let mut counts = [0_u32; 2];
    let placement = DevicePlacement::from(&PLACED);
    let mut findings = vec![0_u64; findings_bytes(max_detections) / 8];
    let params = DecodeParams {
        values: values.as_ptr() as u64,
        keys: keys.as_mut_ptr() as u64,
        boxes: boxes.as_mut_ptr() as u64,
        counts: counts.as_mut_ptr() as u64,
        placements: &raw const placement as u64,
        findings: findings.as_mut_ptr() as u64,
        ..*params
    };
    let grid = Grid {
        blocks: [1, 1],
        threads: [1, 1],
    };
    let bytes = bytemuck::bytes_of(&params);
    host_kernels().launch(Kernel::Candidates, grid, bytes);
    host_kernels().launch_with(Kernel::Suppress, grid, bytes, threads);
    assert_eq!(counts, [0, 0], "the counters are left as they were found");
    let mut output = RegionOutput::default();
    let read: Result<(), EngineError> = read_findings(bytemuck::cast_slice(&findings), &mut output);
    read.expect("sound findings");
    output
}

fn on_the_cpu(manifest: &Manifest, dims: &[usize], values: &[f32]) -> RegionOutput {
    let mut output = RegionOutput::default();
    let mut decoder = Decoder::new(manifest);
    decoder
        .decode(values, dims, &PLACED, &mut output)
        .expect("a sound output");
    // for people who prove a model, which is done with the decoders
    output.stray = None;
    output
}

/// Scores that often tie, boxes that often overlap, and now and then no number.
fn tensor(head: &str, rows: usize, seed: u64, bad: bool) -> (Vec<usize>, Vec<f32>) {
    let classes = super::rig::CLASSES;
    let columns = match head {
        "yolo-v8" => 4 + classes,
        "yolo-v10" => 6,
        _ => 5 + classes,
    };
    let mut state = seed | 1;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let mut value = |row: usize, column: usize| {
        let v = match (head, column) {
            ("yolox", 2 | 3) => next() * 4.0 - 1.0,
            ("yolox", 0 | 1) => next() * 4.0,
            ("yolo-v10", 2 | 3) => 20.0 + next() * 30.0,
            ("yolo-v10", 5) => (next() * 3.2).floor(),
            (_, 0..=3) => next() * 36.0,
            _ => (next() * 40.0).round() / 40.0,
        };
        match (bad, (row * 31 + column * 7 + seed as usize % 97) % 211) {
            (true, 0) => f32::NAN,
            (true, 1) => f32::INFINITY,
            _ => v,
        }
    };
    if head == "yolo-v8" {
        let values = (0..columns)
            .flat_map(|c| (0..rows).map(move |r| (r, c)))
            .map(|(r, c)| value(r, c));
        (vec![columns, rows], values.collect())
    } else {
        let values = (0..rows)
            .flat_map(|r| (0..columns).map(move |c| (r, c)))
            .map(|(r, c)| value(r, c));
        (vec![rows, columns], values.collect())
    }
}

fn check(head: &str, merge: bool, rows: usize, seed: u64, bad: bool, threads: u32, most: usize) {
    let mut manifest = manifest(head, "gray", "letterbox", "[\"image\"]");
    (manifest.decoder.max_detections, manifest.decoder.merge) = (most, merge);
    // 40 x 32: 25 cells of strides 8, 16, 32
    let rows = if head == "yolox" { 25 } else { rows };
    let (dims, values) = tensor(head, rows, seed, bad);
    let got = on_the_host(&manifest, &dims, &values, threads);
    let want = on_the_cpu(&manifest, &dims, &values);
    if head == "yolox" || merge {
        // two libraries' exponentials differ in the last bit, and so do sums in another order
        assert_eq!(got.detections.len(), want.detections.len());
        for (got, want) in got.detections.iter().zip(&want.detections) {
            let (g, w) = (got.bbox_view, want.bbox_view);
            let apart = [g.x - w.x, g.y - w.y, g.w - w.w, g.h - w.h];
            assert!(apart.iter().all(|d| d.abs() < 1e-3), "{got:?} for {want:?}");
            assert_eq!((got.class, got.score), (want.class, want.score));
        }
        assert_eq!(
            (got.dropped_nonfinite, got.dropped_excess),
            (want.dropped_nonfinite, want.dropped_excess)
        );
    } else {
        assert_eq!(got, want, "{head}, {rows} rows, seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn kernels_and_decoders_find_the_same(
        head in prop::sample::select(&["yolo-v8", "yolo-v5", "yolo-v10", "yolox"][..]),
        merge in any::<bool>(),
        rows in 1_usize..600,
        seed in any::<u64>(),
        bad in any::<bool>(),
        most in prop::sample::select(&[1_usize, 6, 300][..]),
    ) {
        check(head, merge, rows, seed, bad, 1, most);
    }
}

#[test]
fn a_block_of_several_threads_finds_the_same() {
    for seed in 0..6 {
        let head = ["yolo-v8", "yolo-v5", "yolo-v10"][seed as usize % 3];
        let merge = seed >= 3;
        check(
            head,
            merge,
            20 + 40 * seed as usize,
            seed,
            seed % 2 == 0,
            3,
            6,
        );
    }
}

#[test]
fn a_flood_is_cut_to_the_same_best_candidates() {
    for (head, rows) in [("yolo-v8", 4_097), ("yolo-v5", 8_400), ("yolo-v10", 12_000)] {
        check(head, false, rows, 42, false, 1, 100);
    }
}
