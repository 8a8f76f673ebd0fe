//! Who and what: the station, its recipe, its state, who is logged in.

use crate::dialogs;
use crate::pieces::{self, fitting};
use crate::view::View;
use eframe::egui::{Align2, Atom, Button, Rect, RichText, Stroke, Ui, pos2, vec2};
use sightline_wire::snapshot::LineState;
use sightline_wire::{Ask, Role};

pub fn show(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let c = tokens.colors;
    ui.painter().rect_filled(rect, 0.0, c.panel);
    ui.painter()
        .hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, c.line));
    let (login, rest) = {
        let width = tokens.mm(52.0);
        let (rest, login) = pieces::split_left(rect, rect.width() - width, 0.0);
        (login, rest)
    };
    let pad = tokens.gap();
    let third = (rest.width() - 2.0 * pad) / 3.0;
    let station = &view.snapshot.station;
    let at = |i: f32| pos2(rest.left() + pad + third * i, rest.center().y);
    let line = |i: f32, upper: &str, lower: &str| {
        let (up, down) = (
            vec2(0.0, -rect.height() * 0.2),
            vec2(0.0, rect.height() * 0.22),
        );
        let room = third - pad;
        fitting(
            ui,
            at(i) + up,
            Align2::LEFT_CENTER,
            upper,
            tokens.body(),
            c.text,
            room,
        );
        fitting(
            ui,
            at(i) + down,
            Align2::LEFT_CENTER,
            lower,
            tokens.small(),
            c.weak,
            room,
        );
    };
    let simulated = if station.simulated {
        view.texts.t("frame.simulated")
    } else {
        ""
    };
    line(
        0.0,
        &station.name,
        &format!("{}  {simulated}", station.place),
    );
    let recipe = &view.snapshot.recipes.active;
    line(
        1.0,
        &recipe.external_id,
        &view.texts.with("frame.version", &[&recipe.version]),
    );
    line(2.0, &state(view), &View::clock(view.snapshot.pulse.at));
    let role = view.t(&format!(
        "role.{}",
        format!("{:?}", view.session.role).to_lowercase()
    ));
    let name = view
        .session
        .user
        .clone()
        .unwrap_or_else(|| view.t("frame.log_in"));
    let text = RichText::new(format!("{name}\n{role}")).font(tokens.small());
    let place = login.shrink(2.0);
    if ui
        .put(place, Button::new((Atom::grow(), text, Atom::grow())))
        .clicked()
    {
        if view.session.user.is_some() {
            view.asks.push(Ask::LogOut);
        } else {
            view.dialog = Some(dialogs::log_in(view, Role::Supervisor));
        }
    }
}

/// What the line does, if that is known.
pub fn state(view: &View) -> String {
    if super::is_stale(view) {
        return view.t("frame.old");
    }
    view.t(match view.snapshot.line.state {
        LineState::Running => "line.running",
        LineState::Held => "line.held",
        LineState::Stopped => "line.stopped",
    })
}
