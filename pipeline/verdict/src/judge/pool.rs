//! Dossiers at home, with room for what a usual part brings.

use crate::dossier::Dossier;
use crate::plan::InspectionPlan;
use sightline_configs::recipe::Combine;
use sightline_domain::Generation;
use sightline_domain::result::RecipeRef;
use std::sync::Arc;
use std::time::Duration;

/// Views and findings a fresh dossier has room for; a part with more makes its dossier grow once.
const VIEWS: usize = 16;
const FINDINGS: usize = 128;
/// Dossiers beyond the open parts that can be on their way to the result maker before one is allocated.
const SPARE: usize = 32;

pub(super) struct Pool {
    #[expect(
        clippy::vec_box,
        reason = "a dossier goes to other threads and comes home without being moved or allocated"
    )]
    free: Vec<Box<Dossier>>,
    nothing: Arc<InspectionPlan>,
    pub(super) allocated: u64,
}

impl Pool {
    /// Dossiers for `open` parts and some that are on their way home.
    pub(super) fn new(open: usize) -> Self {
        let nothing = Arc::new(no_plan());
        let blank = || Box::new(Dossier::blank(&nothing, VIEWS, FINDINGS));
        let mut free = Vec::with_capacity(open + SPARE);
        free.extend(std::iter::repeat_with(blank).take(open + SPARE));
        Self {
            free,
            nothing,
            allocated: 0,
        }
    }

    /// One from home, or a new one, which is counted.
    pub(super) fn take(&mut self) -> Box<Dossier> {
        self.free.pop().unwrap_or_else(|| {
            self.allocated += 1;
            Box::new(Dossier::blank(&self.nothing, VIEWS, FINDINGS))
        })
    }

    /// Takes one home; more than it was made for are dropped.
    pub(super) fn give(&mut self, mut dossier: Box<Dossier>) {
        dossier.wipe(&self.nothing);
        if self.free.len() < self.free.capacity() {
            self.free.push(dossier);
        }
    }
}

fn no_plan() -> InspectionPlan {
    InspectionPlan {
        generation: Generation(0),
        recipe: RecipeRef {
            external_id: String::new(),
            internal_id: String::new(),
            version: String::new(),
            hash: String::new(),
        },
        product_id: None,
        deadline: Duration::ZERO,
        views: Vec::new(),
        models: Vec::new(),
        combine: Combine::AnyFails,
        challenge: None,
    }
}
