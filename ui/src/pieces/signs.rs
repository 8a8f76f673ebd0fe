//! Signs for how something stands: a shape and words, never colour alone.

use super::fitting;
use crate::tokens::Tokens;
use eframe::egui::{Align2, Color32, FontId, Rect, Sense, Shape, Stroke, Ui, Vec2, pos2, vec2};
use sightline_domain::{AlarmSeverity, Evaluation};

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// As it should be.
    Good,
    /// Something is being done.
    Going,
    /// To be looked at.
    Warning,
    /// Not as it should be.
    Bad,
}

/// An empty ring, three dots, a triangle, or a filled square with a cross.
pub fn sign(ui: &Ui, tokens: &Tokens, condition: Condition, sign: Rect) {
    let (c, painter) = (&tokens.colors, ui.painter());
    match condition {
        Condition::Good => {
            painter.circle_stroke(sign.center(), sign.width() / 2.4, Stroke::new(2.0, c.weak));
        }
        Condition::Going => {
            for i in 0..3 {
                let x = sign.left() + sign.width() * (0.2 + 0.3 * i as f32);
                painter.circle_filled(pos2(x, sign.center().y), sign.width() * 0.1, c.text);
            }
        }
        Condition::Warning => {
            painter.add(triangle(sign, c.high));
        }
        Condition::Bad => cross(ui, sign, c.urgent, c.on_color),
    }
}

/// A sign and what it is about. Never colour alone.
pub fn lamp(ui: &mut Ui, tokens: &Tokens, condition: Condition, text: &str) {
    let height = tokens.mm(6.5);
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    let place = Rect::from_min_size(rect.min, Vec2::splat(height)).shrink(tokens.mm(0.8));
    sign(ui, tokens, condition, place);
    let at = pos2(place.right() + tokens.mm(1.5), rect.center().y);
    let c = &tokens.colors;
    let color = match condition {
        Condition::Good => c.weak,
        _ => c.text,
    };
    let (align, font) = (Align2::LEFT_CENTER, tokens.body());
    fitting(ui, at, align, text, font, color, rect.right() - at.x);
}

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

/// The colour of an evaluation.
pub fn verdict_color(tokens: &Tokens, evaluation: Evaluation) -> Color32 {
    match evaluation {
        Evaluation::OK => tokens.colors.pass,
        Evaluation::NotOK => tokens.colors.urgent,
        Evaluation::NotDecidable | Evaluation::Undefined => tokens.colors.high,
    }
}
