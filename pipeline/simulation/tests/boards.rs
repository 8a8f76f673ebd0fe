//! What is promised of drawn boards, over many designs and parts.

use proptest::prelude::*;
use sightline_domain::BoxView;
use sightline_simulation::boards::{
    Board, BoardSpec, CameraLook, Defect, DefectKind, DefectMix, Defects, EdgeLook, Look, Painter,
    Planner,
};

const SIDE: u32 = 320;

fn board(seed: u64) -> Board {
    Board::new(BoardSpec {
        width: SIDE,
        height: SIDE,
        seed,
    })
    .expect("in range")
}

fn golden(board: &Board) -> Vec<u8> {
    (0..SIDE)
        .flat_map(|y| board.golden_row(y).to_vec())
        .collect()
}

fn draw(
    board: &Board,
    seed: u64,
    defects: &[Defect],
    look: Look,
) -> (Vec<u8>, Vec<(DefectKind, BoxView)>) {
    let mut picture = vec![77u8; (SIDE * SIDE) as usize];
    let truth = Painter::default()
        .draw(board, seed, defects, &look, &mut picture, SIDE as usize)
        .expect("the picture fits");
    (
        picture,
        truth.iter().map(|t| (t.kind, t.bbox_view)).collect(),
    )
}

fn plan(board: &Board, seed: u64, count: usize) -> Defects {
    Planner::default().plan(board, seed, count, &DefectMix::default())
}

/// The rectangle of pixels that differ, `[x0, y0, x1, y1)`.
fn differing(a: &[u8], b: &[u8]) -> Option<[f32; 4]> {
    let mut found: Option<[f32; 4]> = None;
    for (i, _) in a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b) {
        let (x, y) = ((i as u32 % SIDE) as f32, (i as u32 / SIDE) as f32);
        let r = found.unwrap_or([x, y, x + 1.0, y + 1.0]);
        found = Some([
            r[0].min(x),
            r[1].min(y),
            r[2].max(x + 1.0),
            r[3].max(y + 1.0),
        ]);
    }
    found
}

fn is_inside(b: BoxView) -> bool {
    b.x >= 0.0 && b.y >= 0.0 && b.x + b.w <= SIDE as f32 && b.y + b.h <= SIDE as f32
}

