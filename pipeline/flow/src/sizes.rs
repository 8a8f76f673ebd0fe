//! The size that each view's pictures have: as the recipe says, or as the first one where regions were drawn on it.

use sightline_model::{FrameMeta, ViewId};
use sightline_verdict::InspectionPlan;

/// By view of one plan.
#[derive(Debug)]
pub(crate) struct Sizes(Vec<Size>);

#[derive(Clone, Copy, Debug)]
enum Size {
    /// Whatever comes.
    Any,
    /// As the first one.
    First,
    /// This and no other.
    Fixed(u32, u32),
}

impl Sizes {
    pub(crate) fn of(plan: &InspectionPlan) -> Self {
        let size = |view: &sightline_verdict::PlannedView| match view.size {
            Some((width, height)) => Size::Fixed(width, height),
            None if view.include.is_empty() && view.exclude.is_empty() => Size::Any,
            None => Size::First,
        };
        Self(plan.views.iter().map(size).collect())
    }

    /// Whether a picture may be this view.
    pub(crate) fn fit(&mut self, view: ViewId, meta: &FrameMeta) -> bool {
        let Some(size) = self.0.get_mut(view.index()) else {
            return true;
        };
        match *size {
            Size::Any => true,
            Size::First => {
                *size = Size::Fixed(meta.width, meta.height);
                true
            }
            Size::Fixed(width, height) => (width, height) == (meta.width, meta.height),
        }
    }
}
