//! Small parts to build plans, triggers and answers of.

use sightline_configs::recipe::Combine;
use sightline_domain::result::{ModelRef, RecipeRef, StagesUs};
use sightline_domain::{
    BoxView, CameraId, ClassId, Detection, FrameId, FrameMeta, Generation, Health, MonoTime,
    PixelFormat, Severity, Timing, TrackId, Trigger, UtcMicros, ViewId, ViewTag,
};
use sightline_verdict::{
    Answer, InspectionPlan, Judge, PlannedClass, PlannedModel, PlannedView, Task,
};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-31T08:00:00Z.
pub const UTC_START: i64 = 1_769_846_400_000_000;

pub fn ms(ms: u64) -> MonoTime {
    MonoTime(ms * 1_000_000)
}

pub fn class(code: &str, score_limit: f32, count: u32) -> PlannedClass {
    PlannedClass {
        code: code.to_owned(),
        name_en: format!("{code} circuit"),
        severity: Severity::Critical,
        score_limit,
        min_area_px: 0.0,
        max_area_px: None,
        count,
    }
}

/// A detector of the classes `open` (limit 0.5) and `spur` (limit 0.5, fails at two).
pub fn detector() -> PlannedModel {
    PlannedModel {
        name: "pcb".to_owned(),
        refs: vec![ModelRef {
            name: "pcb-detector".to_owned(),
            version: "0.1.0".to_owned(),
            digest: "ab".repeat(32),
            engine: "scripted/fp32".to_owned(),
        }],
        task: Task::Detect,
        classes: vec![class("open", 0.5, 1), class("spur", 0.5, 2)],
        verifier: None,
    }
}

/// A classifier of `good` (allowed) and `bad`, both at 0.6.
pub fn classifier() -> PlannedModel {
    PlannedModel {
        task: Task::Classify,
        classes: vec![class("good", 0.6, 0), class("bad", 0.6, 1)],
        ..detector()
    }
}

pub fn view(index: usize) -> PlannedView {
    PlannedView {
        name: format!("face{}", index + 1),
        camera: CameraId(index as u16),
        camera_name: format!("cam{}", index + 1),
        model: 0,
        offset: Duration::ZERO,
        window: Duration::from_millis(20),
        size: None,
        frame_per_trigger: true,
        tiles: None,
        include: Vec::new(),
        exclude: Vec::new(),
        reference: None,
    }
}

/// `views` views, each of its own camera, deadline 100 ms.
pub fn plan_of(model: PlannedModel, views: usize, combine: Combine) -> Arc<InspectionPlan> {
    Arc::new(InspectionPlan {
        generation: Generation(1),
        recipe: RecipeRef {
            external_id: "MES-7".to_owned(),
            internal_id: "board".to_owned(),
            version: "3".to_owned(),
            hash: "cd".repeat(32),
        },
        product_id: Some("board-a".to_owned()),
        deadline: Duration::from_millis(100),
        views: (0..views).map(view).collect(),
        models: vec![model],
        combine,
        challenge: None,
    })
}

pub fn plan(views: usize) -> Arc<InspectionPlan> {
    plan_of(detector(), views, Combine::AnyFails)
}

pub fn trigger(track: u64, at: MonoTime) -> Trigger {
    Trigger {
        track_id: TrackId(track),
        part_id: None,
        at,
        at_utc: UtcMicros(UTC_START + (at.0 / 1_000) as i64),
        encoder: None,
        timing: Timing::default(),
    }
}

pub fn tag(track: u64, view: u16) -> ViewTag {
    ViewTag {
        track_id: TrackId(track),
        view: ViewId(view),
        generation: Generation(1),
        deadline: MonoTime(0),
        enqueued: MonoTime(0),
    }
}

pub fn frame(camera: u16, health: Health) -> FrameMeta {
    FrameMeta {
        camera: CameraId(camera),
        frame_id: FrameId(77),
        captured: ms(3),
        captured_utc: UtcMicros(UTC_START + 3_000),
        timing: Timing::default(),
        numbered: true,
        width: 640,
        height: 480,
        format: PixelFormat::Gray8,
        levels: sightline_domain::Levels::default(),
        layout: PixelFormat::Gray8.default_layout(640, 480),
        health,
        host_copies: 0,
    }
}

pub fn finding(class: u16, score: f32) -> Detection {
    Detection {
        class: ClassId(class),
        score,
        bbox_view: BoxView {
            x: 100.0,
            y: 50.0,
            w: 20.0,
            h: 10.0,
        },
        area: None,
        verifier: None,
    }
}

pub fn answer(detections: &[Detection]) -> Answer<'_> {
    Answer {
        detections,
        ..Answer::default()
    }
}

/// Gives the judge a healthy view with these findings.
pub fn see(judge: &mut Judge, track: u64, view: u16, detections: &[Detection], now: MonoTime) {
    judge.seen(
        &tag(track, view),
        &frame(view, Health::Ok),
        answer(detections),
        StagesUs::default(),
        now,
    );
}
