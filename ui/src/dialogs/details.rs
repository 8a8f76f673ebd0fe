//! One row of a table, in full.

use crate::pieces::button;
use crate::view::View;
use eframe::egui::{RichText, ScrollArea, Ui};

/// False: it is over.
pub(super) fn show(ui: &mut Ui, view: &View, facts: &[(String, String)]) -> bool {
    let tokens = view.tokens;
    let room = ui.ctx().content_rect();
    ui.set_width(tokens.mm(220.0).min(room.width() * 0.85));
    let scroll = ScrollArea::vertical()
        .id_salt("details")
        .max_height(room.height() * 0.7);
    scroll.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(1.0);
        for (name, value) in facts {
            let name = RichText::new(name).font(tokens.small());
            ui.label(name.color(tokens.colors.weak));
            let value = if value.is_empty() { "–" } else { value };
            ui.label(RichText::new(value).font(tokens.body()));
        }
    });
    !button(ui, &tokens, view.texts.t("dialog.close")).clicked()
}
