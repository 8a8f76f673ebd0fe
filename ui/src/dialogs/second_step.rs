//! The second step before an act: what it means, for how long, and why.

use crate::filters;
use crate::pieces::{big_button, choice};
use crate::view::View;
use eframe::egui::{self, RichText, Ui};
use sightline_wire::Ask;

/// Reasons to choose from: there is no keyboard on the line.
const REASONS: usize = 4;
/// An alarm is put aside for so many minutes.
const SHELVES: [u32; 4] = [10, 30, 60, 240];

/// The reason field of an ask that needs one, and which reasons there are for it.
fn reason_of(ask: &mut Ask) -> Option<(&mut String, &'static str)> {
    Some(match ask {
        Ask::Shelve { reason, .. } => (reason, "shelve"),
        Ask::ChangeRecipe { reason, .. } => (reason, "recipe"),
        Ask::InstallModel { reason, .. }
        | Ask::ActivateModel { reason, .. }
        | Ask::RollBackModel { reason } => (reason, "model"),
        Ask::Overrule { reason, good, .. } => (reason, if *good { "good" } else { "bad" }),
        _ => return None,
    })
}

/// False: it is over.
pub(super) fn show(
    ui: &mut Ui,
    view: &mut View,
    ask: &mut Ask,
    meaning: &str,
    reason: &mut Option<String>,
) -> bool {
    let tokens = view.tokens;
    ui.set_width(tokens.mm(150.0).min(ui.ctx().content_rect().width() * 0.85));
    ui.label(RichText::new(view.t("dialog.sure")).font(tokens.title()));
    ui.label(meaning);
    if let Ask::Shelve { minutes, .. } = ask {
        how_long(ui, view, minutes);
    }
    let reasons = reason_of(ask).map(|(_, reasons)| reasons);
    if let Some(reasons) = reasons {
        why(ui, view, reasons, reason);
    }
    let mut open = true;
    ui.horizontal(|ui| {
        open = !big_button(ui, &tokens, view.texts.t("dialog.cancel")).clicked();
        ui.add_enabled_ui(reasons.is_none() || reason.is_some(), |ui| {
            if big_button(ui, &tokens, view.texts.t("dialog.do_it")).clicked() {
                let mut ask = ask.clone();
                if let (Some((field, _)), Some(reason)) = (reason_of(&mut ask), reason.as_ref()) {
                    field.clone_from(reason);
                }
                view.asks.push(ask);
                open = false;
            }
        });
    });
    open
}

fn how_long(ui: &mut Ui, view: &View, minutes: &mut u32) {
    let tokens = view.tokens;
    ui.label(RichText::new(view.t("dialog.how_long")).font(tokens.small()));
    ui.horizontal(|ui| {
        for shelf in SHELVES {
            let text = filters::span(view, shelf);
            if choice(ui, &tokens, *minutes == shelf, &text).clicked() {
                *minutes = shelf;
            }
        }
    });
}

fn why(ui: &mut Ui, view: &View, reasons: &str, reason: &mut Option<String>) {
    let tokens = view.tokens;
    ui.label(RichText::new(view.t("dialog.reason")).font(tokens.small()));
    egui::Grid::new("reasons").show(ui, |ui| {
        for i in 0..REASONS {
            let text = view.t(&format!("reason.{reasons}{i}"));
            let chosen = reason.as_deref() == Some(text.as_str());
            if choice(ui, &tokens, chosen, &text).clicked() {
                *reason = Some(text);
            }
            if i % 2 == 1 {
                ui.end_row();
            }
        }
    });
}
