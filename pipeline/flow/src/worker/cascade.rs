//! The second stage: the crops of all findings of a batch, in one batch, to the verifier.

use super::guard::{Guard, Guarded, Trouble};
use crate::job::Job;
use sightline_domain::{BoxView, MissReason};
use sightline_engine::{Engine, Region};
use sightline_verdict::{PlannedModel, PlannedVerifier};

/// Which finding a crop is of: index of the view, index of the finding.
pub(super) type Crops = Vec<(usize, usize)>;

/// Looks again at every finding that would count by its score: confirms, renames or dismisses it. Without a usable
/// answer the view is not decidable.
pub(super) fn verify(
    job: &mut Job,
    model: &PlannedModel,
    planned: &PlannedVerifier,
    verifier: &mut dyn Engine,
    crops: &mut Crops,
) -> Result<(), Trouble> {
    collect_crops(job, model, planned, crops);
    if crops.is_empty() {
        return Ok(());
    }
    let batch = std::mem::take(&mut job.batch);
    let (batch, trouble) = match verifier.run(batch) {
        Guarded::Done(batch) => (batch, None),
        Guarded::Rejected(batch, error) => (batch, Some(Trouble::Rejected(error))),
        Guarded::Panicked(words) => (
            sightline_engine::Batch::default(),
            Some(Trouble::Panicked(words)),
        ),
    };
    job.batch = batch;
    if let Some(trouble) = trouble {
        for &(view, _) in crops.iter() {
            job.slips[view].missed = Some(MissReason::EngineFault);
        }
        return Err(trouble);
    }
    job.times.preprocess_us += job.batch.times.preprocess_us;
    job.times.infer_us += job.batch.times.infer_us;
    job.times.postprocess_us += job.batch.times.postprocess_us;
    for (&(view, finding), said) in crops.iter().zip(job.batch.outputs.iter()) {
        let detection = &mut job.answers[view].detections[finding];
        let broken = said.dropped_nonfinite;
        if broken > 0 || planned.apply(detection, &said.class_scores).is_err() {
            let slip = &mut job.slips[view];
            slip.nonfinite = slip.nonfinite.saturating_add(broken.max(1));
        }
    }
    Ok(())
}

fn collect_crops(
    job: &mut Job,
    model: &PlannedModel,
    planned: &PlannedVerifier,
    crops: &mut Crops,
) {
    crops.clear();
    job.batch.regions.clear();
    for (v, (slip, answer)) in job.slips.iter().zip(job.answers.iter()).enumerate() {
        for (f, finding) in answer.detections.iter().enumerate() {
            let limit = model.classes.get(finding.class.index());
            if limit.is_some_and(|c| finding.score >= c.score_limit) {
                let size = (slip.meta.width, slip.meta.height);
                let crop = Some(crop(&finding.bbox_view, planned, size));
                job.batch.regions.push(Region { view: v, crop });
                crops.push((v, f));
            }
        }
    }
}

/// The square around a finding that the verifier sees, moved to lie inside the picture, as its training did.
fn crop(found: &BoxView, planned: &PlannedVerifier, (width, height): (u32, u32)) -> BoxView {
    let (width, height) = (width as f32, height as f32);
    let side = (found.w.max(found.h) * planned.context).max(planned.min_crop_px);
    let side = side.round().min(width).min(height);
    let (cx, cy) = found.centre();
    let inside = |centre: f32, room: f32| (centre - side / 2.0).round().clamp(0.0, room - side);
    BoxView {
        x: inside(cx, width),
        y: inside(cy, height),
        w: side,
        h: side,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_has_context_and_lies_inside() {
        let planned = PlannedVerifier {
            context: 2.0,
            min_crop_px: 48.0,
            dismiss_at: 0.5,
            classes: vec![None],
        };
        let found = |x, y, w, h| BoxView { x, y, w, h };
        let crop = |b: BoxView| {
            let c = super::crop(&b, &planned, (200, 100));
            (c.x, c.y, c.w, c.h)
        };
        assert_eq!(
            crop(found(90.0, 40.0, 30.0, 10.0)),
            (75.0, 15.0, 60.0, 60.0)
        );
        // small: the least side; at the border: moved inside
        assert_eq!(crop(found(0.0, 95.0, 4.0, 4.0)), (0.0, 52.0, 48.0, 48.0));
        // larger than the picture: its shorter side
        assert_eq!(
            crop(found(10.0, 0.0, 190.0, 90.0)),
            (55.0, 0.0, 100.0, 100.0)
        );
    }
}
