//! The last parts as people look at them, with pictures of what was rejected, within a budget of memory.

use super::previews::{Kept, Previews};
use sightline_model::result::ViewResult;
use sightline_model::{CameraId, Disposition, Health, InspectionResult, UtcMicros};
use sightline_wire::ask::QualityFacts;
use sightline_wire::preview::Judged;
use sightline_wire::snapshot::{Finding, PartCard, ViewCard};
use std::collections::VecDeque;

/// Parts shown on the line's screen.
const LAST: usize = 12;
/// Rejected parts kept.
const REJECTS: usize = 500;
/// Parts counted in the figures.
const COUNTED: usize = 50_000;

/// A rejected part and its pictures, one a view, where one is kept.
struct Reject {
    card: PartCard,
    pictures: Vec<Option<Kept>>,
}

/// A part as the figures need it.
struct Counted {
    decided: UtcMicros,
    rejected: bool,
    /// Share of the deadline that it took.
    took: f32,
    /// Classes that failed it, as indexes of [`Parts::classes`], and the scores of its findings.
    classes: Vec<u16>,
    scores: Vec<f32>,
}

/// The memory.
pub struct Parts {
    cameras: Vec<String>,
    picture_bytes: usize,
    budget: usize,
    last: VecDeque<PartCard>,
    rejects: VecDeque<Reject>,
    counted: VecDeque<Counted>,
    classes: Vec<String>,
    pub streak: u32,
}

impl Parts {
    /// For cameras of these names, with `budget` bytes of pictures.
    pub fn new(cameras: Vec<String>, budget: usize) -> Self {
        Self {
            cameras,
            picture_bytes: 0,
            budget,
            last: VecDeque::new(),
            rejects: VecDeque::new(),
            counted: VecDeque::new(),
            classes: Vec::new(),
            streak: 0,
        }
    }

    /// A part was decided. On the flow's result thread: copies small pictures, waits for nothing.
    pub fn told(
        &mut self,
        result: &InspectionResult,
        deadline_ms: f32,
        now: UtcMicros,
        previews: &Previews,
    ) {
        let mut card = card(result, deadline_ms, now);
        let rejected = card.disposition == Disposition::Reject;
        self.streak = if rejected { self.streak + 1 } else { 0 };
        self.count(&card, deadline_ms);
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
        if rejected {
            self.keep(card.clone(), pictures);
        }
        self.last.truncate(LAST - 1);
        self.last.push_front(card);
    }

    fn keep(&mut self, card: PartCard, pictures: Vec<Option<Kept>>) {
        self.picture_bytes += pictures
            .iter()
            .flatten()
            .map(|p| p.bytes.len())
            .sum::<usize>();
        self.rejects.push_front(Reject { card, pictures });
        self.rejects.truncate(REJECTS);
        // The oldest pictures go first.
        for reject in self.rejects.iter_mut().rev() {
            if self.picture_bytes <= self.budget {
                break;
            }
            for (picture, view) in reject.pictures.iter_mut().zip(&mut reject.card.views) {
                self.picture_bytes -= picture.take().map_or(0, |p| p.bytes.len());
                view.has_picture = false;
            }
        }
    }

    fn count(&mut self, card: &PartCard, deadline_ms: f32) {
        let mut classes = Vec::new();
        let mut scores = Vec::new();
        for (_, finding) in card.causes() {
            scores.push(finding.score);
            let known = self.classes.iter().position(|c| *c == finding.class);
            let index = known.unwrap_or_else(|| {
                self.classes.push(finding.class.clone());
                self.classes.len() - 1
            }) as u16;
            if !classes.contains(&index) {
                classes.push(index);
            }
        }
        self.counted.truncate(COUNTED - 1);
        self.counted.push_front(Counted {
            decided: card.decided,
            rejected: card.disposition == Disposition::Reject,
            took: card.took_ms / deadline_ms.max(1.0),
            classes,
            scores,
        });
    }

    /// The last parts, newest first.
    pub fn last(&self) -> Vec<PartCard> {
        self.last.iter().cloned().collect()
    }

    /// The last rejected parts, newest first.
    pub fn rejects(&self, limit: usize) -> Vec<PartCard> {
        self.rejects
            .iter()
            .take(limit)
            .map(|r| r.card.clone())
            .collect()
    }

