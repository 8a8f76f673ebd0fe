//! The last parts as people look at them, with pictures of what was rejected, within a budget of memory.

use crate::previews::{Kept, Previews};
use crate::reject_pictures::Pictures;
use sightline_domain::result::ViewResult;
use sightline_domain::{CameraId, Disposition, Health, InspectionResult, UtcMicros};
use sightline_wire::preview::Judged;
use sightline_wire::snapshot::{Finding, PartCard, ViewCard};
use std::collections::VecDeque;

/// Parts shown on the line's screen.
const LAST: usize = 12;
/// Rejected parts with pictures, at most.
const PICTURED: usize = 500;
/// Parts a minute that can be counted.
const MINUTE: usize = 20_000;

/// The memory. What is to outlive the station is in the journal and in the reject pictures.
pub struct RecentParts {
    cameras: Vec<String>,
    picture_bytes: usize,
    budget: usize,
    last: VecDeque<PartCard>,
    /// With the results' numbers, newest first.
    pictures: VecDeque<(u64, Pictures)>,
    /// When the parts of the last minute were decided, newest first.
    minute: VecDeque<UtcMicros>,
    pub streak: u32,
}

impl RecentParts {
    /// For cameras of these names, with `budget` bytes of pictures.
    pub fn new(cameras: Vec<String>, budget: usize) -> Self {
        Self {
            cameras,
            picture_bytes: 0,
            budget,
            last: VecDeque::new(),
            pictures: VecDeque::new(),
            minute: VecDeque::new(),
            streak: 0,
        }
    }

    /// A part was decided. On the flow's result thread: copies small pictures, waits for nothing. Gives back the pictures
    /// of a rejected part.
    pub fn told(&mut self, result: &InspectionResult, previews: &Previews) -> Option<Pictures> {
        let mut card = card(result);
        if result.correction > 0 {
            let told = self.last.iter_mut().find(|c| c.event_id == card.event_id);
            if let Some(told) = told {
                (told.disposition, told.reason) = (card.disposition, card.reason);
            }
            return None;
        }
        let rejected = card.disposition == Disposition::Reject;
        self.streak = if rejected { self.streak + 1 } else { 0 };
        self.minute.truncate(MINUTE - 1);
        self.minute.push_front(card.decided);
        let mut pictures = Vec::new();
        for (view, shown) in result.views.iter().zip(&mut card.views) {
            let camera = self.cameras.iter().position(|c| *c == view.camera);
            let (Some(camera), Some(frame_id)) = (camera, view.frame_id) else {
                pictures.push(None);
                continue;
            };
            let camera = CameraId(camera as u16);
            let judged = Judged {
                track: result.track_id,
                evaluation: result.evaluation,
                findings: shown.findings.clone(),
            };
            previews.judge(camera, frame_id, &judged);
            let kept = (rejected && is_why(view)).then(|| previews.keep(camera, frame_id));
            let kept = kept.flatten();
            shown.has_picture = kept.is_some();
            pictures.push(kept);
        }
        let pictures = pictures.iter().any(Option::is_some).then(|| {
            let pictures = Pictures::from(pictures);
            self.keep(card.seq, pictures.clone());
            pictures
        });
        self.last.truncate(LAST - 1);
        self.last.push_front(card);
        pictures
    }

    fn keep(&mut self, seq: u64, pictures: Pictures) {
        self.picture_bytes += bytes(&pictures);
        self.pictures.push_front((seq, pictures));
        // The oldest go first.
        while self.pictures.len() > PICTURED || self.picture_bytes > self.budget {
            let Some((_, oldest)) = self.pictures.pop_back() else {
                break;
            };
            self.picture_bytes -= bytes(&oldest);
        }
    }

    /// The last parts, newest first.
    pub fn last(&self) -> Vec<PartCard> {
        self.last.iter().cloned().collect()
    }

    /// The kept pictures of a part, one a view.
    pub fn pictures(&self, seq: u64) -> Option<Pictures> {
        let found = self.pictures.iter().find(|(of, _)| *of == seq);
        found.map(|(_, pictures)| pictures.clone())
    }

    /// Parts a minute over the last minute (or since the start, if that is shorter).
    pub fn per_minute(&mut self, now: UtcMicros, uptime_s: f32) -> f32 {
        let minute_ago = now.0 - 60_000_000;
        while self.minute.back().is_some_and(|at| at.0 <= minute_ago) {
            self.minute.pop_back();
        }
        self.minute.len() as f32 * 60.0 / uptime_s.clamp(1.0, 60.0)
    }
}

fn bytes(views: &[Option<Kept>]) -> usize {
    views.iter().flatten().map(|p| p.bytes.len()).sum()
}

/// Whether a view is why its part was rejected.
fn is_why(view: &ViewResult) -> bool {
    view.detections.iter().any(|d| d.counted) || view.health.is_some_and(|h| h != Health::Ok)
}

/// A result as people look at it, without pictures.
pub fn card(result: &InspectionResult) -> PartCard {
    let finding = |d: &sightline_domain::result::DetectionResult| Finding {
        class: d.class.clone(),
        severity: d.severity,
        score: d.score,
        bbox: d.bbox_px,
        contour: d.contour_px.clone(),
        counted: d.counted,
    };
    let view = |v: &ViewResult| ViewCard {
        view: v.view.clone(),
        camera: v.camera.clone(),
        health: v.health,
        missed: v.missed,
        fault: v.fault.clone(),
        findings: v.detections.iter().map(finding).collect(),
        has_picture: false,
    };
    let at = |text: &str| UtcMicros::from_rfc3339(text).unwrap_or(UtcMicros(0));
    let (trigger, decided) = (at(&result.times.trigger), at(&result.times.decided));
    PartCard {
        seq: result.seq,
        event_id: result.event_id.to_string(),
        track: result.track_id,
        part_id: result.part_id.clone(),
        recipe: format!("{} {}", result.recipe.external_id, result.recipe.version),
        decided,
        evaluation: result.evaluation,
        disposition: result.disposition,
        reason: result.disposition_reason,
        took_ms: (decided.0 - trigger.0) as f32 / 1e3,
        margin_ms: result.times.margin_ms as f32,
        views: result.views.iter().map(view).collect(),
        overruled: None,
    }
}
