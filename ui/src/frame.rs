//! What is around every screen: who and what at the top, the rail of screens, the worst alarm at the bottom; and what is
//! shown instead when the station cannot be seen.

use crate::dialogs;
use crate::pieces::{self, Condition, fitting};
use crate::screens;
use crate::view::{Screen, View};
use eframe::egui::{
    Align2, Atom, Button, Color32, CursorIcon, Rect, RichText, ScrollArea, Sense, Stroke, Ui,
    UiBuilder, pos2, vec2,
};
use sightline_wire::snapshot::{AlarmState, LineState};
use sightline_wire::{Ask, Link, Role};
use std::time::Duration;

/// What is older than this is masked.
const STALE: Duration = Duration::from_secs(1);

/// Draws everything.
pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let whole = ui.max_rect();
    ui.painter().rect_filled(whole, 0.0, tokens.colors.ground);
    view.wishes.clear();
    if view.link != Link::Up || view.age.is_none() {
        return unreachable_station(ui, view, whole);
    }
    let bar = tokens.touch();
    let (top, rest) = pieces::split_top(whole, bar, 0.0);
    let (rest, bottom) = pieces::split_top(rest, rest.height() - bar, 0.0);
    let (rail, content) = pieces::split_left(rest, tokens.mm(38.0), 0.0);
    header(ui, view, top);
    side(ui, view, rail);
    pieces::inside(ui, &tokens, content, |ui| screens::show(ui, view));
    banner(ui, view, bottom);
    if view.age.is_some_and(|age| age > STALE) {
        stale(ui, view, content);
    }
    dialogs::show(ui, view);
}

