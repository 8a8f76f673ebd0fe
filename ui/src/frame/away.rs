//! What is shown when the station cannot be seen: a mask over what is old, a screen of its own when it is gone.

use crate::pieces::{self, fitting};
use crate::view::View;
use eframe::egui::{Align2, Color32, Rect, RichText, Sense, Stroke, Ui, UiBuilder, pos2, vec2};
use sightline_wire::Link;

/// Over what is old: nobody takes it for the present.
pub fn stale(ui: &mut Ui, view: &View, rect: Rect) {
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
pub fn unreachable(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let c = &tokens.colors;
    let plate = Rect::from_center_size(rect.center(), vec2(rect.width() * 0.8, tokens.mm(80.0)));
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
        ui.label(RichText::new(title).font(tokens.headline()));
        ui.label(RichText::new(view.t("frame.safety")).font(tokens.number()));
        ui.label(RichText::new(view.t("frame.retrying")).color(c.weak));
        ui.label(RichText::new(reason).font(tokens.small()).color(c.weak));
    });
}