/// Copper connected by 8-neighbours, numbered from 1 per pixel.
fn nets(picture: &[u8]) -> Vec<u32> {
    let side = SIDE as i32;
    let mut nets = vec![0u32; picture.len()];
    let mut count = 0;
    for start in 0..picture.len() {
        if picture[start] != 0 || nets[start] != 0 {
            continue;
        }
        count += 1;
        nets[start] = count;
        let mut open = vec![start as i32];
        while let Some(i) = open.pop() {
            for dy in -1..=1 {
                for dx in -1..=1 {
                    let (x, y) = (i % side + dx, i / side + dy);
                    let n = (y * side + x) as usize;
                    if (0..side).contains(&x)
                        && (0..side).contains(&y)
                        && picture[n] == 0
                        && nets[n] == 0
                    {
                        nets[n] = count;
                        open.push(n as i32);
                    }
                }
            }
        }
    }
    nets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_box_holds_exactly_what_its_defect_changed(seed in any::<u64>(), part in any::<u64>()) {
        let board = board(seed);
        let golden = golden(&board);
        let defects = plan(&board, part, 5);
        prop_assert!(!defects.is_empty());
        for defect in defects.iter() {
            let one = std::slice::from_ref(defect);
            let (picture, truth) = draw(&board, part, one, Look::TwoLevel(EdgeLook::exact()));
            let changed = differing(&picture, &golden).expect("a defect changes the picture");
            let b = truth[0].1;
            prop_assert!(is_inside(b), "{b:?}");
            // Ten pixels of margin as the annotators left, less only where the picture ends.
            let margin = [changed[0] - b.x, changed[1] - b.y, b.x + b.w - changed[2], b.y + b.h - changed[3]];
            let limit = |free: f32| free.min(10.0);
            let free = [changed[0], changed[1], SIDE as f32 - changed[2], SIDE as f32 - changed[3]];
            prop_assert_eq!(margin, free.map(limit), "{:?}", defect.kind);
            prop_assert!(b.w >= 20.0 && b.h >= 20.0);
        }
    }

    #[test]
    fn all_that_differs_on_an_exact_part_lies_in_some_box(seed in any::<u64>(), part in any::<u64>(), count in 0usize..9) {
        let board = board(seed);
        let (mut picture, truth) = draw(&board, part, &plan(&board, part, count), Look::TwoLevel(EdgeLook::exact()));
        let golden = golden(&board);
        prop_assert_eq!(differing(&picture, &golden).is_some(), count > 0);
        for (_, b) in &truth {
            for y in b.y as usize..(b.y + b.h) as usize {
                let row = y * SIDE as usize;
                let (x0, x1) = (row + b.x as usize, row + (b.x + b.w) as usize);
                picture[x0..x1].copy_from_slice(&golden[x0..x1]);
            }
        }
        prop_assert_eq!(differing(&picture, &golden), None);
    }

    #[test]
    fn defects_do_to_the_board_what_their_kind_says(seed in any::<u64>(), part in any::<u64>()) {
        let board = board(seed);
        let golden = golden(&board);
        let before = nets(&golden);
        for defect in plan(&board, part, 6).iter() {
            let (picture, _) = draw(&board, part, std::slice::from_ref(defect), Look::TwoLevel(EdgeLook::exact()));
            let after = nets(&picture);
            let changed: Vec<usize> = (0..picture.len()).filter(|&i| picture[i] != golden[i]).collect();
            let expected = if defect.kind.adds_copper() { 0 } else { 255 };
            prop_assert!(changed.iter().all(|&i| picture[i] == expected), "{:?}", defect.kind);
            // Nets of the old and of the new copper around the change.
            let around = |picture: &[u8], nets: &[u32]| {
                let near = changed.iter().flat_map(|&i| {
                    [-1i64, 0, 1].into_iter().flat_map(move |dy| [-1i64, 0, 1].map(|dx| i as i64 + dy * i64::from(SIDE) + dx))
                });
                let mut found: Vec<u32> = near.filter_map(|i| {
                    let i = usize::try_from(i).ok()?;
                    (*picture.get(i)? == 0).then(|| nets[i])
                }).collect();
                found.sort_unstable();
                found.dedup();
                found
            };
            let (old, new) = (around(&golden, &before), around(&picture, &after));
            match defect.kind {
                DefectKind::Short => {
                    // A third net may lie a pixel beside it.
                    prop_assert!(old.len() >= 2 && new.len() < old.len(), "a short joins two nets: {old:?}, {new:?}");
                }
                DefectKind::SpuriousCopper => prop_assert!(old.is_empty(), "spurious copper touches nothing"),
                DefectKind::Spur => prop_assert_eq!((old.len(), new.len()), (1, 1), "a spur is of one net"),
                DefectKind::PinHole => {
                    let side = SIDE as usize;
                    let ringed = |&i: &usize| (0..25).all(|k| golden[i + k / 5 * side + k % 5 - 2 * side - 2] == 0);
                    prop_assert!(changed.iter().all(ringed), "two pixels of copper all around a pin-hole");
                }
                DefectKind::Mousebite => prop_assert_eq!(old.len(), 1),
                // Cut here, though the net may be joined elsewhere: `Planner` proves the cut in a window.
                DefectKind::Open => prop_assert!(!old.is_empty() && !new.is_empty()),
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_bytes(seed in any::<u64>(), part in any::<u64>(), camera in any::<bool>()) {
        let look = if camera { Look::Camera(CameraLook::default()) } else { Look::default() };
        let (one, other) = (board(seed), board(seed));
        let first = draw(&one, part, &plan(&one, part, 3), look);
        let again = draw(&other, part, &plan(&other, part, 3), look);
        prop_assert_eq!(&first, &again);
        let (next, _) = draw(&one, part ^ 1, &plan(&one, part, 3), look);
        prop_assert!(next != first.0, "another part looks different");
    }

    #[test]
    fn a_good_part_differs_at_edges_only(seed in any::<u64>(), part in any::<u64>()) {
        let board = board(seed);
        let (picture, truth) = draw(&board, part, &[], Look::default());
        prop_assert!(truth.is_empty());
        let golden = golden(&board);
        let reach = EdgeLook::MAX_MISPLACEMENT_PX as i32 + 2;
        let near = |i: usize| {
            let (x, y) = (i as i32 % SIDE as i32, i as i32 / SIDE as i32);
            // At the border the edge may lie outside the picture.
            let border = [x, y, SIDE as i32 - 1 - x, SIDE as i32 - 1 - y].into_iter().min().unwrap_or(0) < reach;
            border || (-reach..=reach).any(|dy| (-reach..=reach).any(|dx| {
                golden[((y + dy) * SIDE as i32 + x + dx) as usize] == picture[i]
            }))
        };
        for i in 0..picture.len() {
            prop_assert!(picture[i] == golden[i] || near(i), "pixel {i} changed far from any edge");
        }
    }

    #[test]
    fn boxes_follow_the_part_in_every_look(seed in any::<u64>(), part in any::<u64>()) {
        let board = board(seed);
        let defects = plan(&board, part, 3);
        let still = CameraLook { noise_sigma: 0.0, ..CameraLook::default() };
        let rough = EdgeLook { misplacement_px: 1.0, ..EdgeLook::default() };
        for look in [Look::TwoLevel(rough), Look::Camera(still)] {
            let (with, truth) = draw(&board, part, &defects, look);
            let (without, _) = draw(&board, part, &[], look);
            prop_assert_eq!(truth.len(), defects.len());
            for (kind, b) in &truth {
                prop_assert!(is_inside(*b));
                let inside = |i: &usize| {
                    let (x, y) = ((*i as u32 % SIDE) as f32, (*i as u32 / SIDE) as f32);
                    x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h
                };
                let changed = (0..with.len()).filter(inside).filter(|&i| with[i] != without[i]).count();
                prop_assert!(changed >= 12, "{kind:?} changed {changed} pixels in its box");
            }
            let outside = (0..with.len()).filter(|&i| with[i].abs_diff(without[i]) > 40).filter(|&i| {
                let (x, y) = ((i as u32 % SIDE) as f32, (i as u32 / SIDE) as f32);
                !truth.iter().any(|(_, b)| x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h)
            }).count();
            prop_assert_eq!(outside, 0);
        }
    }
}

#[test]
fn all_kinds_come_and_boxes_are_as_large_as_in_the_data() {
    let mut seen = [0usize; 6];
    let mut sides = Vec::new();
    for seed in 0..24 {
        let board = Board::new(BoardSpec {
            width: 640,
            height: 640,
            seed,
        })
        .expect("in range");
        for part in 0..6 {
            for defect in plan(&board, part, 6).iter() {
                seen[defect.kind.class().index()] += 1;
                let b = defect.bbox_view(640, 640);
                sides.extend([b.w, b.h]);
            }
        }
    }
    let total: usize = seen.iter().sum();
    assert!(total > 800, "{seen:?}");
    assert!(
        seen.iter().all(|&n| n * 12 > total),
        "every kind has its share: {seen:?}"
    );
    sides.sort_by(f32::total_cmp);
    let median = sides[sides.len() / 2];
    assert!(
        (30.0..40.0).contains(&median),
        "median side {median}, in the data 34"
    );
    assert!(sides[0] >= 20.0 && sides[sides.len() - 1] <= 180.0);
}

#[test]
fn memory_too_small_is_refused_with_the_sizes() {
    let board = board(1);
    let mut small = vec![0u8; 100];
    let draw = Painter::default().draw(&board, 1, &[], &Look::default(), &mut small, SIDE as usize);
    let message = draw.expect_err("100 bytes hold no picture").to_string();
    assert!(message.contains("102400 bytes, found 100"), "{message}");
    assert!(
        Board::new(BoardSpec {
            width: 10,
            height: 640,
            seed: 1
        })
        .is_err()
    );
}

#[test]
fn bytes_beyond_the_rows_stay_untouched() {
    let board = board(2);
    let stride = SIDE as usize + 37;
    let mut picture = vec![91u8; stride * SIDE as usize];
    for look in [Look::default(), Look::Camera(CameraLook::default())] {
        Painter::default()
            .draw(&board, 3, &[], &look, &mut picture, stride)
            .expect("fits");
        assert!(
            picture
                .chunks(stride)
                .all(|row| row[SIDE as usize..].iter().all(|&v| v == 91))
        );
    }
}