fn header(ui: &mut Ui, view: &mut View, rect: Rect) {
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
    let state = match view.snapshot.line.state {
        LineState::Running => view.texts.t("line.running"),
        LineState::Held => view.texts.t("line.held"),
        LineState::Stopped => view.texts.t("line.stopped"),
    };
    line(2.0, state, &View::clock(view.snapshot.pulse.at));
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

fn side(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let unseen = |view: &View| {
        let alarms = view.snapshot.alarms.iter();
        alarms
            .filter(|a| a.state == AlarmState::Unacknowledged)
            .count()
    };
    let builder = UiBuilder::new().max_rect(rect);
    ui.scope_builder(builder, |ui| {
        ScrollArea::vertical().id_salt("rail").show(ui, |ui| {
            ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
            for screen in Screen::ALL {
                let chosen = view.screen == screen;
                let mut text = view.t(&format!("screen.{}", screen.name()));
                if screen == Screen::Alarms && unseen(view) > 0 {
                    text = format!("{text} ({})", unseen(view));
                }
                let fill = if chosen {
                    tokens.colors.chosen
                } else {
                    tokens.colors.panel
                };
                let text = RichText::new(text).font(tokens.body());
                let entry = Button::new(text)
                    .fill(fill)
                    .corner_radius(0.0)
                    .stroke(Stroke::new(1.0, tokens.colors.line))
                    .min_size(vec2(rect.width(), tokens.touch()));
                if ui.add(entry).on_hover_cursor(CursorIcon::Default).clicked() {
                    view.screen = screen;
                    view.notice = None;
                    screens::enter(view);
                }
            }
        });
    });
}

/// The worst alarm that nobody has seen, or what came of the last act.
fn banner(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let c = tokens.colors;
    ui.painter().rect_filled(rect, 0.0, c.panel);
    ui.painter()
        .hline(rect.x_range(), rect.top(), Stroke::new(1.0, c.line));
    let pad = tokens.gap();
    if let Some((text, done)) = view.notice.clone() {
        let builder = UiBuilder::new().max_rect(rect.shrink2(vec2(pad, 0.0)));
        ui.scope_builder(builder, |ui| {
            ui.horizontal_centered(|ui| {
                let condition = if done {
                    Condition::Good
                } else {
                    Condition::Warning
                };
                pieces::lamp(ui, &tokens, condition, &text);
            });
        });
        let press = ui.interact(rect, ui.scope_id().with("notice"), Sense::click());
        if press.clicked() {
            view.notice = None;
        }
        return;
    }
    let alarms = &view.snapshot.alarms;
    let worst = alarms
        .iter()
        .find(|a| a.state == AlarmState::Unacknowledged)
        .cloned();
    let Some(alarm) = worst else {
        let text = view.t("frame.no_alarm");
        let at = rect.left_center() + vec2(pad, 0.0);
        fitting(
            ui,
            at,
            Align2::LEFT_CENTER,
            &text,
            tokens.body(),
            c.weak,
            rect.width(),
        );
        return;
    };
    let sign = Rect::from_center_size(
        rect.left_center() + vec2(pad + tokens.mm(5.0), 0.0),
        vec2(tokens.mm(9.0), tokens.mm(9.0)),
    );
    pieces::severity_sign(ui, &tokens, sign, alarm.severity);
    let button = tokens.mm(58.0);
    let left = sign.right() + pad;
    let room = rect.right() - button - left - 2.0 * pad;
    let title = screens::alarms::title(view, &alarm.id);
    let up = pos2(left, rect.center().y - rect.height() * 0.2);
    let down = pos2(left, rect.center().y + rect.height() * 0.22);
    fitting(
        ui,
        up,
        Align2::LEFT_CENTER,
        &title,
        tokens.body(),
        c.text,
        room,
    );
    fitting(
        ui,
        down,
        Align2::LEFT_CENTER,
        &alarm.message,
        tokens.small(),
        c.weak,
        room,
    );
    let place = Rect::from_min_max(pos2(rect.right() - button, rect.top()), rect.max).shrink(2.0);
    let text = RichText::new(view.t("frame.show_alarm")).font(tokens.body());
    if ui
        .put(place, Button::new((Atom::grow(), text, Atom::grow())))
        .clicked()
    {
        view.screen = Screen::Alarms;
    }
}

/// Over what is old: nobody takes it for the present.
fn stale(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let c = &tokens.colors;
    // Swallows touches: nobody acts on what is old.
    ui.interact(rect, ui.scope_id().with("stale"), Sense::click_and_drag());
    let painter = ui.painter().with_clip_rect(rect);
    let veil = Color32::from_rgba_unmultiplied(c.ground.r(), c.ground.g(), c.ground.b(), 225);
    painter.rect_filled(rect, 0.0, veil);
    let step = tokens.mm(8.0);
    let mut x = rect.left() - rect.height();
    while x < rect.right() {
        let stroke = Stroke::new(tokens.mm(1.0), c.high);
        painter.line_segment(
            [pos2(x, rect.bottom()), pos2(x + rect.height(), rect.top())],
            stroke,
        );
        x += step;
    }
    let seconds = view.age.unwrap_or_default().as_secs();
    let text = view.texts.with("frame.stale", &[&seconds]);
    let plate = Rect::from_center_size(rect.center(), vec2(rect.width() * 0.7, tokens.mm(24.0)));
    painter.rect_filled(plate, 4.0, c.high);
    let font = tokens.number();
    fitting(
        ui,
        plate.center(),
        Align2::CENTER_CENTER,
        &text,
        font,
        c.on_color,
        plate.width(),
    );
}

/// Instead of everything: the station cannot be seen.
fn unreachable_station(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let c = &tokens.colors;
    let plate = Rect::from_center_size(rect.center(), vec2(rect.width() * 0.8, tokens.mm(90.0)));
    pieces::card(ui, tokens, plate);
    let builder = UiBuilder::new().max_rect(plate.shrink(tokens.mm(8.0)));
    ui.scope_builder(builder, |ui| {
        let (title, reason) = match &view.link {
            Link::OtherVersion { station } => (
                view.t("frame.other_version"),
                view.texts
                    .with("frame.their_version", &[station, &sightline_wire::VERSION]),
            ),
            Link::Down { reason } => (view.t("frame.unreachable"), reason.clone()),
            Link::Up => (view.t("frame.waiting"), String::new()),
        };
        ui.label(RichText::new(title).font(tokens.number()));
        ui.label(RichText::new(view.t("frame.safety")).font(tokens.title()));
        ui.label(RichText::new(view.t("frame.retrying")).color(c.weak));
        ui.label(RichText::new(reason).font(tokens.small()).color(c.weak));
    });
}
