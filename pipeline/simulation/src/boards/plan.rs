//! Choosing a part's defects: a stroke at a fitting place, kept only when it does to the board what its kind says.

use super::board::Board;
use super::brush::Stroke;
use super::checks::{changed_box, joins_two, lies_inside, stays_at_its_edge};
use super::defect::{Defect, DefectKind, DefectMix, Defects, MAX_DEFECTS, annotated};
use super::sites::Site;
use super::strokes::stroke_for;
use crate::seed;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Side of the window in which an open is proved to cut its trace, pixels.
const WINDOW: usize = 140;

/// Plans defects; holds the scratch memory for it, so that planning allocates nothing.
#[derive(Debug)]
pub struct Planner {
    copper: Vec<bool>,
    open: Vec<u32>,
}

impl Default for Planner {
    fn default() -> Self {
        Self {
            copper: vec![false; WINDOW * WINDOW],
            open: Vec::with_capacity(WINDOW * WINDOW),
        }
    }
}

impl Planner {
    /// Plans `count` defects (at most [`MAX_DEFECTS`]) of kinds drawn from `mix` on `board`, their boxes apart from each
    /// other. Fewer come only where the board has no more room; one always fits on a board with copper and substrate.
    pub fn plan(&mut self, board: &Board, seed: u64, count: usize, mix: &DefectMix) -> Defects {
        let mut rng = seed::stream(seed, 0xDEF);
        let mut defects = Defects::default();
        let weights = mix.weights();
        let mut tries = 60 * count.min(MAX_DEFECTS) + 200;
        while defects.len() < count.min(MAX_DEFECTS) && tries > 0 {
            let kind = pick(&weights, &mut rng);
            // A kind is tried several times before another is drawn, so that hard kinds keep their share.
            for _ in 0..20 {
                tries = tries.saturating_sub(1);
                if let Some(defect) = self.attempt(board, kind, &defects, &mut rng) {
                    defects.push(defect);
                    break;
                }
            }
        }
        defects
    }

    fn attempt(
        &mut self,
        board: &Board,
        kind: DefectKind,
        others: &[Defect],
        rng: &mut ChaCha8Rng,
    ) -> Option<Defect> {
        let list = match kind {
            DefectKind::Open => &board.sites.traces,
            DefectKind::Short => &board.sites.gaps,
            DefectKind::Mousebite => &board.sites.bites,
            DefectKind::Spur => &board.sites.spurs,
            DefectKind::SpuriousCopper => &board.sites.inside_substrate,
            DefectKind::PinHole => &board.sites.inside_copper,
        };
        if list.is_empty() {
            return None;
        }
        let site = list[rng.random_range(0..list.len())];
        let stroke = stroke_for(kind, site, rng);
        let changed = changed_box(board, kind, &stroke)?;
        let fits = match kind {
            DefectKind::PinHole | DefectKind::SpuriousCopper => lies_inside(board, kind, &stroke),
            DefectKind::Mousebite | DefectKind::Spur => {
                stays_at_its_edge(board, kind, site, &stroke)
            }
            DefectKind::Short => joins_two(board, &stroke),
            DefectKind::Open => self.cuts(board, site, &stroke),
        };
        let (w, h) = (board.width(), board.height());
        let apart = |other: &Defect| annotated(changed, w, h).iou(&other.bbox_view(w, h)) == 0.0;
        (fits && others.iter().all(apart)).then_some(Defect {
            kind,
            stroke,
            changed,
        })
    }

    /// True when the copper on both sides of the stroke is connected near it without the stroke, and is not with it.
    fn cuts(&mut self, board: &Board, site: Site, stroke: &Stroke) -> bool {
        let middle = (
            site.x + site.nx * site.reach / 2.0,
            site.y + site.ny * site.reach / 2.0,
        );
        let (left, top) = (
            middle.0 as i32 - WINDOW as i32 / 2,
            middle.1 as i32 - WINDOW as i32 / 2,
        );
        let at = |x: i32, y: i32| {
            let inside = (left..left + WINDOW as i32).contains(&x)
                && (top..top + WINDOW as i32).contains(&y);
            inside.then(|| (y - top) as usize * WINDOW + (x - left) as usize)
        };
        let half = (site.reach / 2.0 + 24.0).min(WINDOW as f32 / 2.0) as i32;
        self.copper.fill(false);
        for y in middle.1 as i32 - half..middle.1 as i32 + half {
            for x in middle.0 as i32 - half..middle.0 as i32 + half {
                if let Some(i) = at(x, y) {
                    self.copper[i] = board.is_copper(x, y);
                }
            }
        }
        // Where the trace's middle line is still copper on either side of the stroke.
        let mut extent = 0f32;
        stroke.pixels(|x, y| {
            let (dx, dy) = (x as f32 - middle.0, y as f32 - middle.1);
            if (dx * site.nx + dy * site.ny).abs() < 3.0 {
                extent = extent.max((dx * -site.ny + dy * site.nx).abs());
            }
        });
        let end = |sign: f32| {
            let s = sign * (extent + 2.5);
            at(
                (middle.0 - site.ny * s).round() as i32,
                (middle.1 + site.nx * s).round() as i32,
            )
        };
        let (Some(from), Some(to)) = (end(-1.0), end(1.0)) else {
            return false;
        };
        if !self.connected(from, to) {
            return false;
        }
        stroke.pixels(|x, y| {
            if let Some(i) = at(x, y) {
                self.copper[i] = false;
            }
        });
        self.copper[from] && self.copper[to] && !self.connected(from, to)
    }

    /// Flood fill in the window; leaves the window as it was.
    fn connected(&mut self, from: usize, to: usize) -> bool {
        if !self.copper[from] || !self.copper[to] {
            return false;
        }
        let mut filled = 0;
        self.open.clear();
        self.open.push(from as u32);
        self.copper[from] = false;
        while filled < self.open.len() {
            let i = self.open[filled] as usize;
            filled += 1;
            let (x, y) = (i % WINDOW, i / WINDOW);
            for ny in y.saturating_sub(1)..(y + 2).min(WINDOW) {
                for nx in x.saturating_sub(1)..(x + 2).min(WINDOW) {
                    let n = ny * WINDOW + nx;
                    if self.copper[n] {
                        self.copper[n] = false;
                        self.open.push(n as u32);
                    }
                }
            }
        }
        let reached = !self.copper[to];
        for &i in &self.open {
            self.copper[i as usize] = true;
        }
        reached
    }
}

fn pick(weights: &[f32; 6], rng: &mut ChaCha8Rng) -> DefectKind {
    let total: f32 = weights.iter().sum();
    if total <= 0.0 {
        return DefectKind::ALL[rng.random_range(0..6)];
    }
    let mut at = rng.random_range(0.0..total);
    for (kind, weight) in DefectKind::ALL.into_iter().zip(weights) {
        if at < *weight {
            return kind;
        }
        at -= weight;
    }
    DefectKind::PinHole
}
