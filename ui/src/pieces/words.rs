//! Text on one line, labels with their values, tables.

use crate::tokens::Tokens;
use eframe::egui::epaint::text::FontsView;
use eframe::egui::text::LayoutJob;
use eframe::egui::{
    Align2, Color32, FontId, Galley, Pos2, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use std::sync::Arc;

/// Text on one line, cut with an ellipsis where it does not fit.
pub fn fitting(
    ui: &Ui,
    at: Pos2,
    align: Align2,
    text: &str,
    font: FontId,
    color: Color32,
    width: f32,
) {
    let mut job = LayoutJob::simple_singleline(text.into(), font, color);
    job.wrap.max_width = width.max(1.0);
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    let galley = ui.fonts_mut(|f| f.layout_job(job));
    let rect = align.anchor_size(at, galley.size());
    ui.painter().galley(rect.min, galley, color);
}

/// Text on one line, smaller where it does not fit.
pub fn shrinking(
    ui: &Ui,
    at: Pos2,
    align: Align2,
    text: &str,
    font: FontId,
    color: Color32,
    width: f32,
) {
    let font = shrunk(ui, text, font, width);
    ui.painter().text(at, align, text, font, color);
}

/// The font as small as it must be for a text on one line.
pub fn shrunk(ui: &Ui, text: &str, mut font: FontId, width: f32) -> FontId {
    let plain = |f: &mut FontsView<'_>| f.layout_no_wrap(text.into(), font.clone(), Color32::BLACK);
    let wide = ui.fonts_mut(plain).size().x;
    if wide > width {
        font.size *= width / wide * 0.98;
    }
    font
}

/// Text on as many lines as fit into the rectangle, from its top.
pub fn wrapped(ui: &Ui, rect: Rect, text: &str, font: FontId, color: Color32) {
    let galley = lines(ui, rect, text, font, color);
    ui.painter().galley(rect.min, galley, color);
}

/// The same, in its middle.
pub fn wrapped_middle(ui: &Ui, rect: Rect, text: &str, font: FontId, color: Color32) {
    let galley = lines(ui, rect, text, font, color);
    let at = Align2::LEFT_CENTER.anchor_size(rect.left_center(), galley.size());
    ui.painter().galley(at.min, galley, color);
}

fn lines(ui: &Ui, rect: Rect, text: &str, font: FontId, color: Color32) -> Arc<Galley> {
    let mut job = LayoutJob::simple(text.into(), font.clone(), color, rect.width());
    let row = ui.fonts_mut(|f| f.row_height(&font));
    job.wrap.max_rows = ((rect.height() / row).floor() as usize).max(1);
    ui.fonts_mut(|f| f.layout_job(job))
}

/// A label and its value on one line, the value at the right.
pub fn fact(ui: &mut Ui, tokens: &Tokens, label: &str, value: &str) {
    let c = &tokens.colors;
    pair(ui, tokens, (label, c.weak), (value, c.text), tokens.body());
}

/// The same the other way round: the label is what matters; smaller where both do not fit.
pub fn matter(ui: &mut Ui, tokens: &Tokens, label: &str, value: &str, font: FontId) {
    let room = ui.available_width() - tokens.gap() * 2.0;
    let font = shrunk(ui, &format!("{label}{value}"), font, room);
    let c = &tokens.colors;
    pair(ui, tokens, (label, c.text), (value, c.weak), font);
}

fn pair(
    ui: &mut Ui,
    tokens: &Tokens,
    (label, label_color): (&str, Color32),
    (value, value_color): (&str, Color32),
    font: FontId,
) {
    let size = vec2(ui.available_width(), font.size * 1.4);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let wide = |ui: &Ui, text: &str| {
        let galley = ui.fonts_mut(|f| f.layout_no_wrap(text.into(), font.clone(), value_color));
        galley.size().x
    };
    let (labels, values) = (wide(ui, label), wide(ui, value));
    // The value has the room that the label leaves, but at least two thirds.
    let room = rect.width() - tokens.gap();
    let values = values.min((room - labels).max(room * 0.67));
    let at = rect.right_center() - vec2(values, 0.0);
    let align = Align2::LEFT_CENTER;
    fitting(
        ui,
        at,
        align,
        value,
        font.clone(),
        value_color,
        values + 1.0,
    );
    let at = rect.left_center();
    fitting(ui, at, align, label, font, label_color, room - values);
}

/// Rows of cells, each column a share of the width; the first row is the heading. Returns the row that was touched.
pub fn table(
    ui: &mut Ui,
    tokens: &Tokens,
    shares: &[f32],
    rows: &[Vec<String>],
    chosen: Option<usize>,
) -> Option<usize> {
    let mut touched = None;
    let all: f32 = shares.iter().sum();
    let touchable = chosen.is_some();
    let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    for (i, cells) in rows.iter().enumerate() {
        let heading = i == 0;
        let height = if touchable && !heading {
            tokens.touch()
        } else {
            tokens.mm(8.0)
        };
        let size = vec2(ui.available_width(), height);
        let sense = if touchable && !heading {
            Sense::click()
        } else {
            Sense::hover()
        };
        let (rect, response) = ui.allocate_exact_size(size, sense);
        let c = &tokens.colors;
        if chosen == Some(i) && !heading {
            ui.painter().rect_filled(rect, 0.0, c.chosen);
        }
        ui.painter()
            .hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, c.line));
        let mut left = rect.left() + tokens.mm(1.0);
        for (cell, share) in cells.iter().zip(shares) {
            let width = rect.width() * share / all;
            let (font, color) = if heading {
                (tokens.small(), c.weak)
            } else {
                (tokens.body(), c.text)
            };
            let at = pos2(left, rect.center().y);
            fitting(
                ui,
                at,
                Align2::LEFT_CENTER,
                cell,
                font,
                color,
                width - tokens.mm(2.0),
            );
            left += width;
        }
        let name = cells.join(" ");
        let role = match touchable && !heading {
            true => Role::Button,
            false => Role::Label,
        };
        response.widget_info(|| WidgetInfo::labeled(role, true, &name));
        if response.clicked() {
            touched = Some(i);
        }
    }
    ui.spacing_mut().item_spacing.y = spacing;
    touched
}
