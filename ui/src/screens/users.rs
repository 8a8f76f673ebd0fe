//! Screen 12, users, language, theme.

use crate::dialogs::{Dialog, new_user};
use crate::pieces::{self, choice};
use crate::texts::{Language, Texts};
use crate::view::View;
use eframe::egui::{RichText, ScrollArea, Ui};
use sightline_wire::{Ask, Role};

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let cells = pieces::grid(ui.max_rect(), 2, 1, tokens.gap());
    let title = view.t("users.users");
    pieces::section(ui, &tokens, cells[0], &title, |ui| {
        ScrollArea::vertical()
            .id_salt("users")
            .show(ui, |ui| who(ui, view));
    });
    let title = view.t("users.screen");
    pieces::section(ui, &tokens, cells[1], &title, |ui| {
        ui.label(RichText::new(view.t("users.language")).font(tokens.small()));
        ui.horizontal(|ui| {
            for language in Language::ALL {
                let chosen = view.texts.language() == language;
                if choice(ui, &tokens, chosen, language.own_name()).clicked() {
                    view.texts = Texts::new(language);
                }
            }
        });
        ui.label(RichText::new(view.t("users.theme")).font(tokens.small()));
        ui.horizontal(|ui| {
            for (key, dark) in [("users.light", false), ("users.dark", true)] {
                let text = view.t(key);
                if choice(ui, &tokens, tokens.dark == dark, &text).clicked() {
                    view.tokens = tokens.with_theme(dark);
                    view.tokens.apply(ui.ctx());
                }
            }
        });
    });
}

fn who(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let role = |view: &View, role| view.t(&format!("role.{}", format!("{role:?}").to_lowercase()));
    let now = view
        .session
        .user
        .clone()
        .unwrap_or_else(|| view.t("users.nobody"));
    pieces::fact(ui, &tokens, &now, &role(view, view.session.role));
    if view.session.user.is_some()
        && pieces::button(ui, &tokens, view.texts.t("users.log_out")).clicked()
    {
        view.asks.push(Ask::LogOut);
    }
    let may_edit = view.session.role == Role::Administrator;
    for user in view.snapshot.station.users.clone() {
        let text = format!("{}   {}", user.name, role(view, user.role));
        let chosen = view.session.user.as_ref() == Some(&user.name);
        ui.horizontal(|ui| {
            if choice(ui, &tokens, chosen, &text).clicked() && !chosen {
                view.dialog = Some(Dialog::LogIn {
                    user: Some(user.name.clone()),
                    pin: String::new(),
                });
            }
            if may_edit && pieces::button(ui, &tokens, view.texts.t("users.change")).clicked() {
                view.dialog = Some(Dialog::User {
                    name: user.name,
                    naming: false,
                    role: user.role,
                    pin: String::new(),
                });
            }
        });
    }
    if may_edit {
        if pieces::button(ui, &tokens, view.texts.t("users.new")).clicked() {
            view.dialog = Some(new_user());
        }
        return;
    }
    ui.label(
        RichText::new(view.t("users.how"))
            .font(tokens.small())
            .color(tokens.colors.weak),
    );
}
