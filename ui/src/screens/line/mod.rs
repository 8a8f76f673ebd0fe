//! Screen 1, the line: what the cameras see, the last part's verdict and why, counts, rates, lamps, start and stop.

mod state;
mod tiles;
mod verdict;

pub use tiles::{no_picture, state_name, strip};
pub use verdict::why;

use crate::pieces;
use crate::view::View;
use eframe::egui::Ui;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let rect = ui.max_rect();
    let gap = tokens.gap();
    let (tiles_at, right) = pieces::split_left(rect, rect.width() * 0.66, gap);
    tiles::tiles(ui, view, tiles_at);
    let (verdict_at, rest) = pieces::split_top(right, right.height() * 0.42, gap);
    let foot = tokens.big_touch() + 2.0 * gap;
    let (facts_at, act_at) = pieces::split_top(rest, rest.height() - foot - gap, gap);
    verdict::verdict(ui, view, verdict_at);
    state::facts(ui, view, facts_at);
    state::act(ui, view, act_at);
}
