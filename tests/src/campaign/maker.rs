//! Results numbered, named and timed by the station's own [`ResultMaker`]; what is seen on the parts is made up.

#[path = "../../../app/journal/tests/common/mod.rs"]
pub(super) mod parts;

use bytes::Bytes;
use sightline_domain::result::RecipeRef;
use sightline_domain::{Clock, Generation, InspectionResult, Timing, TrackId, Trigger};
use sightline_verdict::{InspectionPlan, Judge, ResultConfig, ResultMaker, SeededIds};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Makes one result after the other.
pub struct Maker {
    clock: Arc<dyn Clock>,
    plan: Arc<InspectionPlan>,
    judge: Judge,
    maker: ResultMaker,
}

impl Maker {
    /// For the run `boot_id`, numbers from `first_seq` on.
    pub fn new(boot_id: Uuid, first_seq: u64, clock: Arc<dyn Clock>) -> Self {
        let config = ResultConfig {
            station: "station1".into(),
            boot_id,
            configuration_hash: String::new(),
            is_simulated: true,
            with_findings_below_limit: false,
            first_seq,
        };
        // Ids differ from run to run, as on the line.
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        Self {
            clock,
            plan: Arc::new(plan()),
            judge: Judge::new(1),
            maker: ResultMaker::new(config, Box::new(SeededIds::from_seed(seed))),
        }
    }

    /// The next result and its bytes; one in seven has defects.
    pub fn make(&mut self) -> (InspectionResult, Bytes) {
        let seq = self.maker.next_seq();
        let now = self.clock.now();
        let trigger = Trigger {
            track_id: TrackId(seq),
            part_id: None,
            at: now,
            at_utc: self.clock.utc(),
            encoder: None,
            timing: Timing::default(),
        };
        let dossier = self.judge.overflow_dossier(&self.plan, &trigger, now);
        let dossier = dossier.expect("a part comes once");
        let made = self.maker.make(&dossier, dossier.decision().asked);
        self.judge.recycle(dossier);
        let seen = match seq % 7 {
            0 => parts::bad(seq, "open", 2),
            _ => parts::good(seq),
        };
        let mut result = InspectionResult {
            event_id: made.event_id,
            seq: made.seq,
            boot_id: made.boot_id,
            ..seen
        };
        result.times.decided = made.times.decided;
        let json = parts::json(&result);
        (result, json)
    }
}

/// A recipe that asks for nothing.
fn plan() -> InspectionPlan {
    InspectionPlan {
        generation: Generation(1),
        recipe: RecipeRef {
            external_id: "demo-board".into(),
            internal_id: "demo-board".into(),
            version: "1".into(),
            hash: String::new(),
        },
        product_id: None,
        deadline: Duration::from_millis(500),
        views: Vec::new(),
        models: Vec::new(),
        combine: Default::default(),
        challenge: None,
    }
}
