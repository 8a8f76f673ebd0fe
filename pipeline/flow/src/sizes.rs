//! The size that each view's pictures have: as the recipe says, or as the first one where regions were drawn on it; and not
//! so large that it would be too many tiles.

use sightline_configs::recipe::Tiles;
use sightline_domain::{FrameMeta, ViewId};
use sightline_verdict::InspectionPlan;

/// By view of one plan.
#[derive(Debug)]
pub(crate) struct Sizes(Vec<(Size, Option<Tiles>)>);

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
        Self(plan.views.iter().map(|v| (size(v), v.tiles)).collect())
    }

    /// Whether a picture may be this view.
    pub(crate) fn fit(&mut self, view: ViewId, meta: &FrameMeta) -> bool {
        let Some((size, tiles)) = self.0.get_mut(view.index()) else {
            return true;
        };
        let count = tiles.map_or(1, |t| t.count((meta.width, meta.height)));
        if count > Tiles::MOST {
            return false;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use sightline_domain::{CameraId, FrameId, Health, MonoTime, PixelFormat, Timing, UtcMicros};

    #[test]
    fn a_picture_of_too_many_tiles_is_not_the_view() {
        let meta = |width, height| FrameMeta {
            camera: CameraId(0),
            frame_id: FrameId(0),
            captured: MonoTime(0),
            captured_utc: UtcMicros(0),
            timing: Timing::default(),
            numbered: true,
            width,
            height,
            format: PixelFormat::Gray8,
            layout: PixelFormat::Gray8.default_layout(width, height),
            levels: Default::default(),
            health: Health::Ok,
            host_copies: 0,
        };
        let tiles = Tiles {
            width: 64,
            height: 64,
            overlap_px: 16,
        };
        let mut sizes = Sizes(vec![(Size::Any, Some(tiles)), (Size::Any, None)]);
        for (side, fits) in [(32, true), (1_500, true), (1_700, false), (60_000, false)] {
            assert_eq!(sizes.fit(ViewId(0), &meta(side, side)), fits, "{side}");
            assert!(sizes.fit(ViewId(1), &meta(side, side)));
        }
    }
}
