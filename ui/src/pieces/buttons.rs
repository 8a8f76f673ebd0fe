//! What is touched: 15 mm at least, 20 mm for what acts on the line.

use crate::tokens::Tokens;
use eframe::egui::{Atom, Button, Response, RichText, Stroke, Ui, Vec2, vec2};

/// A button of at least 15 mm.
pub fn button(ui: &mut Ui, tokens: &Tokens, text: &str) -> Response {
    sized(ui, tokens, text, vec2(tokens.touch(), tokens.touch()))
}

/// A button of at least 20 mm, for what acts on the line.
pub fn big_button(ui: &mut Ui, tokens: &Tokens, text: &str) -> Response {
    let side = tokens.big_touch();
    sized(ui, tokens, text, vec2(side * 1.6, side))
}

fn sized(ui: &mut Ui, tokens: &Tokens, text: &str, size: Vec2) -> Response {
    let text = RichText::new(text).font(tokens.body());
    ui.add(Button::new((Atom::grow(), text, Atom::grow())).min_size(size))
}

/// A button that stays chosen.
pub fn choice(ui: &mut Ui, tokens: &Tokens, chosen: bool, text: &str) -> Response {
    let text = RichText::new(text).font(tokens.body());
    let fill = if chosen {
        tokens.colors.chosen
    } else {
        tokens.colors.button
    };
    let width = if chosen { 3.0 } else { 1.0 };
    let stroke = Stroke::new(
        width,
        if chosen {
            tokens.colors.text
        } else {
            tokens.colors.line
        },
    );
    ui.add(
        Button::new((Atom::grow(), text, Atom::grow()))
            .fill(fill)
            .stroke(stroke)
            .min_size(Vec2::splat(tokens.touch())),
    )
}
