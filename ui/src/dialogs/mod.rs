//! What lies over a screen: the second step before an act, a choice, the PIN pad, a row in full.

mod bundles;
mod details;
mod pick;
mod pin;
mod second_step;
mod user;

pub use user::new_user;

use crate::filters::By;
use crate::view::View;
use eframe::egui::{self, Id, Modal, RichText, Ui};
use sightline_wire::{Ask, Role};

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
    /// Which bundle is to be installed.
    Bundles,
    /// One row of a table in full: names and values.
    Details(Vec<(String, String)>),
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
            | Ask::Bundles
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

/// The bundles that could be installed, for someone who may.
pub fn choose_bundle(view: &mut View) {
    view.notice = None;
    view.answers.bundles = None;
    let needed = Ask::Bundles.needs();
    view.dialog = Some(match view.session.role < needed {
        true => log_in(view, needed),
        false => Dialog::Bundles,
    });
    crate::screens::enter(view);
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
        } => second_step::show(ui, view, ask, meaning, reason),
        Dialog::LogIn { user, pin } => pin::log_in(ui, view, user, pin),
        Dialog::Pick(by) => pick::pick(ui, view, *by),
        Dialog::Bundles => bundles::show(ui, view),
        Dialog::Details(facts) => details::show(ui, view, facts),
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

fn key(ui: &mut Ui, view: &View, name: &str, size: egui::Vec2) -> bool {
    let name = RichText::new(name).font(view.tokens.body());
    let key = egui::Button::new((egui::Atom::grow(), name, egui::Atom::grow()));
    ui.add(key.min_size(size)).clicked()
}
