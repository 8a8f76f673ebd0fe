//! A view in tiles goes to the engine as regions and comes back as one view: one verdict, each defect once.

mod rig;

use rig::*;
use sightline_configs::recipe::Tiles;
use sightline_domain::*;
use sightline_engine::scripted::Script;
use sightline_engine::{BatchView, Region, RegionOutput};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(5);
/// On the seams of all four tiles.
const DEFECT: BoxView = BoxView {
    x: 2.0,
    y: 3.0,
    w: 5.0,
    h: 3.0,
};

/// Finds as much of the defect as a region shows, and counts regions.
fn looking(looks: &Arc<AtomicUsize>) -> Script {
    let looks = Arc::clone(looks);
    let answer = move |view: &BatchView, region: &Region, out: &mut RegionOutput| {
        looks.fetch_add(1, Ordering::SeqCst);
        let whole = BoxView {
            x: 0.0,
            y: 0.0,
            w: 8.0,
            h: 8.0,
        };
        let tile = region.crop.unwrap_or(whole);
        let (x, y) = (DEFECT.x.max(tile.x), DEFECT.y.max(tile.y));
        let w = (DEFECT.x + DEFECT.w).min(tile.x + tile.w) - x;
        let h = (DEFECT.y + DEFECT.h).min(tile.y + tile.h) - y;
        let defective = view.lease.bytes()[0] > 0;
        if defective && w > 0.0 && h > 0.0 {
            out.detections.push(Detection {
                class: ClassId(0),
                score: 0.9,
                bbox_view: BoxView { x, y, w, h },
                area: None,
                verifier: None,
            });
        }
    };
    Script {
        answer: Arc::new(answer),
        ..Script::default()
    }
}

#[test]
fn a_defect_on_every_seam_is_one_finding_of_one_verdict() {
    let looks = Arc::new(AtomicUsize::new(0));
    let mut plan = plan(1, 2, DEADLINE);
    plan.views[1].tiles = Some(Tiles {
        width: 5,
        height: 5,
        overlap_px: 2,
    });
    let mut rig = Rig::new(build(plan, 1, 2, &looking(&looks)), Options::default());
    for defects in [1, 0, 1] {
        looks.store(0, Ordering::SeqCst);
        rig.part(Picture {
            defects,
            ..Picture::default()
        });
        let result = rig.result();
        assert_eq!(looks.load(Ordering::SeqCst), 1 + 4);
        for view in &result.views {
            let found: Vec<BoxView> = view.detections.iter().map(|d| d.bbox_px).collect();
            assert_eq!(found, vec![DEFECT; usize::from(defects)], "{}", view.view);
        }
        let wanted = match defects {
            0 => Evaluation::OK,
            _ => Evaluation::NotOK,
        };
        assert_eq!(result.evaluation, wanted);
    }
    rig.assert_conserved(3);
}
