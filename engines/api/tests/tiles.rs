//! What a faultless detector would say of tiles, put together: each defect once, where it is.

use proptest::prelude::*;
use sightline_configs::recipe::Tiles;
use sightline_domain::{BoxView, ClassId, Detection};
use sightline_engine::decode::MAX_CANDIDATES;
use sightline_engine::tiles::Seams;
use sightline_engine::{Outputs, Region};

fn edges(b: &BoxView) -> [f32; 4] {
    [b.x, b.y, b.x + b.w, b.y + b.h]
}

/// What a faultless detector says of each tile: every defect as far as the tile shows it.
fn seen(tiles: Tiles, size: (u32, u32), defects: &[BoxView]) -> (Vec<Region>, Outputs) {
    let places = tiles.places(size).map(|p| p.map(|v| v as f32));
    let regions: Vec<Region> = places
        .map(|[x, y, w, h]| Region {
            view: 0,
            crop: Some(BoxView { x, y, w, h }),
        })
        .collect();
    let mut outputs = Outputs::with_capacity(regions.len());
    outputs.reset(regions.len());
    for (region, output) in regions.iter().zip(outputs.iter_mut()) {
        let t = edges(&region.crop.unwrap());
        for (i, defect) in defects.iter().enumerate() {
            let d = edges(defect);
            let (x, y) = (d[0].max(t[0]), d[1].max(t[1]));
            let (w, h) = (d[2].min(t[2]) - x, d[3].min(t[3]) - y);
            if w > 0.0 && h > 0.0 {
                // a part is less sure
                let share = (w * h / defect.area()).sqrt();
                output.detections.push(Detection {
                    class: ClassId(0),
                    score: (0.9 - 0.01 * i as f32) * (0.6 + 0.4 * share),
                    bbox_view: BoxView { x, y, w, h },
                    area: None,
                    verifier: None,
                });
            }
        }
    }
    (regions, outputs)
}

fn joined(tiles: Tiles, size: (u32, u32), defects: &[BoxView]) -> Vec<Detection> {
    let (regions, mut answers) = seen(tiles, size, defects);
    Seams::default().join(&regions, 1, &mut answers);
    assert_eq!(answers.len(), 1);
    answers[0].detections.clone()
}

fn off(a: &BoxView, b: &BoxView) -> f32 {
    let pairs = edges(a).into_iter().zip(edges(b));
    pairs.map(|(p, q)| (p - q).abs()).fold(0.0, f32::max)
}

