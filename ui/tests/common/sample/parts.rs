//! Parts, their pictures, and figures over them.

use super::NOW;
use sightline_domain::{
    BoxView, Disposition, DispositionReason, Evaluation, Health, MissReason, Severity, UtcMicros,
};
use sightline_wire::ask::QualityFacts;
use sightline_wire::preview::{Judged, Pixels};
use sightline_wire::snapshot::*;
use sightline_wire::*;

/// Traces of a board in grey, and a box where a defect is.
pub fn preview(camera: u16, side: u16, bad: bool) -> Preview {
    let side = side.clamp(8, 640);
    let level = |i: usize| {
        let (x, y) = (i % usize::from(side), i / usize::from(side));
        let unit = usize::from(side).div_ceil(24).max(1);
        let (u, v) = (x / unit, y / unit + usize::from(camera));
        if (u + v / 3) % 5 < 2 || (v % 7 == 0 && u % 11 > 3) {
            205
        } else {
            52
        }
    };
    let finding = Finding {
        class: "open circuit".into(),
        severity: Severity::Critical,
        score: 0.93,
        contour: Vec::new(),
        bbox: BoxView {
            x: 250.0,
            y: 300.0,
            w: 60.0,
            h: 46.0,
        },
        counted: true,
    };
    let judged = Judged {
        track: 1_203,
        evaluation: if bad {
            Evaluation::NotOK
        } else {
            Evaluation::OK
        },
        findings: if bad { vec![finding] } else { Vec::new() },
    };
    let head = PreviewHead {
        camera,
        frame_id: 7,
        captured: NOW,
        width: side,
        height: side,
        view_width: 640,
        view_height: 640,
        pixels: Pixels::Gray,
        health: if camera == 3 {
            Health::TooDark
        } else {
            Health::Ok
        },
        judged: Some(judged),
    };
    let bytes = (0..head.bytes()).map(level).collect();
    Preview { head, bytes }
}

pub fn part(seq: u64, class: Option<&str>) -> PartCard {
    let view = |i: usize| ViewCard {
        view: format!("face{}", i + 1),
        camera: format!("cam{}", i + 1),
        health: Some(Health::Ok),
        missed: (class.is_none() && i == 3).then_some(MissReason::CameraDown),
        fault: None,
        findings: (class.into_iter().filter(|_| i < 2))
            .map(|class| Finding {
                class: class.into(),
                severity: Severity::Critical,
                score: 0.9 - 0.2 * i as f32,
                contour: Vec::new(),
                bbox: BoxView::default(),
                counted: true,
            })
            .collect(),
        has_picture: i < 2,
    };
    PartCard {
        seq,
        event_id: format!("0195-{seq}"),
        track: seq,
        part_id: seq.is_multiple_of(2).then(|| format!("SN-{seq:06}")),
        recipe: "DEMO-BOARD 3".into(),
        decided: UtcMicros(NOW.0 - seq as i64 * 1_000_000),
        evaluation: class.map_or(Evaluation::NotDecidable, |_| Evaluation::NotOK),
        disposition: Disposition::Reject,
        reason: DispositionReason::Verdict,
        took_ms: 96.0,
        margin_ms: 704.0,
        views: (0..4).map(view).collect(),
        overruled: (seq == 1_199).then_some(true),
    }
}

pub fn rejects() -> Vec<PartCard> {
    let classes = [
        Some("open circuit"),
        Some("mouse bite"),
        None,
        Some("short circuit"),
    ];
    (0..14)
        .map(|i| part(1_203 - i, classes[i as usize % 4]))
        .collect()
}

pub fn quality() -> QualityFacts {
    QualityFacts {
        parts: 4_210,
        pareto: [
            ("open circuit", 61),
            ("mouse bite", 34),
            ("short circuit", 21),
            ("missed:camera_down", 8),
            ("spur", 3),
        ]
        .map(|(c, n)| (c.to_owned(), n))
        .to_vec(),
        trend: (0..20)
            .map(|i| (57 - i * 3, 210, 6 + (i * 7) % 11))
            .collect(),
        scores: [
            ("open circuit", [0, 0, 0, 0, 3, 5, 9, 14, 38, 92]),
            ("mouse bite", [0, 0, 0, 0, 8, 12, 9, 6, 11, 4]),
            ("short circuit", [0, 0, 0, 0, 0, 1, 1, 4, 7, 12]),
        ]
        .map(|(class, tenths)| (class.to_owned(), tenths))
        .to_vec(),
        times: [120, 3_600, 420, 60, 8, 2, 0, 0, 0, 0],
        sampled: 500,
        rejects_reviewed: (31, 4),
        passes_reviewed: (12, 1),
    }
}