    /// The kept picture of a part's view.
    pub fn picture(&self, seq: u64, view: usize) -> Option<&Kept> {
        let reject = self.rejects.iter().find(|r| r.card.seq == seq)?;
        reject.pictures.get(view)?.as_ref()
    }

    /// A person says whether it is good; gives the part back as it was before.
    pub fn overrule(&mut self, seq: u64, good: bool) -> Option<PartCard> {
        let reject = self.rejects.iter_mut().find(|r| r.card.seq == seq)?;
        let before = reject.card.clone();
        reject.card.overruled = Some(good);
        Some(before)
    }

    /// Parts a minute over the last minute (or since `start`, if that is shorter).
    pub fn per_minute(&self, now: UtcMicros, uptime_s: f32) -> f32 {
        let minute = now.0 - 60_000_000;
        let count = self
            .counted
            .iter()
            .take_while(|c| c.decided.0 > minute)
            .count();
        count as f32 * 60.0 / uptime_s.clamp(1.0, 60.0)
    }

    /// Defects, yield and times of the last `minutes`.
    pub fn quality(&self, minutes: u32, now: UtcMicros) -> QualityFacts {
        const SLICES: u32 = 20;
        let span = i64::from(minutes.clamp(1, 24 * 60)) * 60_000_000;
        let mut facts = QualityFacts::default();
        let mut pareto = vec![0u64; self.classes.len()];
        let mut trend = vec![(0u32, 0u32); SLICES as usize];
        let within = |c: &&Counted| now.0 - c.decided.0 < span;
        for part in self.counted.iter().take_while(within) {
            facts.parts += 1;
            let age = (now.0 - part.decided.0).max(0);
            let slice = &mut trend[(age * i64::from(SLICES) / span) as usize];
            slice.0 += 1;
            slice.1 += u32::from(part.rejected);
            part.classes.iter().for_each(|&c| pareto[c as usize] += 1);
            part.scores
                .iter()
                .for_each(|&s| facts.scores[tenth(s)] += 1);
            facts.times[tenth(part.took)] += 1;
        }
        facts.pareto = self.classes.iter().cloned().zip(pareto).collect();
        facts.pareto.retain(|(_, n)| *n > 0);
        facts.pareto.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let minutes_ago = |i: usize| (span / 60_000_000) as u32 * i as u32 / SLICES;
        let slices = trend.iter().enumerate().rev();
        facts.trend = slices
            .map(|(i, (parts, rejected))| (minutes_ago(i), *parts, *rejected))
            .collect();
        for reject in &self.rejects {
            match reject.card.overruled {
                Some(false) => facts.reviewed.0 += 1,
                Some(true) => facts.reviewed.1 += 1,
                None => {}
            }
        }
        facts
    }
}

fn tenth(share: f32) -> usize {
    ((share.max(0.0) * 10.0) as usize).min(9)
}

/// Whether a view is why its part was rejected.
fn is_why(view: &ViewResult) -> bool {
    view.detections.iter().any(|d| d.counted) || view.health.is_some_and(|h| h != Health::Ok)
}

fn card(result: &InspectionResult, deadline_ms: f32, now: UtcMicros) -> PartCard {
    let finding = |d: &sightline_model::result::DetectionResult| Finding {
        class: d.class.clone(),
        severity: d.severity,
        score: d.score,
        bbox: d.bbox_px,
        counted: d.counted,
    };
    let view = |v: &ViewResult| ViewCard {
        view: v.view.clone(),
        camera: v.camera.clone(),
        health: v.health,
        missed: v.missed,
        findings: v.detections.iter().map(finding).collect(),
        has_picture: false,
    };
    let margin_ms = result.times.margin_ms as f32;
    PartCard {
        seq: result.seq,
        event_id: result.event_id.to_string(),
        track: result.track_id,
        part_id: result.part_id.clone(),
        recipe: format!("{} {}", result.recipe.external_id, result.recipe.version),
        decided: now,
        evaluation: result.evaluation,
        disposition: result.disposition,
        reason: result.disposition_reason,
        took_ms: deadline_ms - margin_ms,
        margin_ms,
        views: result.views.iter().map(view).collect(),
        overruled: None,
    }
}
