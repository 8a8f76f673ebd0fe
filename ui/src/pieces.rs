//! Pieces that screens share: buttons, lamps, facts, tables, pictures with their overlays, bars.

use crate::tokens::Tokens;
use crate::view::{Shown, View};
use eframe::egui::{
    Align2, Atom, Button, Color32, FontId, Pos2, Rect, Response, RichText, Sense, Shape, Stroke,
    StrokeKind, Ui, UiBuilder, Vec2, pos2, vec2,
};
use sightline_model::{AlarmSeverity, Evaluation, Severity};

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

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Not as it should be.
    Bad,
}

/// A sign and what it is about: an empty ring, a triangle, a filled square with a cross. Never colour alone.
pub fn lamp(ui: &mut Ui, tokens: &Tokens, condition: Condition, text: &str) {
    let height = tokens.mm(6.5);
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    let sign = Rect::from_min_size(rect.min, Vec2::splat(height)).shrink(tokens.mm(0.8));
    let (c, painter) = (&tokens.colors, ui.painter());
    match condition {
        Condition::Good => {
            painter.circle_stroke(sign.center(), sign.width() / 2.4, Stroke::new(2.0, c.weak));
        }
        Condition::Warning => painter.add(triangle(sign, c.high)).into_nothing(),
        Condition::Bad => cross(ui, sign, c.urgent, c.on_color),
    }
    let at = pos2(sign.right() + tokens.mm(1.5), rect.center().y);
    let color = if condition == Condition::Good {
        c.weak
    } else {
        c.text
    };
    let room = rect.right() - at.x;
    fitting(
        ui,
        at,
        Align2::LEFT_CENTER,
        text,
        tokens.body(),
        color,
        room,
    );
}

trait IntoNothing: Sized {
    fn into_nothing(self) {}
}
impl<T> IntoNothing for T {}

fn triangle(rect: Rect, color: Color32) -> Shape {
    let points = vec![rect.center_top(), rect.right_bottom(), rect.left_bottom()];
    Shape::convex_polygon(points, color, Stroke::NONE)
}

/// A filled square with a cross.
pub fn cross(ui: &Ui, rect: Rect, ground: Color32, lines: Color32) {
    let painter = ui.painter();
    painter.rect_filled(rect, 0.0, ground);
    let inner = rect.shrink(rect.width() * 0.25);
    let stroke = Stroke::new(rect.width() * 0.12, lines);
    painter.line_segment([inner.left_top(), inner.right_bottom()], stroke);
    painter.line_segment([inner.right_top(), inner.left_bottom()], stroke);
}

/// The sign of an alarm's severity, with its number: 1 urgent, 2 high, 3 low.
pub fn severity_sign(ui: &Ui, tokens: &Tokens, rect: Rect, severity: AlarmSeverity) {
    let (c, painter) = (&tokens.colors, ui.painter());
    let number = match severity {
        AlarmSeverity::Urgent => {
            painter.rect_filled(rect, 0.0, c.urgent);
            "1"
        }
        AlarmSeverity::High => {
            painter.add(triangle(rect, c.high));
            "2"
        }
        AlarmSeverity::Low => {
            painter.circle_filled(rect.center(), rect.width() / 2.0, c.low);
            "3"
        }
    };
    let at = rect.center() + vec2(0.0, rect.height() * 0.08);
    let font = FontId::proportional(rect.height() * 0.6);
    painter.text(at, Align2::CENTER_CENTER, number, font, c.on_color);
}

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
    let mut job = eframe::egui::text::LayoutJob::simple_singleline(text.into(), font, color);
    job.wrap.max_width = width.max(1.0);
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    let galley = ui.fonts_mut(|f| f.layout_job(job));
    let rect = align.anchor_size(at, galley.size());
    ui.painter().galley(rect.min, galley, color);
}

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

/// A label and its value on one line, the value at the right.
pub fn fact(ui: &mut Ui, tokens: &Tokens, label: &str, value: &str) {
    let size = vec2(ui.available_width(), tokens.mm(6.0));
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let c = &tokens.colors;
    let font = tokens.body();
    let wide = ui.fonts_mut(|f| {
        f.layout_no_wrap(value.into(), font.clone(), c.text)
            .size()
            .x
    });
    let wide = wide.min(rect.width() * 0.7);
    fitting(
        ui,
        rect.right_center() - vec2(wide, 0.0),
        Align2::LEFT_CENTER,
        value,
        font.clone(),
        c.text,
        wide + 1.0,
    );
    let room = rect.width() - wide - tokens.gap();
    fitting(
        ui,
        rect.left_center(),
        Align2::LEFT_CENTER,
        label,
        font,
        c.weak,
        room,
    );
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
        if chosen == Some(i) {
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
        response.widget_info(|| {
            eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Button, true, &name)
        });
        if response.clicked() {
            touched = Some(i);
        }
    }
    touched
}

/// The colour of an evaluation.
pub fn verdict_color(tokens: &Tokens, evaluation: Evaluation) -> Color32 {
    match evaluation {
        Evaluation::OK => tokens.colors.pass,
        Evaluation::NotOK => tokens.colors.urgent,
        Evaluation::NotDecidable | Evaluation::Undefined => tokens.colors.high,
    }
}

/// A picture as large as fits into `rect`, with the boxes found on the very same frame. Returns where it lies.
pub fn picture(ui: &Ui, view: &View, shown: &Shown, rect: Rect, zoom: f32, overlay: bool) -> Rect {
    let tokens = &view.tokens;
    let head = &shown.head;
    let (w, h) = (
        head.view_width.max(1) as f32,
        head.view_height.max(1) as f32,
    );
    let scale = (rect.width() / w).min(rect.height() / h);
    let place = Rect::from_center_size(rect.center(), vec2(w, h) * scale * zoom);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    painter.image(shown.texture.id(), place, whole, Color32::WHITE);
    if let (Some(judged), true) = (&head.judged, overlay) {
        for finding in judged.findings.iter().filter(|f| f.counted) {
            let b = finding.bbox;
            let at = |x: f32, y: f32| place.min + vec2(x, y) * scale * zoom;
            let found = Rect::from_min_max(at(b.x, b.y), at(b.x + b.w, b.y + b.h));
            let found = found.expand(tokens.mm(0.6));
            let color = match finding.severity {
                Severity::Minor => tokens.colors.high,
                Severity::Major | Severity::Critical => tokens.colors.urgent,
            };
            painter.rect_stroke(
                found,
                0.0,
                Stroke::new(4.0, Color32::WHITE),
                StrokeKind::Middle,
            );
            painter.rect_stroke(found, 0.0, Stroke::new(2.0, color), StrokeKind::Middle);
        }
    }
    place.intersect(rect)
}

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

/// Upright bars that fill a rectangle, with a text under the first and the last.
pub fn columns(ui: &Ui, tokens: &Tokens, rect: Rect, values: &[f32], ends: [&str; 2]) {
    let c = &tokens.colors;
    let foot = tokens.mm(6.0);
    let plot = Rect::from_min_max(rect.min, rect.max - vec2(0.0, foot));
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
