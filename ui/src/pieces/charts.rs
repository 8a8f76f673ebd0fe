//! Bars.

use super::fitting;
use crate::tokens::Tokens;
use eframe::egui::{Align2, Rect, Sense, Stroke, Ui, pos2, vec2};

/// Bars beside their labels, longest first where they are given so.
pub fn bars(ui: &mut Ui, tokens: &Tokens, values: &[(String, f32, String)]) {
    let most = values.iter().map(|v| v.1).fold(1e-6, f32::max);
    for (label, value, text) in values {
        let size = vec2(ui.available_width(), tokens.mm(7.0));
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let c = &tokens.colors;
        let (names, numbers) = (rect.width() * 0.32, rect.width() * 0.18);
        let room = rect.width() - names - numbers;
        let bar = Rect::from_min_size(
            pos2(rect.left() + names, rect.top() + tokens.mm(1.0)),
            vec2(room * value / most, rect.height() - tokens.mm(2.0)),
        );
        fitting(
            ui,
            rect.left_center(),
            Align2::LEFT_CENTER,
            label,
            tokens.body(),
            c.text,
            names - tokens.mm(2.0),
        );
        ui.painter().rect_filled(bar, 0.0, c.data);
        let at = pos2(bar.right() + tokens.mm(1.5), rect.center().y);
        fitting(
            ui,
            at,
            Align2::LEFT_CENTER,
            text,
            tokens.body(),
            c.text,
            rect.right() - at.x,
        );
    }
}

/// Upright bars that fill a rectangle, with a text under the first and the last, and what the highest stands for above.
pub fn columns(ui: &Ui, tokens: &Tokens, rect: Rect, values: &[f32], ends: [&str; 2], top: &str) {
    let c = &tokens.colors;
    let foot = tokens.mm(6.0);
    let mut plot = Rect::from_min_max(rect.min, rect.max - vec2(0.0, foot));
    if !top.is_empty() {
        let at = plot.left_top() + vec2(0.0, tokens.mm(2.0));
        plot.min.y += tokens.mm(5.0);
        ui.painter()
            .hline(plot.x_range(), plot.top(), Stroke::new(1.0, c.line));
        let (font, color) = (tokens.small(), c.weak);
        fitting(ui, at, Align2::LEFT_CENTER, top, font, color, plot.width());
    }
    let most = values.iter().copied().fold(1e-6, f32::max);
    let step = plot.width() / values.len().max(1) as f32;
    for (i, value) in values.iter().enumerate() {
        let left = plot.left() + step * i as f32;
        let top = plot.bottom() - plot.height() * value / most;
        let bar = Rect::from_min_max(
            pos2(left + 1.0, top),
            pos2(left + step - 1.0, plot.bottom()),
        );
        ui.painter().rect_filled(bar, 0.0, c.data);
    }
    ui.painter()
        .hline(plot.x_range(), plot.bottom(), Stroke::new(1.0, c.weak));
    let y = rect.bottom() - foot / 2.0;
    let half = rect.width() / 2.0;
    fitting(
        ui,
        pos2(rect.left(), y),
        Align2::LEFT_CENTER,
        ends[0],
        tokens.small(),
        c.weak,
        half,
    );
    fitting(
        ui,
        pos2(rect.right(), y),
        Align2::RIGHT_CENTER,
        ends[1],
        tokens.small(),
        c.weak,
        half,
    );
}
