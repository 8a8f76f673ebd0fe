//! The worst alarm that nobody has seen and what to do about it, or what came of the last act.

use crate::pieces::{self, Condition, fitting};
use crate::screens::alarms;
use crate::view::{Notice, Screen, View};
use eframe::egui::{
    Align2, Atom, Button, Rect, RichText, Sense, Stroke, Ui, UiBuilder, pos2, vec2,
};
use sightline_wire::snapshot::{AlarmCard, AlarmState};

/// So long is what was done to be read, and what was not, s.
const DONE_S: f64 = 6.0;
const REFUSED_S: f64 = 20.0;

/// Draws it.
pub fn show(ui: &mut Ui, view: &mut View, rect: Rect) {
    let (tokens, c) = (view.tokens, view.tokens.colors);
    ui.painter().rect_filled(rect, 0.0, c.panel);
    ui.painter()
        .hline(rect.x_range(), rect.top(), Stroke::new(1.0, c.line));
    if let Some(now) = news(ui, view) {
        return notice(ui, view, rect, &now);
    }
    let alarms = view.snapshot.alarms.iter();
    let mut unseen = alarms.filter(|a| a.state == AlarmState::Unacknowledged);
    let worst = unseen.next().cloned();
    let more = unseen.count();
    let Some(alarm) = worst else {
        let text = view.t("frame.no_alarm");
        let at = rect.left_center() + vec2(tokens.gap(), 0.0);
        let font = tokens.body();
        return fitting(
            ui,
            at,
            Align2::LEFT_CENTER,
            &text,
            font,
            c.weak,
            rect.width(),
        );
    };
    let button = tokens.mm(58.0);
    let (words_at, button_at) = pieces::split_left(rect, rect.width() - button, 0.0);
    words(ui, view, words_at, &alarm, more);
    let text = RichText::new(view.t("frame.show_alarm")).font(tokens.body());
    let show = Button::new((Atom::grow(), text, Atom::grow()));
    if ui.put(button_at.shrink(2.0), show).clicked() {
        view.screen = Screen::Alarms;
        view.chosen.history = false;
    }
}

/// What came of the last act, while it is news: it must not stand before an alarm for long.
fn news(ui: &Ui, view: &mut View) -> Option<Notice> {
    let now = ui.input(|i| i.time);
    let notice = view.notice.as_mut()?;
    let since = *notice.since.get_or_insert(now);
    let readable = if notice.done { DONE_S } else { REFUSED_S };
    if now - since > readable {
        view.notice = None;
    }
    view.notice.clone()
}

/// Touched, it goes.
fn notice(ui: &mut Ui, view: &mut View, rect: Rect, notice: &Notice) {
    let tokens = view.tokens;
    let condition = match notice.done {
        true => Condition::Good,
        false => Condition::Warning,
    };
    let builder = UiBuilder::new().max_rect(rect.shrink2(vec2(tokens.gap(), 0.0)));
    ui.scope_builder(builder, |ui| {
        ui.horizontal_centered(|ui| {
            let (side, c) = (tokens.mm(6.5), tokens.colors);
            let sign = Rect::from_center_size(
                ui.max_rect().left_center() + vec2(side / 2.0, 0.0),
                vec2(side, side),
            );
            pieces::sign(ui, &tokens, condition, sign);
            let mut room = ui.max_rect().shrink2(vec2(0.0, tokens.mm(1.5)));
            room.min.x = sign.right() + tokens.gap();
            pieces::wrapped_middle(ui, room, &notice.text, tokens.body(), c.text);
        });
    });
    let press = ui.interact(rect, ui.scope_id().with("notice"), Sense::click());
    if press.clicked() {
        view.notice = None;
    }
}

/// What it is and what to do, to be read from two metres; where no text says what to do, the station's words.
fn words(ui: &Ui, view: &View, rect: Rect, alarm: &AlarmCard, more: usize) {
    let (tokens, c) = (&view.tokens, &view.tokens.colors);
    let pad = tokens.gap();
    let side = tokens.mm(12.0);
    let sign = Rect::from_center_size(
        rect.left_center() + vec2(pad + side / 2.0, 0.0),
        vec2(side, side),
    );
    pieces::severity_sign(ui, tokens, sign, alarm.severity);
    let left = sign.right() + pad;
    let room = rect.right() - left - pad;
    let mut title = alarms::title(view, &alarm.id);
    if more > 0 {
        title = format!("{title}  (+{more})");
    }
    let todo = alarms::about(view, &alarm.id, "do");
    let todo = todo.unwrap_or_else(|| alarm.message.clone());
    let up = pos2(left, rect.center().y - rect.height() * 0.2);
    let down = pos2(left, rect.center().y + rect.height() * 0.23);
    let at = Align2::LEFT_CENTER;
    pieces::shrinking(ui, up, at, &title, tokens.number(), c.text, room);
    fitting(ui, down, at, &todo, tokens.title(), c.text, room);
}
