//! Where on a design each kind of defect can sit.

use super::MARGIN;
use super::board::Board;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Pixels a defect keeps from the picture's border, so that a shifted part still shows it whole.
pub(crate) const INSET: i32 = 18;

/// One place, in canvas pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// Unit direction: into the copper (bite, open), out of it (spur, short), none (pin-hole, spurious copper).
    pub(crate) nx: f32,
    pub(crate) ny: f32,
    /// Pixels from here along the direction to the next edge; the free radius where there is no direction.
    pub(crate) reach: f32,
}

/// Places per kind of defect.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    pub(crate) inside_copper: Vec<Site>,
    pub(crate) inside_substrate: Vec<Site>,
    pub(crate) bites: Vec<Site>,
    pub(crate) spurs: Vec<Site>,
    pub(crate) traces: Vec<Site>,
    pub(crate) gaps: Vec<Site>,
}

const LONGEST_PROBE_PX: f32 = 90.0;
const WIDEST_CUT_PX: f32 = 80.0;
const WIDEST_GAP_PX: f32 = 66.0;

impl Sites {
    /// Enough of every kind for parts to differ.
    pub(crate) fn enough(&self) -> bool {
        self.inside_copper.len() >= 20
            && self.inside_substrate.len() >= 20
            && self.bites.len() >= 20
            && self.spurs.len() >= 20
            && self.traces.len() >= 4
            && self.gaps.len() >= 4
    }

    pub(crate) fn find(board: &Board, mut rng: ChaCha8Rng) -> Self {
        let mut sites = Self::default();
        sites.find_inside(board, &mut rng);
        sites.find_at_edges(board, &mut rng);
        sites
    }

    fn find_inside(&mut self, board: &Board, rng: &mut ChaCha8Rng) {
        for _ in 0..4000 {
            let x = rng.random_range(INSET..board.width() as i32 - INSET) + MARGIN as i32;
            let y = rng.random_range(INSET..board.height() as i32 - INSET) + MARGIN as i32;
            let Some(i) = board.index(x, y) else { continue };
            let reach = f32::from(board.depth[i]);
            let list = if board.is_copper(x, y) {
                &mut self.inside_copper
            } else {
                &mut self.inside_substrate
            };
            if reach >= 7.0 {
                list.push(Site {
                    x: x as f32,
                    y: y as f32,
                    nx: 0.0,
                    ny: 0.0,
                    reach,
                });
            }
        }
    }

    fn find_at_edges(&mut self, board: &Board, rng: &mut ChaCha8Rng) {
        let inner = |v: i32, size: u32| {
            v - MARGIN as i32 >= INSET && v - (MARGIN as i32) < size as i32 - INSET
        };
        let candidates: Vec<Site> = (0..board.canvas_height)
            .filter(|&y| inner(y as i32, board.height()))
            .flat_map(|y| board.edges.row(y).iter().map(move |e| (y, e)))
            .filter(|(_, e)| (0..48).contains(&e.depth) && inner(i32::from(e.x), board.width()))
            .map(|(y, e)| Site {
                x: f32::from(e.x),
                y: y as f32,
                nx: f32::from(e.nx) / 64.0,
                ny: f32::from(e.ny) / 64.0,
                reach: 0.0,
            })
            .collect();
        if candidates.is_empty() {
            return;
        }
        for _ in 0..3000 {
            let at = candidates[rng.random_range(0..candidates.len())];
            let outward = Site {
                nx: -at.nx,
                ny: -at.ny,
                ..at
            };
            let inside = probe(board, at, true);
            let outside = probe(board, outward, false);
            if inside >= 8.0 {
                self.bites.push(Site {
                    reach: inside,
                    ..at
                });
            }
            if outside >= 9.0 {
                self.spurs.push(Site {
                    reach: outside,
                    ..outward
                });
            }
            if (5.0..WIDEST_CUT_PX).contains(&inside)
                && self.traces.len() < 400
                && is_trace(board, at, inside)
            {
                self.traces.push(Site {
                    reach: inside,
                    ..at
                });
            }
            if (4.0..WIDEST_GAP_PX).contains(&outside) && joins_two_nets(board, outward, outside) {
                self.gaps.push(Site {
                    reach: outside,
                    ..outward
                });
            }
        }
    }
}

/// Pixels along the site's direction until copper ends (`copper`) or begins; the longest probe when it never does.
fn probe(board: &Board, at: Site, copper: bool) -> f32 {
    let mut t = 1.5;
    while t < LONGEST_PROBE_PX {
        let (x, y) = (
            (at.x + at.nx * t).round() as i32,
            (at.y + at.ny * t).round() as i32,
        );
        if board.index(x, y).is_none() {
            return LONGEST_PROBE_PX;
        }
        if board.is_copper(x, y) != copper {
            return t;
        }
        t += 0.5;
    }
    LONGEST_PROBE_PX
}

/// Copper with two parallel edges here: the width stays about the same for a while on both sides.
fn is_trace(board: &Board, at: Site, width: f32) -> bool {
    let along = (width * 0.5).clamp(6.0, 20.0);
    [-along, along].into_iter().all(|s| {
        let (cx, cy) = (
            at.x + at.nx * width / 2.0 - at.ny * s,
            at.y + at.ny * width / 2.0 + at.nx * s,
        );
        let half = |sign: f32| {
            let from = Site {
                x: cx,
                y: cy,
                nx: at.nx * sign,
                ny: at.ny * sign,
                reach: 0.0,
            };
            if board.is_copper(cx.round() as i32, cy.round() as i32) {
                probe(board, from, true)
            } else {
                0.0
            }
        };
        let here = half(1.0) + half(-1.0);
        here > 0.5 * width && here < 1.7 * width + 4.0
    })
}

fn joins_two_nets(board: &Board, at: Site, gap: f32) -> bool {
    let net = |t: f32| {
        let (x, y) = (
            (at.x + at.nx * t).round() as i32,
            (at.y + at.ny * t).round() as i32,
        );
        board.index(x, y).map_or(0, |i| board.nets[i])
    };
    let (here, there) = (net(0.0), net(gap + 0.5));
    here != 0 && there != 0 && here != there
}
