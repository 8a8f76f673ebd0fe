//! A large picture in tiles: the regions of one view, and what was found on them put together so that each defect is one
//! finding, exactly where it is.
//!
//! A defect that is no larger than the overlap lies wholly in some tile. Its other tiles see a part of it, or the same
//! again. A larger one is seen in parts by several. Two findings of one class from two tiles are the same defect if
//! - one ends at its tile's inner edge and lies mostly in the other (a part of it),
//! - they end at edges that face each other, and touch (parts of something larger),
//! - neither is cut and they cover each other (the same twice).
//!
//! Of what is put together the best score counts, so that nothing is weaker for having been seen twice.

use crate::decode::MAX_CANDIDATES;
use crate::{Batch, BatchView, Engine, EngineError, Outputs, Region, RegionOutput};
use sightline_configs::recipe::Tiles;
use sightline_domain::{Area, BoxView, Contour, Detection};
use std::cmp::Ordering;

/// How near to a tile's inner edge a finding ends there, shares of the tile's side, and at least so many pixels.
const NEAR: (f32, f32) = (0.01, 2.0);
/// From which share of the smaller one two findings cover each other.
const COVERED: f32 = 0.5;
/// Two whole findings of the same defect differ in area by this factor at most.
const ALIKE: f32 = 2.0;
/// A part is believed about where the defect ends if its score is at least this share of the best one's.
const BELIEVED: f32 = 0.5;
/// Edges that differ by so many pixels are the same edge, seen twice: the better score says where it is.
const JITTER: f32 = 3.0;

impl Batch {
    /// Adds a view to be looked at in tiles, or as a whole where there are none; returns its index in `views`.
    pub fn push_in_tiles(&mut self, view: BatchView, tiles: Option<Tiles>) -> usize {
        let Some(tiles) = tiles else {
            return self.push_whole(view);
        };
        let index = self.views.len();
        let meta = view.lease.meta();
        let regions = tiles.places((meta.width, meta.height)).map(|place| {
            let [x, y, w, h] = place.map(|v| v as f32);
            Region {
                view: index,
                crop: Some(BoxView { x, y, w, h }),
            }
        });
        self.regions.extend(regions);
        self.views.push(view);
        index
    }
}

/// What an engine with nothing in flight says of one view, in tiles or as a whole.
///
/// # Errors
/// Whatever the engine says.
pub fn look(
    engine: &mut dyn Engine,
    view: BatchView,
    tiles: Option<Tiles>,
) -> Result<RegionOutput, EngineError> {
    let mut batch = Batch::default();
    batch.push_in_tiles(view, tiles);
    engine.submit(batch).map_err(|rejected| *rejected.error)?;
    let lost = || EngineError::Run {
        reason: "the engine lost the picture".to_owned(),
    };
    let mut done = engine.collect().ok_or_else(lost)?.map_err(|r| *r.error)?;
    Seams::default().join(&done.regions, 1, &mut done.outputs);
    done.outputs
        .first_mut()
        .map(std::mem::take)
        .ok_or_else(lost)
}

/// One finding of one tile.
#[derive(Clone, Copy, Debug)]
struct Piece {
    found: Detection,
    tile: usize,
    /// Ends at the tile's left, top, right, bottom edge, and the picture goes on there.
    cut: [bool; 4],
    taken: bool,
}

/// Puts the answers of tiles together. It owns its scratch; one a thread.
#[derive(Debug, Default)]
pub struct Seams {
    pieces: Vec<Piece>,
    group: Vec<usize>,
    merged: Outputs,
}

impl Seams {
    /// Makes of one answer a region one a view: `answers[i]` is of `regions[i]`, and the regions of a view stand together,
    /// in the order of the views.
    pub fn join(&mut self, regions: &[Region], views: usize, answers: &mut Outputs) {
        if answers.len() != regions.len() || regions.len() == views {
            return;
        }
        let mut merged = std::mem::take(&mut self.merged);
        merged.reset(views);
        let mut first = 0;
        for of_view in regions.chunk_by(|a, b| a.view == b.view) {
            let own = &mut answers[first..first + of_view.len()];
            first += of_view.len();
            let Some(out) = merged.get_mut(of_view[0].view) else {
                continue;
            };
            match own {
                [only] => std::mem::swap(only, out),
                many => self.merge(of_view, many, out),
            }
        }
        std::mem::swap(answers, &mut merged);
        self.merged = merged;
    }

    fn merge(&mut self, tiles: &[Region], answers: &[RegionOutput], out: &mut RegionOutput) {
        self.collect(tiles, answers, out);
        for leader in 0..self.pieces.len() {
            if !self.pieces[leader].taken {
                self.gather(leader, tiles);
                out.detections.push(self.whole());
            }
        }
    }

