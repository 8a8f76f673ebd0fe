//! What the parts are filtered by.

use crate::filters::By;
use crate::pieces::{button, choice};
use crate::view::View;
use eframe::egui::{self, RichText, Ui};

/// One of some options.
pub(super) fn pick(ui: &mut Ui, view: &mut View, by: By) -> bool {
    let tokens = view.tokens;
    let mut open = true;
    ui.label(RichText::new(by.label(view)).font(tokens.title()));
    egui::Grid::new("options").show(ui, |ui| {
        for (i, (text, filter)) in by.options(view).into_iter().enumerate() {
            let chosen = view.chosen.filter == filter;
            if choice(ui, &tokens, chosen, &text).clicked() {
                view.chosen.filter = filter;
                view.chosen.reject = None;
                crate::screens::enter(view);
                open = false;
            }
            if i % 3 == 2 {
                ui.end_row();
            }
        }
    });
    open &= !button(ui, &tokens, view.texts.t("dialog.cancel")).clicked();
    open
}
