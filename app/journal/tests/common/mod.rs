//! A journal in a folder of its own, and results to put into it.

#![allow(dead_code, reason = "each test file uses its part of this")]

pub mod small_disk;

use bytes::Bytes;
use sightline_domain::result::{
    DetectionResult, ModelRef, RESULT_SCHEMA, RecipeRef, StagesUs, Times, ViewResult,
};
use sightline_domain::{
    BoxView, Disposition, DispositionReason, Evaluation, Health, InspectionResult, MissReason,
    MockClock, MonoTime, ResultState, Severity, UtcMicros,
};
use sightline_journal::{Journal, JournalSettings};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::{Builder, Uuid};

/// 2026-01-31T08:00:00Z.
pub const START: UtcMicros = UtcMicros(1_769_846_400_000_000);
/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn clock() -> Arc<MockClock> {
    Arc::new(MockClock::new(MonoTime(0), START))
}

pub fn settings(folder: &Path) -> JournalSettings {
    JournalSettings {
        folder: folder.to_path_buf(),
        marker: None,
        boot_id: Uuid::from_u128(7),
        clock: clock(),
        deliver: true,
        commit_every: Duration::from_millis(5),
        queue: 10_000,
        queue_bytes: 64 << 20,
        keep: Duration::from_secs(90 * 86_400),
        max_bytes: 1 << 40,
        check_at_most: PATIENCE,
    }
}

pub fn open(folder: &Path) -> Journal {
    Journal::open(settings(folder)).expect("a journal")
}

/// The time of result `seq`: ten a second from [`START`].
pub fn decided(seq: u64) -> UtcMicros {
    UtcMicros(START.0 + seq as i64 * 100_000)
}

/// An OK part with four views, as the demo's line makes them.
pub fn good(seq: u64) -> InspectionResult {
    let at = decided(seq).to_rfc3339();
    let view = |n: u64| ViewResult {
        view: format!("face{n}"),
        camera: format!("cam{n}"),
        frame_id: Some(seq * 4 + n),
        captured_at: Some(at.clone()),
        health: Some(Health::Ok),
        detections: Vec::new(),
        fault: None,
        missed: None,
    };
    InspectionResult {
        schema: RESULT_SCHEMA.into(),
        event_id: event_id(seq),
        seq,
        boot_id: Uuid::from_u128(7),
        station: "station1".into(),
        track_id: seq,
        part_id: None,
        job_id: None,
        product_id: Some("demo-board".into()),
        recipe: RecipeRef {
            external_id: "demo-board".into(),
            internal_id: "demo-board".into(),
            version: "1".into(),
            hash: format!("{:064x}", 0x1234_5678_9abc_u64 * 77),
        },
        configuration_hash: format!("{:064x}", u64::MAX / 3),
        generation: 1,
        models: vec![ModelRef {
            name: "board-yolox".into(),
            version: "1.0.0".into(),
            digest: format!("{:064x}", u64::MAX / 7),
            engine: "onnx-cpu/int8".into(),
        }],
        result_state: ResultState::Complete,
        evaluation: Evaluation::OK,
        disposition: Disposition::Pass,
        disposition_reason: DispositionReason::Verdict,
        challenge: None,
        is_simulated: true,
        views: (1..=4).map(view).collect(),
        times: Times {
            trigger: at.clone(),
            first_frame: Some(at.clone()),
            decided: at.clone(),
            deadline: at,
            margin_ms: 400.0 - (seq % 97) as f64 / 8.0,
            stages_us: StagesUs {
                capture: 1_000 + seq * 7 % 900,
                batch_wait: seq * 13 % 2_000,
                queue: seq * 17 % 400,
                preprocess: 500 + seq * 3 % 100,
                infer: 40_000 + seq * 31 % 5_000,
                postprocess: 100 + seq % 50,
                judge: seq % 30,
                ..StagesUs::default()
            },
        },
        evidence: Vec::new(),
        correction: 0,
        replayed: false,
    }
}

/// A UUIDv7 of the result's time and number.
pub fn event_id(seq: u64) -> Uuid {
    let mut random = [0; 10];
    // Spread over all bits, as random ones are: they do not compress.
    let spread = u128::from(seq + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    random.copy_from_slice(&spread.to_be_bytes()[..10]);
    Builder::from_unix_timestamp_millis(decided(seq).0 as u64 / 1_000, &random).into_uuid()
}

/// A part with two defects of one class on one camera.
pub fn bad(seq: u64, class: &str, camera: usize) -> InspectionResult {
    let mut result = good(seq);
    (result.evaluation, result.disposition) = (Evaluation::NotOK, Disposition::Reject);
    let finding = |i: u64| DetectionResult {
        class: class.into(),
        code: class.to_uppercase(),
        severity: Severity::Major,
        score: 0.5 + (seq * 37 % 400) as f32 / 1_000.0,
        area_px: None,
        contour_px: Vec::new(),
        bbox_px: BoxView {
            x: (seq * 7 % 600) as f32,
            y: (i * 50) as f32,
            w: 20.5,
            h: 10.25,
        },
        counted: true,
    };
    result.views[camera - 1].detections = vec![finding(1), finding(2)];
    result
}

/// A part one of whose views never came.
pub fn missed(seq: u64, camera: usize) -> InspectionResult {
    let mut result = good(seq);
    result.evaluation = Evaluation::NotDecidable;
    result.disposition = Disposition::Reject;
    result.disposition_reason = DispositionReason::MissedAcq;
    let view = &mut result.views[camera - 1];
    (view.frame_id, view.captured_at, view.health) = (None, None, None);
    view.missed = Some(MissReason::NotArrived);
    result
}

pub fn json(result: &InspectionResult) -> Bytes {
    serde_json::to_vec(result).expect("JSON").into()
}

pub fn submit(journal: &Journal, result: &InspectionResult) {
    journal.submit(result, json(result)).expect("room");
}
