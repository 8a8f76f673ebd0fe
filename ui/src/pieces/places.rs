//! Where things are: cards, grids, cuts.

use crate::tokens::Tokens;
use eframe::egui::{Rect, RichText, Stroke, StrokeKind, Ui, UiBuilder, vec2};

/// A panel's ground.
pub fn card(ui: &Ui, tokens: &Tokens, rect: Rect) {
    let c = &tokens.colors;
    ui.painter().rect(
        rect,
        2.0,
        c.panel,
        Stroke::new(1.0, c.line),
        StrokeKind::Inside,
    );
}

/// Draws into a rectangle, with a margin.
pub fn inside<T>(ui: &mut Ui, tokens: &Tokens, rect: Rect, add: impl FnOnce(&mut Ui) -> T) -> T {
    let builder = UiBuilder::new().max_rect(rect.shrink(tokens.gap()));
    ui.scope_builder(builder, |ui| {
        ui.set_clip_rect(ui.clip_rect().intersect(rect));
        add(ui)
    })
    .inner
}

/// A card with a heading.
pub fn section<T>(
    ui: &mut Ui,
    tokens: &Tokens,
    rect: Rect,
    title: &str,
    add: impl FnOnce(&mut Ui) -> T,
) -> T {
    card(ui, tokens, rect);
    inside(ui, tokens, rect, |ui| {
        if !title.is_empty() {
            ui.label(RichText::new(title).font(tokens.title()));
        }
        add(ui)
    })
}

/// Cuts a rectangle into `columns` by `rows` with gaps between.
pub fn grid(rect: Rect, columns: usize, rows: usize, gap: f32) -> Vec<Rect> {
    let (c, r) = (columns.max(1) as f32, rows.max(1) as f32);
    let size = vec2(
        (rect.width() - gap * (c - 1.0)) / c,
        (rect.height() - gap * (r - 1.0)) / r,
    );
    let cell = |i: usize| {
        let (x, y) = ((i % columns.max(1)) as f32, (i / columns.max(1)) as f32);
        Rect::from_min_size(
            rect.min + vec2(x * (size.x + gap), y * (size.y + gap)),
            size,
        )
    };
    (0..columns * rows).map(cell).collect()
}

/// Cuts a strip off a rectangle: at the left (`x` wide) and the rest.
pub fn split_left(rect: Rect, x: f32, gap: f32) -> (Rect, Rect) {
    let (mut left, mut right) = (rect, rect);
    left.set_width(x);
    right.min.x = rect.min.x + x + gap;
    (left, right)
}

/// Cuts a strip off a rectangle: at the top (`y` high) and the rest.
pub fn split_top(rect: Rect, y: f32, gap: f32) -> (Rect, Rect) {
    let (mut top, mut rest) = (rect, rect);
    top.set_height(y);
    rest.min.y = rect.min.y + y + gap;
    (top, rest)
}