const TILES: Tiles = Tiles {
    width: 256,
    height: 192,
    overlap_px: 48,
};
const SIZE: (u32, u32) = (1_000, 700);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_defect_anywhere_is_found_once_within_a_pixel(
        x in 0f32..990.0, y in 0f32..690.0, w in 4f32..900.0, h in 4f32..600.0,
    ) {
        let b = BoxView { x, y, w, h }.clipped(SIZE.0, SIZE.1);
        prop_assume!(b.w >= 3.0 && b.h >= 3.0);
        let found = joined(TILES, SIZE, &[b]);
        prop_assert_eq!(found.len(), 1, "{:?}", found);
        prop_assert!(off(&found[0].bbox_view, &b) <= 1.0, "{:?} {:?}", found, b);
    }

    #[test]
    fn two_defects_that_lie_apart_are_two(
        x in 0f32..900.0, y in 0f32..600.0, w in 4f32..90.0, h in 4f32..90.0,
        dx in 8f32..40.0, right in any::<bool>(),
    ) {
        let one = BoxView { x, y, w, h }.clipped(SIZE.0, SIZE.1);
        let two = match right {
            true => BoxView { x: x + w + dx, ..one },
            false => BoxView { y: y + h + dx, ..one },
        }.clipped(SIZE.0, SIZE.1);
        prop_assume!(two.w >= 4.0 && two.h >= 4.0 && one.w >= 4.0 && one.h >= 4.0);
        let found = joined(TILES, SIZE, &[one, two]);
        prop_assert_eq!(found.len(), 2, "{:?}", found);
        for defect in [one, two] {
            prop_assert!(found.iter().any(|f| off(&f.bbox_view, &defect) <= 1.0), "{:?}", found);
        }
    }

    #[test]
    fn nothing_that_a_tile_found_is_lost_or_weakened(
        all in prop::collection::vec((0f32..990.0, 0f32..690.0, 4f32..300.0, 4f32..300.0), 0..40),
    ) {
        let defects: Vec<BoxView> = all
            .into_iter()
            .map(|(x, y, w, h)| BoxView { x, y, w, h }.clipped(SIZE.0, SIZE.1))
            .filter(|b| b.area() > 1.0)
            .collect();
        let (regions, mut answers) = seen(TILES, SIZE, &defects);
        let before: Vec<Detection> = answers.iter().flat_map(|a| a.detections.clone()).collect();
        Seams::default().join(&regions, 1, &mut answers);
        for piece in before {
            let stands = answers[0].detections.iter().any(|f| {
                let b = f.bbox_view;
                let p = piece.bbox_view;
                let w = (b.x + b.w).min(p.x + p.w) - b.x.max(p.x);
                let h = (b.y + b.h).min(p.y + p.h) - b.y.max(p.y);
                // an edge that was seen twice may move by three pixels
                f.score >= piece.score && w > -3.0 && h > -3.0
            });
            prop_assert!(stands, "{:?} is gone", piece);
        }
    }
}

#[test]
fn a_line_scan_full_of_noise_is_put_together_in_bounded_time() {
    let tiles = Tiles {
        width: 640,
        height: 640,
        overlap_px: 64,
    };
    let (regions, mut answers) = seen(tiles, (8_192, 20_000), &[]);
    for (region, answer) in regions.iter().zip(answers.iter_mut()) {
        let at = region.crop.unwrap();
        answer.detections.extend((0..300).map(|n| Detection {
            class: ClassId(n % 3),
            score: f32::from(n) / 300.0,
            bbox_view: BoxView {
                x: at.x + f32::from(n),
                y: at.y + f32::from(n * 2),
                w: 30.0,
                h: 20.0,
            },
            area: None,
            verifier: None,
        }));
        answer.dropped_nonfinite = 1;
    }
    let start = std::time::Instant::now();
    Seams::default().join(&regions, 1, &mut answers);
    assert!(answers[0].detections.len() <= MAX_CANDIDATES);
    assert_eq!(answers[0].dropped_nonfinite, 525);
    assert_eq!(
        answers[0].dropped_excess as usize,
        525 * 300 - MAX_CANDIDATES
    );
    assert!(start.elapsed().as_secs_f64() < 5.0);
}

#[test]
fn views_without_tiles_keep_their_answers_beside_one_with() {
    let (mut regions, with) = seen(
        TILES,
        SIZE,
        &[BoxView {
            x: 240.0,
            y: 10.0,
            w: 30.0,
            h: 9.0,
        }],
    );
    regions.iter_mut().for_each(|r| r.view = 1);
    regions.insert(
        0,
        Region {
            view: 0,
            crop: None,
        },
    );
    regions.push(Region {
        view: 2,
        crop: None,
    });
    let mut answers = Outputs::default();
    answers.reset(regions.len());
    for (i, answer) in with.iter().enumerate() {
        answers[i + 1] = answer.clone();
    }
    answers[0].dropped_nonfinite = 7;
    let last = answers.len() - 1;
    answers[last].dropped_nonfinite = 9;
    Seams::default().join(&regions, 3, &mut answers);
    assert_eq!(answers.len(), 3);
    assert_eq!(
        (answers[0].dropped_nonfinite, answers[2].dropped_nonfinite),
        (7, 9)
    );
    assert_eq!(answers[1].detections.len(), 1);
}
