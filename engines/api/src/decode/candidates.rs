//! Boxes above the score floor, before suppression.

use crate::batch::{Stray, StrayPlace};
use sightline_domain::{BoxTensor, ClassId};
use std::cmp::Ordering;

/// Most candidates of one region that suppression looks at; the best ones. A usual 640 x 640 head has 8,400 in all
/// and a real picture a few hundred above the floor.
pub const MAX_CANDIDATES: usize = 4_096;

/// One box above the floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub score: f32,
    pub class: u16,
    /// Its place in the tensor, which breaks ties; it may be there once for each class.
    pub place: u32,
    pub bbox: BoxTensor,
}

impl Candidate {
    pub(super) fn as_stray(&self, place: StrayPlace, input: (u32, u32)) -> Stray {
        Stray {
            place,
            bbox: self.bbox,
            score: self.score,
            class: ClassId(self.class),
            input,
        }
    }

    /// Falling score, then rising place, then rising class: a total order, as no two of a class share a place.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.place.cmp(&other.place))
            .then(self.class.cmp(&other.class))
    }
}

/// The candidates of one region.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub all: Vec<Candidate>,
    /// Candidates with a value that is no number, no probability, no class or no box.
    pub nonfinite: u32,
}

impl Candidates {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.nonfinite = 0;
    }

    /// Counts one that is no finding and not nothing either.
    pub(super) fn broken(&mut self) {
        self.nonfinite = self.nonfinite.saturating_add(1);
    }

    /// Takes one up, unless a value is no number (counted) or the box is empty (no finding). Heads give scores that
    /// rounding may have put a hair above 1.
    pub(super) fn push(&mut self, score: f32, class: usize, place: usize, bbox: BoxTensor) {
        let finite = score.is_finite()
            && [bbox.x, bbox.y, bbox.w, bbox.h]
                .iter()
                .all(|v| v.is_finite());
        if !finite {
            self.nonfinite = self.nonfinite.saturating_add(1);
        } else if bbox.w > 0.0 && bbox.h > 0.0 {
            self.all.push(Candidate {
                score: score.clamp(0.0, 1.0),
                class: class as u16,
                place: place as u32,
                bbox,
            });
        }
    }

    /// Takes out those that lie outside of the tensor altogether and counts them: no head that is read rightly gives one.
    /// The best of them.
    pub(super) fn drop_outside(&mut self, width: f32, height: f32) -> Option<Candidate> {
        let before = self.all.len();
        let mut best: Option<Candidate> = None;
        self.all.retain(|c| {
            let b = &c.bbox;
            let is_on = b.x < width && b.y < height && b.x + b.w > 0.0 && b.y + b.h > 0.0;
            if !is_on && best.is_none_or(|best| c.score > best.score) {
                best = Some(*c);
            }
            is_on
        });
        let outside = (before - self.all.len()) as u32;
        self.nonfinite = self.nonfinite.saturating_add(outside);
        best
    }

    /// The best, if there is one and all lie within `side` of the tensor's corner.
    pub(super) fn all_in_the_corner(&self, side: f32) -> Option<Candidate> {
        let near = |c: &Candidate| c.bbox.x + c.bbox.w <= side && c.bbox.y + c.bbox.h <= side;
        let all = self.all.iter().all(near);
        self.all.first().copied().filter(|_| all)
    }

    /// Cuts to the `limit` best and sorts them; says how many went.
    pub(super) fn keep_best(&mut self, limit: usize) -> u32 {
        let excess = self.all.len().saturating_sub(limit);
        if excess > 0 {
            self.all.select_nth_unstable_by(limit, |a, b| a.order(b));
            self.all.truncate(limit);
        }
        self.all.sort_unstable_by(Candidate::order);
        excess as u32
    }
}
