//! What is around every screen: who and what at the top, the rail of screens, the worst alarm at the bottom; and what is
//! shown instead when the station cannot be seen.

mod away;
mod banner;
mod header;
mod rail;

pub use header::state;

use crate::view::View;
use crate::{dialogs, pieces, screens};
use eframe::egui::Ui;
use sightline_wire::Link;
use std::time::Duration;

/// What is older than this is masked.
const STALE: Duration = Duration::from_secs(1);

/// What is shown is not the present.
pub fn is_stale(view: &View) -> bool {
    view.age.is_some_and(|age| age > STALE)
}

/// Draws everything.
pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let whole = ui.max_rect();
    ui.painter().rect_filled(whole, 0.0, tokens.colors.ground);
    view.wishes.clear();
    if view.link != Link::Up || view.age.is_none() {
        return away::unreachable(ui, view, whole);
    }
    let (top, rest) = pieces::split_top(whole, tokens.touch(), 0.0);
    let (rail, right) = pieces::split_left(rest, tokens.mm(38.0), 0.0);
    let (content, bottom) = pieces::split_top(right, right.height() - tokens.big_touch(), 0.0);
    header::show(ui, view, top);
    rail::show(ui, view, rail);
    pieces::inside(ui, &tokens, content, |ui| screens::show(ui, view));
    banner::show(ui, view, bottom);
    if is_stale(view) {
        // Neither what is on the screen nor a dialog over it: nobody acts on what is old.
        away::stale(ui, view, right);
    } else {
        dialogs::show(ui, view);
    }
}
