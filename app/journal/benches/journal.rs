//! Commits a second, results read back a second, and bytes a stored result.
//!
//! `cargo bench -p sightline-journal`; the folder is under `TMPDIR`, so name a disk there, not a tmpfs.

#[path = "../tests/common/mod.rs"]
mod common;

use bytes::Bytes;
use common::*;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sightline_domain::InspectionResult;
use std::hint::black_box;

/// Results a sample.
const RESULTS: u64 = 20_000;

/// As a line makes them: one in ten has defects.
fn made(count: u64) -> Vec<(InspectionResult, Bytes)> {
    let one = |seq| match seq % 10 {
        0 => bad(seq, "open", 1 + (seq / 10 % 4) as usize),
        _ => good(seq),
    };
    let all = (1..=count).map(one);
    all.map(|r| {
        let json = json(&r);
        (r, json)
    })
    .collect()
}

fn journal(criterion: &mut Criterion) {
    let results = made(RESULTS);
    let bytes: usize = results.iter().map(|(_, json)| json.len()).sum();
    let fill = |folder: &std::path::Path| {
        let mut settings = settings(folder);
        settings.queue = RESULTS as usize;
        settings.queue_bytes = 1 << 30;
        let journal = sightline_journal::Journal::open(settings).expect("a journal");
        for (result, json) in &results {
            journal.submit(result, json.clone()).expect("room");
        }
        assert!(journal.flush(PATIENCE));
        journal
    };
    let folder = tempfile::tempdir().expect("scratch");
    let journal = fill(folder.path());
    let reader = journal.reader().expect("a reader");
    let stored = reader.stat().expect("figures").bytes;
    println!(
        "bytes a result: {} as JSON, {} in the file with everything",
        bytes as u64 / RESULTS,
        stored / RESULTS
    );

    let mut group = criterion.benchmark_group("journal");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(RESULTS));
    group.bench_function("commit 20,000 results, synchronous", |b| {
        b.iter_batched(
            || tempfile::tempdir().expect("scratch"),
            |folder| {
                drop(fill(folder.path()));
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("read 20,000 results back", |b| {
        b.iter(|| {
            let mut last = 0;
            while let Some(newest) = reader.results_after(last, 256).expect("results").last() {
                last = black_box(newest).seq;
            }
            assert_eq!(last, RESULTS);
        });
    });
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
