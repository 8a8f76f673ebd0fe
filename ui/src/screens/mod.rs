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

use crate::dialogs::Dialog;
use crate::pieces;
use crate::view::{Screen, View};
use eframe::egui::{Align2, Ui};
use sightline_wire::Ask;
use sightline_wire::ask::PartFilter;

/// Rows asked for at once.
const ROWS: u32 = 100;

/// Draws the chosen screen.
pub fn show(ui: &mut Ui, view: &mut View) {
    let looks_back = matches!(
        view.screen,
        Screen::Rejects | Screen::Quality | Screen::Audit
    );
    if looks_back && !view.snapshot.station.has_journal {
        return no_journal(ui, view);
    }
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

/// What is shown of the past where nothing is kept.
fn no_journal(ui: &mut Ui, view: &View) {
    let (rect, text) = (ui.max_rect(), view.t("frame.no_journal"));
    pieces::card(ui, &view.tokens, rect);
    pieces::fitting(
        ui,
        rect.center(),
        Align2::CENTER_CENTER,
        &text,
        view.tokens.body(),
        view.tokens.colors.weak,
        rect.width(),
    );
}

/// What the chosen screen must ask for when it is opened, and now and then after that.
pub fn enter(view: &mut View) {
    if view.dialog == Some(Dialog::Bundles) {
        view.asks.push(Ask::Bundles);
    }
    if !view.snapshot.station.has_journal {
        return;
    }
    let ask = match view.screen {
        Screen::Rejects => Ask::Rejects(PartFilter {
            limit: ROWS,
            ..view.chosen.filter.clone()
        }),
        Screen::Quality => Ask::Quality {
            minutes: view.chosen.minutes,
        },
        Screen::Alarms if view.chosen.history => Ask::AlarmHistory { limit: ROWS },
        Screen::Audit if view.session.role >= (Ask::Audit { limit: 0 }).needs() => {
            Ask::Audit { limit: ROWS }
        }
        _ => return,
    };
    view.asks.push(ask);
}
