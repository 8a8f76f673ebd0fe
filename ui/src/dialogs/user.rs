//! An administrator names a user, gives a role and a PIN, or takes a user away.

use super::{Dialog, confirm, key, pin};
use crate::pieces::{button, choice};
use crate::view::View;
use eframe::egui::{self, RichText, Ui, Vec2};
use sightline_wire::{Ask, Role};

/// Letters of a name, at most.
const NAME: usize = 12;
/// Digits of a PIN, at least.
const SHORTEST: usize = 4;
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-";

/// A user that has no name yet.
pub fn new_user() -> Dialog {
    Dialog::User {
        name: String::new(),
        naming: true,
        role: Role::Operator,
        pin: String::new(),
    }
}

/// False: it is over.
pub(super) fn edit(
    ui: &mut Ui,
    view: &mut View,
    name: &mut String,
    naming: &mut bool,
    role: &mut Role,
    pin: &mut String,
) -> bool {
    let tokens = view.tokens;
    let mut open = true;
    let title = view.texts.with("users.user", &[name]);
    ui.label(RichText::new(title).font(tokens.title()));
    if *naming {
        letters(ui, view, name, naming);
    } else {
        ui.horizontal(|ui| {
            for other in Role::ALL {
                let text = view.t(&format!("role.{}", format!("{other:?}").to_lowercase()));
                if choice(ui, &tokens, *role == other, &text).clicked() {
                    *role = other;
                }
            }
        });
        ui.label(RichText::new(view.t("users.new_pin")).font(tokens.small()));
        if pin::pad(ui, view, pin) && pin.len() >= SHORTEST {
            view.asks.push(Ask::SetUser {
                name: name.clone(),
                role: *role,
                pin: std::mem::take(pin),
            });
            open = false;
        }
    }
    let known = view.snapshot.station.users.iter().any(|u| u.name == *name);
    ui.horizontal(|ui| {
        if button(ui, &tokens, view.texts.t("dialog.cancel")).clicked() {
            open = false;
        }
        if known && !*naming && button(ui, &tokens, view.texts.t("users.remove")).clicked() {
            let meaning = view.texts.with("users.remove_means", &[name]);
            confirm(view, Ask::RemoveUser { name: name.clone() }, meaning);
        }
    });
    open
}

/// There is no keyboard on the line.
fn letters(ui: &mut Ui, view: &View, name: &mut String, naming: &mut bool) {
    let size = Vec2::splat(view.tokens.touch());
    egui::Grid::new("letters").show(ui, |ui| {
        for (i, letter) in LETTERS.chars().enumerate() {
            // As names are written: the first letter large.
            let letter = match name.is_empty() {
                true => letter,
                false => letter.to_ascii_lowercase(),
            };
            if key(ui, view, &letter.to_string(), size) && name.len() < NAME {
                name.push(letter);
            }
            if i % 9 == 8 {
                ui.end_row();
            }
        }
    });
    ui.horizontal(|ui| {
        if key(ui, view, view.texts.t("dialog.back"), size) {
            name.pop();
        }
        if key(ui, view, view.texts.t("dialog.ok"), size) && !name.is_empty() {
            *naming = false;
        }
    });
}
