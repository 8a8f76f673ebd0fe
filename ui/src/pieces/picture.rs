//! A picture with what was found on the very same frame.

use crate::view::{Shown, View};
use eframe::egui::{Color32, Pos2, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};
use sightline_domain::Severity;

/// A picture as large as fits into `rect`, with the boxes and outlines found on the very same frame. Returns where it lies.
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
            if finding.contour.len() > 2 {
                let points = finding.contour.iter();
                let points = points.map(|[x, y]| at(f32::from(*x), f32::from(*y)));
                let line: Vec<Pos2> = points.collect();
                painter.add(Shape::closed_line(
                    line.clone(),
                    Stroke::new(4.0, Color32::WHITE),
                ));
                painter.add(Shape::closed_line(line, Stroke::new(2.0, color)));
                continue;
            }
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
