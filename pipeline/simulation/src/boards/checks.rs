//! Does a stroke do to the board what its kind says?

use super::board::Board;
use super::brush::Stroke;
use super::defect::{ANNOTATION_MARGIN_PX, DefectKind};
use super::sites::{INSET, Site};
use super::{COPPER, MARGIN};
use sightline_domain::BoxView;

/// Smallest number of pixels a defect changes.
const LEAST_CHANGE_PX: u32 = 24;

/// The rectangle of pixels the stroke changes, in pixels of the golden picture; `None` if there are too few, too near the
/// border, or if the stroke reaches so far beyond them that on a misplaced part it could touch something outside the box.
pub(crate) fn changed_box(board: &Board, kind: DefectKind, stroke: &Stroke) -> Option<BoxView> {
    let (mut changed, mut drawn) = (Bounds::EMPTY, Bounds::EMPTY);
    let mut changes = 0u32;
    stroke.pixels(|x, y| {
        drawn.add(x, y);
        if board
            .index(x, y)
            .is_some_and(|i| (board.canvas[i] == COPPER) != kind.adds_copper())
        {
            changes += 1;
            changed.add(x, y);
        }
    });
    let margin = MARGIN as i32;
    let reach = ANNOTATION_MARGIN_PX as i32 - 1;
    let fits = changes >= LEAST_CHANGE_PX
        && drawn.x0 >= changed.x0 - reach
        && drawn.y0 >= changed.y0 - reach
        && drawn.x1 <= changed.x1 + reach
        && drawn.y1 <= changed.y1 + reach
        && changed.x0 - margin >= INSET
        && changed.y0 - margin >= INSET
        && changed.x1 - margin < board.width() as i32 - INSET
        && changed.y1 - margin < board.height() as i32 - INSET;
    fits.then(|| BoxView {
        x: (changed.x0 - margin) as f32,
        y: (changed.y0 - margin) as f32,
        w: (changed.x1 - changed.x0 + 1) as f32,
        h: (changed.y1 - changed.y0 + 1) as f32,
    })
}

struct Bounds {
    x0: i32,
    y0: i32,
    x1: i32,
    y1: i32,
}

impl Bounds {
    const EMPTY: Self = Self {
        x0: i32::MAX / 2,
        y0: i32::MAX / 2,
        x1: i32::MIN / 2,
        y1: i32::MIN / 2,
    };

    fn add(&mut self, x: i32, y: i32) {
        self.x0 = self.x0.min(x);
        self.y0 = self.y0.min(y);
        self.x1 = self.x1.max(x);
        self.y1 = self.y1.max(y);
    }
}

fn all_pixels(stroke: &Stroke, mut test: impl FnMut(i32, i32) -> bool) -> bool {
    let mut all = true;
    stroke.pixels(|x, y| all = all && test(x, y));
    all
}

/// Every pixel of the other kind and at least three pixels from the nearest edge.
pub(crate) fn lies_inside(board: &Board, kind: DefectKind, stroke: &Stroke) -> bool {
    all_pixels(stroke, |x, y| {
        let Some(i) = board.index(x, y) else {
            return false;
        };
        board.is_copper(x, y) != kind.adds_copper() && board.depth[i] > 3
    })
}

/// Bites into, or sticks out of, one edge only: it neither reaches the far side nor comes near another edge.
pub(crate) fn stays_at_its_edge(
    board: &Board,
    kind: DefectKind,
    site: Site,
    stroke: &Stroke,
) -> bool {
    let (mut deepest, mut net) = (0f32, None);
    let clear = all_pixels(stroke, |x, y| {
        if !of_one_net(board, x, y, &mut net) {
            return false;
        }
        if board.is_copper(x, y) == kind.adds_copper() {
            return true;
        }
        let (dx, dy) = (x as f32 - site.x, y as f32 - site.y);
        let depth = dx * site.nx + dy * site.ny;
        deepest = deepest.max(depth);
        depth <= site.reach - 3.0
            && (depth < 6.0 || board.index(x, y).is_some_and(|i| board.depth[i] >= 3))
    });
    clear && deepest >= 3.0
}

/// All copper at the pixel and next to it is of the net found first.
fn of_one_net(board: &Board, x: i32, y: i32, net: &mut Option<u16>) -> bool {
    (-1..=1).all(|dy| {
        (-1..=1).all(|dx| {
            let here = board.index(x + dx, y + dy).map_or(0, |i| board.nets[i]);
            here == 0 || *net.get_or_insert(here) == here
        })
    })
}

/// Touches exactly two nets.
pub(crate) fn joins_two(board: &Board, stroke: &Stroke) -> bool {
    let (mut first, mut second, mut more) = (0u16, 0u16, false);
    stroke.pixels(|x, y| {
        let net = board.index(x, y).map_or(0, |i| board.nets[i]);
        if net == 0 || net == first || net == second {
        } else if first == 0 {
            first = net;
        } else if second == 0 {
            second = net;
        } else {
            more = true;
        }
    });
    second != 0 && !more
}
