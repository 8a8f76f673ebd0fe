//! Logging in with a PIN.

use super::key;
use crate::pieces::{button, choice};
use crate::view::View;
use eframe::egui::{self, RichText, ScrollArea, Ui, vec2};
use sightline_wire::Ask;

/// Digits of a PIN, at most.
const PIN: usize = 12;

/// False: it is over.
pub(super) fn log_in(
    ui: &mut Ui,
    view: &mut View,
    user: &mut Option<String>,
    pin: &mut String,
) -> bool {
    let tokens = view.tokens;
    let mut open = true;
    ui.label(RichText::new(view.t("dialog.log_in")).font(tokens.title()));
    let users = view.snapshot.station.users.clone();
    if users.is_empty() {
        ui.label(view.t("dialog.no_users"));
    }
    let room = ui.ctx().content_rect().width() * 0.85;
    let scroll = ScrollArea::horizontal().id_salt("users").max_width(room);
    scroll.show(ui, |ui| {
        ui.horizontal(|ui| {
            for known in &users {
                if choice(ui, &tokens, user.as_ref() == Some(&known.name), &known.name).clicked() {
                    *user = Some(known.name.clone());
                    pin.clear();
                }
            }
        })
    });
    if pad(ui, view, pin)
        && let Some(user) = user.clone()
    {
        view.asks.push(Ask::LogIn {
            user,
            pin: std::mem::take(pin),
        });
        open = false;
    }
    open &= !button(ui, &tokens, view.texts.t("dialog.cancel")).clicked();
    open
}

/// Digits for a PIN. True: it is whole.
pub(super) fn pad(ui: &mut Ui, view: &View, pin: &mut String) -> bool {
    let tokens = view.tokens;
    let mut whole = false;
    let dots = format!("{:<width$}", "• ".repeat(pin.len()), width = 2);
    ui.label(RichText::new(dots).font(tokens.title()));
    let side = tokens.touch() * 1.25;
    egui::Grid::new("pad")
        .spacing(vec2(tokens.gap(), tokens.gap()))
        .show(ui, |ui| {
            for digit in [
                "1", "2", "3", "4", "5", "6", "7", "8", "9", "back", "0", "ok",
            ] {
                let name = match digit {
                    "back" => view.t("dialog.back"),
                    "ok" => view.t("dialog.ok"),
                    digit => digit.to_owned(),
                };
                if key(ui, view, &name, vec2(side * 1.3, side)) {
                    match digit {
                        "back" => {
                            pin.pop();
                        }
                        "ok" => whole = true,
                        digit if pin.len() < PIN => pin.push_str(digit),
                        _ => {}
                    }
                }
                if matches!(digit, "3" | "6" | "9") {
                    ui.end_row();
                }
            }
        });
    whole
}
