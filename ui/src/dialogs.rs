//! What lies over a screen: the second step before an act, the choice of a reason, the PIN pad.

use crate::filters::By;
use crate::pieces::{big_button, button, choice};
use crate::view::View;
use eframe::egui::{self, Id, Modal, RichText, Ui, vec2};
use sightline_wire::{Ask, Role};

mod user;

pub use user::new_user;

/// Reasons to choose from: there is no keyboard on the line.
const REASONS: usize = 6;
/// Digits of a PIN, at most.
const PIN: usize = 12;

/// A dialog.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// The second step.
    Confirm {
        /// What will be done.
        ask: Ask,
        /// What it means for the line.
        meaning: String,
        /// The chosen reason, where one is needed.
        reason: Option<String>,
    },
    /// The PIN pad.
    LogIn {
        /// Who.
        user: Option<String>,
        /// Their PIN so far.
        pin: String,
    },
    /// What the parts are filtered by.
    Pick(By),
    /// A user, new or changed.
    User {
        /// Who.
        name: String,
        /// The name is still being typed.
        naming: bool,
        /// What they may do.
        role: Role,
        /// Their new PIN so far.
        pin: String,
    },
}

/// Whether an ask changes something, so that a person wants to hear that it was done.
pub fn is_act(ask: &Ask) -> bool {
    !matches!(
        ask,
        Ask::StillHere
            | Ask::CompareRecipe { .. }
            | Ask::Rejects(_)
            | Ask::Picture { .. }
            | Ask::Quality { .. }
            | Ask::Audit { .. }
            | Ask::AlarmHistory { .. }
    )
}

/// The second step for an act; first the PIN pad, where the role does not suffice.
pub fn confirm(view: &mut View, ask: Ask, meaning: String) {
    view.notice = None;
    view.dialog = Some(if view.session.role < ask.needs() {
        log_in(view, ask.needs())
    } else {
        Dialog::Confirm {
            ask,
            meaning,
            reason: None,
        }
    });
}

/// The PIN pad, for someone who may.
pub fn log_in(view: &View, role: Role) -> Dialog {
    let users = &view.snapshot.station.users;
    let user = users
        .iter()
        .filter(|u| u.role >= role)
        .min_by_key(|u| u.role);
    Dialog::LogIn {
        user: user.map(|u| u.name.clone()),
        pin: String::new(),
    }
}

/// The reason field of an ask that needs one.
fn reason_of(ask: &mut Ask) -> Option<&mut String> {
    match ask {
        Ask::Shelve { reason, .. }
        | Ask::ChangeRecipe { reason, .. }
        | Ask::ActivateModel { reason, .. }
        | Ask::RollBackModel { reason }
        | Ask::Overrule { reason, .. } => Some(reason),
        _ => None,
    }
}

/// Draws the dialog, if there is one.
pub fn show(ui: &mut Ui, view: &mut View) {
    let Some(mut dialog) = view.dialog.take() else {
        return;
    };
    let modal = Modal::new(Id::unique("dialog")).show(ui.ctx(), |ui| match &mut dialog {
        Dialog::Confirm {
            ask,
            meaning,
            reason,
        } => second_step(ui, view, ask, meaning, reason),
        Dialog::LogIn { user, pin } => log_in_pad(ui, view, user, pin),
        Dialog::Pick(by) => pick(ui, view, *by),
        Dialog::User {
            name,
            naming,
            role,
            pin,
        } => user::edit(ui, view, name, naming, role, pin),
    });
    // A dialog may have led to another one.
    if modal.inner && view.dialog.is_none() {
        view.dialog = Some(dialog);
    }
}

/// False: it is over.
fn second_step(
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
    let needs_reason = reason_of(ask).is_some();
    if needs_reason {
        ui.label(RichText::new(view.t("dialog.reason")).font(tokens.small()));
        egui::Grid::new("reasons").show(ui, |ui| {
            for i in 0..REASONS {
                let text = view.t(&format!("reason.{i}"));
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
    let mut open = true;
    ui.horizontal(|ui| {
        open = !big_button(ui, &tokens, view.texts.t("dialog.cancel")).clicked();
        ui.add_enabled_ui(!needs_reason || reason.is_some(), |ui| {
            if big_button(ui, &tokens, view.texts.t("dialog.do_it")).clicked() {
                let mut ask = ask.clone();
                if let (Some(field), Some(reason)) = (reason_of(&mut ask), reason.as_ref()) {
                    field.clone_from(reason);
                }
                view.asks.push(ask);
                open = false;
            }
        });
    });
    open
}

/// One of some options.
fn pick(ui: &mut Ui, view: &mut View, by: By) -> bool {
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

fn log_in_pad(ui: &mut Ui, view: &mut View, user: &mut Option<String>, pin: &mut String) -> bool {
    let tokens = view.tokens;
    let mut open = true;
    ui.label(RichText::new(view.t("dialog.log_in")).font(tokens.title()));
    let users = view.snapshot.station.users.clone();
    if users.is_empty() {
        ui.label(view.t("dialog.no_users"));
    }
    ui.horizontal(|ui| {
        for known in &users {
            if choice(ui, &tokens, user.as_ref() == Some(&known.name), &known.name).clicked() {
                *user = Some(known.name.clone());
                pin.clear();
            }
        }
    });
    if pin_pad(ui, view, pin)
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
fn pin_pad(ui: &mut Ui, view: &View, pin: &mut String) -> bool {
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

fn key(ui: &mut Ui, view: &View, name: &str, size: egui::Vec2) -> bool {
    let name = RichText::new(name).font(view.tokens.body());
    let key = egui::Button::new((egui::Atom::grow(), name, egui::Atom::grow()));
    ui.add(key.min_size(size)).clicked()
}
