//! What drawing costs: it runs beside the engines, so it must be small.

use criterion::{Criterion, criterion_group, criterion_main};
use sightline_simulation::boards::{
    Board, BoardSpec, CameraLook, DefectMix, EdgeLook, Look, Painter, Planner,
};
use std::hint::black_box;

fn drawing(c: &mut Criterion) {
    let spec = BoardSpec {
        width: 640,
        height: 640,
        seed: 3,
    };
    let board = Board::new(spec).expect("640 x 640 is in range");
    let (mut planner, mut painter) = (Planner::default(), Painter::default());
    let mut picture = vec![0u8; 640 * 640];
    let defects = planner.plan(&board, 5, 3, &DefectMix::default());
    let looks = [
        ("two-level exact", Look::TwoLevel(EdgeLook::exact())),
        ("two-level", Look::default()),
        ("camera", Look::Camera(CameraLook::default())),
    ];
    for (name, look) in looks {
        let mut seed = 0;
        c.bench_function(&format!("draw 640x640 {name}, 3 defects"), |b| {
            b.iter(|| {
                seed += 1;
                painter
                    .draw(&board, seed, &defects, &look, black_box(&mut picture), 640)
                    .expect("the picture fits")
            });
        });
    }
    let mut seed = 0;
    c.bench_function("plan 3 defects", |b| {
        b.iter(|| {
            seed += 1;
            planner.plan(&board, seed, 3, &DefectMix::default())
        });
    });
    c.bench_function("new 640x640 design", |b| {
        b.iter(|| {
            seed += 1;
            Board::new(BoardSpec { seed, ..spec }).expect("in range")
        });
    });
}

criterion_group!(benches, drawing);
criterion_main!(benches);