    /// All findings, the best first.
    fn collect(&mut self, tiles: &[Region], answers: &[RegionOutput], out: &mut RegionOutput) {
        let crops = || tiles.iter().filter_map(|t| t.crop);
        let right = crops().map(|c| c.x + c.w).fold(0.0, f32::max);
        let bottom = crops().map(|c| c.y + c.h).fold(0.0, f32::max);
        self.pieces.clear();
        for (tile, (region, answer)) in tiles.iter().zip(answers).enumerate() {
            out.dropped_nonfinite = out
                .dropped_nonfinite
                .saturating_add(answer.dropped_nonfinite);
            out.dropped_excess = out.dropped_excess.saturating_add(answer.dropped_excess);
            out.stray = out.stray.or(answer.stray);
            let at = region.crop.unwrap_or_default();
            let pieces = answer.detections.iter().map(|&found| Piece {
                found,
                tile,
                cut: cut(&found.bbox_view, &at, (right, bottom)),
                taken: false,
            });
            self.pieces.extend(pieces);
        }
        // a stable sort: of equal scores the earlier tile's stays first
        self.pieces
            .sort_by(|a, b| b.found.score.total_cmp(&a.found.score));
        let excess = self.pieces.len().saturating_sub(MAX_CANDIDATES);
        out.dropped_excess = out.dropped_excess.saturating_add(excess as u32);
        self.pieces.truncate(MAX_CANDIDATES);
    }

    /// What is the same defect as `leader`, directly or by way of others that are believed.
    fn gather(&mut self, leader: usize, tiles: &[Region]) {
        self.group.clear();
        self.group.push(leader);
        self.pieces[leader].taken = true;
        let believed = self.pieces[leader].found.score * BELIEVED;
        let mut at = 0;
        while let Some(&member) = self.group.get(at) {
            at += 1;
            if self.pieces[member].found.score < believed {
                continue;
            }
            for other in leader + 1..self.pieces.len() {
                if !self.pieces[other].taken
                    && same(&self.pieces[member], &self.pieces[other], tiles)
                {
                    self.pieces[other].taken = true;
                    self.group.push(other);
                }
            }
        }
    }

    /// The group as one finding that reaches as far as any of it.
    fn whole(&self) -> Detection {
        let mut found = self.pieces[self.group[0]].found;
        if self.group.len() == 1 {
            return found;
        }
        let best_is_whole = !self.pieces[self.group[0]].cut.contains(&true);
        let believed = found.score * BELIEVED;
        let members = || self.group.iter().map(|&i| &self.pieces[i]);
        let edge = |side: usize, outward: f32| {
            let place = |p: &Piece| edges(&p.found.bbox_view)[side] * outward;
            let believed = || members().filter(|p| p.found.score >= believed);
            let farthest = believed().map(place).fold(f32::NEG_INFINITY, f32::max);
            let near = believed().filter(|p| place(p) >= farthest - JITTER);
            let rank = |p: &&Piece| (!p.cut[side], p.found.score);
            let best = near.max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal));
            best.map_or(farthest, place) * outward
        };
        let (left, top) = (edge(0, -1.0), edge(1, -1.0));
        let (right, bottom) = (edge(2, 1.0), edge(3, 1.0));
        found.bbox_view = BoxView {
            x: left,
            y: top,
            w: right - left,
            h: bottom - top,
        };
        if !best_is_whole {
            // parts overlap: their sum says at least as much as they cover together, and no outline is that of all
            let sum: f32 = members().filter_map(|p| p.found.area).map(|a| a.px).sum();
            found.area = found.area.map(|_| Area {
                px: sum.min(found.bbox_view.area()),
                contour: Contour::of([]),
            });
        }
        found
    }
}

fn edges(b: &BoxView) -> [f32; 4] {
    [b.x, b.y, b.x + b.w, b.y + b.h]
}

/// At which inner edges of its tile a finding ends.
fn cut(found: &BoxView, tile: &BoxView, (right, bottom): (f32, f32)) -> [bool; 4] {
    let near = |side: f32| (side * NEAR.0).max(NEAR.1);
    let (x, y) = (near(tile.w), near(tile.h));
    let (f, t) = (edges(found), edges(tile));
    [
        t[0] > 0.0 && f[0] - t[0] <= x,
        t[1] > 0.0 && f[1] - t[1] <= y,
        t[2] < right && t[2] - f[2] <= x,
        t[3] < bottom && t[3] - f[3] <= y,
    ]
}

/// Whether two findings are of the same defect.
fn same(a: &Piece, b: &Piece, tiles: &[Region]) -> bool {
    if a.found.class != b.found.class || a.tile == b.tile {
        return false;
    }
    let (e, f) = (edges(&a.found.bbox_view), edges(&b.found.bbox_view));
    let w = e[2].min(f[2]) - e[0].max(f[0]);
    let h = e[3].min(f[3]) - e[1].max(f[1]);
    if w <= 0.0 || h <= 0.0 {
        return false;
    }
    let (small, large) = match a.found.bbox_view.area() <= b.found.bbox_view.area() {
        true => (a, b),
        false => (b, a),
    };
    let covers = w * h >= small.found.bbox_view.area() * COVERED;
    let is_cut = |p: &Piece| p.cut.contains(&true);
    if covers && is_cut(small) {
        return true;
    }
    if facing(a, b, tiles) {
        return true;
    }
    let alike = large.found.bbox_view.area() <= small.found.bbox_view.area() * ALIKE;
    covers && alike
}

/// They end at edges of their tiles that face each other.
fn facing(a: &Piece, b: &Piece, tiles: &[Region]) -> bool {
    let place = |p: &Piece| tiles[p.tile].crop.unwrap_or_default();
    let (at, bt) = (place(a), place(b));
    let beside =
        |before: &Piece, after: &Piece, side: usize| before.cut[side + 2] && after.cut[side];
    (at.x < bt.x && beside(a, b, 0))
        || (bt.x < at.x && beside(b, a, 0))
        || (at.y < bt.y && beside(a, b, 1))
        || (bt.y < at.y && beside(b, a, 1))
}
