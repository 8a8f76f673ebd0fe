//! The rail of screens.

use crate::screens;
use crate::view::{Screen, View};
use eframe::egui::{Button, CursorIcon, Rect, RichText, ScrollArea, Stroke, Ui, UiBuilder, vec2};
use sightline_wire::snapshot::AlarmState;

pub fn show(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let unseen = |view: &View| {
        let alarms = view.snapshot.alarms.iter();
        alarms
            .filter(|a| a.state == AlarmState::Unacknowledged)
            .count()
    };
    ui.painter().rect_filled(rect, 0.0, tokens.colors.panel);
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
