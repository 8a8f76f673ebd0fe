//! What a part costs at 640x640, per mode: already aligned, and moved. The picture is drawn by the tests' own board.

#[path = "../tests/scene/mod.rs"]
mod scene;

use criterion::{Criterion, criterion_group, criterion_main};
use scene::{Board, Pose, STRAIGHT};
use sightline_registration::{Mode, Registrar};
use std::hint::black_box;

fn register(criterion: &mut Criterion) {
    let board = Board::new(640, 3);
    let golden = board.seen(STRAIGHT);
    let pose = |dx_px, dy_px, rotation_deg| Pose {
        dx_px,
        dy_px,
        rotation_deg,
    };
    let cases = [
        (Mode::Translation, "aligned", STRAIGHT),
        (Mode::Translation, "7.3 px off", pose(7.3, -4.6, 0.0)),
        (Mode::Euclidean, "aligned", STRAIGHT),
        (
            Mode::Euclidean,
            "7.3 px and 1 degree off",
            pose(7.3, -4.6, 1.0),
        ),
        (
            Mode::Affine,
            "7.3 px and 1 degree off",
            pose(7.3, -4.6, 1.0),
        ),
    ];
    let mut group = criterion.benchmark_group("register 640x640");
    for (mode, name, pose) in cases {
        let part = board.seen(pose);
        let mut out = vec![0; golden.bytes.len()];
        let mut registrar =
            Registrar::new(golden.view(), mode, 16.0, 2.0, 0.5).expect("the board has structure");
        group.bench_function(format!("{mode:?}, {name}"), |bencher| {
            bencher.iter(|| {
                registrar
                    .register(black_box(part.view()), &mut out)
                    .expect("found")
            });
        });
    }
}

criterion_group!(benches, register);
criterion_main!(benches);
