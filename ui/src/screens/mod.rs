//! The screens, a file each. A screen draws from the [`View`] and leaves what is to be asked there.

pub mod alarms;
mod audit;
mod camera;
mod connectivity;
mod line;
mod models;
mod quality;
mod recipe;
mod rejects;
mod system;
mod timing;
mod users;

use crate::view::{Screen, View};
use eframe::egui::Ui;
use sightline_wire::Ask;

/// Rows asked for at once.
const ROWS: u32 = 100;
/// Minutes the quality screen looks back.
const MINUTES: u32 = 60;

/// Draws the chosen screen.
pub fn show(ui: &mut Ui, view: &mut View) {
    match view.screen {
        Screen::Line => line::show(ui, view),
        Screen::Camera => camera::show(ui, view),
        Screen::Rejects => rejects::show(ui, view),
        Screen::Quality => quality::show(ui, view),
        Screen::Recipe => recipe::show(ui, view),
        Screen::Models => models::show(ui, view),
        Screen::Alarms => alarms::show(ui, view),
        Screen::Timing => timing::show(ui, view),
        Screen::Connectivity => connectivity::show(ui, view),
        Screen::Audit => audit::show(ui, view),
        Screen::System => system::show(ui, view),
        Screen::Users => users::show(ui, view),
    }
}

/// What the chosen screen must ask for when it is opened, and now and then after that.
pub fn enter(view: &mut View) {
    let ask = match view.screen {
        Screen::Rejects => Ask::Rejects { limit: ROWS },
        Screen::Quality => Ask::Quality { minutes: MINUTES },
        Screen::Alarms if view.chosen.history => Ask::AlarmHistory { limit: ROWS },
        Screen::Audit if view.session.role >= (Ask::Audit { limit: 0 }).needs() => {
            Ask::Audit { limit: ROWS }
        }
        _ => return,
    };
    view.asks.push(ask);
}
