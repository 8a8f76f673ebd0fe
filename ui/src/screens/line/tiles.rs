//! What the cameras see, each with what was found on the very same frame.

use crate::pieces::{self, fitting};
use crate::view::View;
use eframe::egui::{Align2, Rect, Sense, Stroke, StrokeKind, Ui, vec2};
use sightline_domain::Health;
use sightline_wire::PreviewRequest;
use sightline_wire::snapshot::CameraState;

/// Width to height that a tile's picture is given.
const TILE_SHAPE: f32 = 4.0 / 3.0;

/// Columns that make the tiles largest.
fn columns(count: usize, rect: Rect, head: f32) -> usize {
    let size = |columns: usize| {
        let rows = count.div_ceil(columns);
        let (w, h) = (
            rect.width() / columns as f32,
            rect.height() / rows as f32 - head,
        );
        w.min(h * TILE_SHAPE)
    };
    let better = |a: &usize, b: &usize| size(*a).total_cmp(&size(*b));
    (1..=count.max(1)).max_by(better).unwrap_or(1)
}

pub fn tiles(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let count = view.snapshot.cameras.len();
    if count == 0 {
        return;
    }
    let head = tokens.mm(7.0);
    let columns = columns(count, rect, head);
    let cells = pieces::grid(rect, columns, count.div_ceil(columns), tokens.gap());
    for (i, cell) in cells.into_iter().take(count).enumerate() {
        let (title, place) = pieces::split_top(cell, head, 0.0);
        pieces::card(ui, &tokens, cell);
        tile_title(ui, view, i, title);
        let place = place.shrink(2.0);
        view.wishes.push(PreviewRequest {
            camera: i as u16,
            width: place.width() as u16,
            height: place.height() as u16,
        });
        tile(ui, view, i, place);
        let press = ui.interact(cell, ui.scope_id().with(("tile", i)), Sense::click());
        if press.clicked() {
            view.chosen.camera = i;
            view.screen = crate::view::Screen::Camera;
        }
    }
}

fn tile_title(ui: &Ui, view: &View, i: usize, rect: Rect) {
    let (tokens, camera) = (&view.tokens, &view.snapshot.cameras[i]);
    let c = &tokens.colors;
    let pad = tokens.mm(1.5);
    let live = camera.state == CameraState::Live;
    let text = if live {
        format!("{:.1} / s", camera.fps)
    } else {
        view.t(&format!("camera_state.{}", state_name(camera.state)))
    };
    let color = if live { c.weak } else { c.text };
    let half = rect.width() / 2.0;
    let (left, right) = (
        rect.left_center() + vec2(pad, 0.0),
        rect.right_center() - vec2(pad, 0.0),
    );
    fitting(
        ui,
        left,
        Align2::LEFT_CENTER,
        &camera.name,
        tokens.body(),
        c.text,
        half,
    );
    fitting(
        ui,
        right,
        Align2::RIGHT_CENTER,
        &text,
        tokens.small(),
        color,
        half,
    );
}

/// The key of a camera's state.
pub fn state_name(state: CameraState) -> String {
    format!("{state:?}").to_lowercase()
}

fn tile(ui: &Ui, view: &View, i: usize, rect: Rect) {
    let tokens = &view.tokens;
    let Some(shown) = view.pictures.get(&(i as u16)) else {
        return no_picture(ui, view, rect);
    };
    let place = pieces::picture(ui, view, shown, rect, 1.0, true);
    let judged = shown.head.judged.as_ref();
    let bad = judged.is_some_and(|j| j.findings.iter().any(|f| f.counted));
    if bad {
        let stroke = Stroke::new(tokens.mm(0.8), tokens.colors.urgent);
        ui.painter()
            .rect_stroke(place, 0.0, stroke, StrokeKind::Inside);
    }
    strip(ui, view, i, rect);
}

/// In the place of a picture that has not come yet.
pub fn no_picture(ui: &Ui, view: &View, rect: Rect) {
    let (text, tokens) = (view.t("line.no_picture"), &view.tokens);
    let (at, align) = (rect.center(), Align2::CENTER_CENTER);
    let (font, color) = (tokens.body(), tokens.colors.weak);
    fitting(ui, at, align, &text, font, color, rect.width());
}

/// A camera that gives no pictures, or unfit ones, shows its last one only behind the word for it.
pub fn strip(ui: &Ui, view: &View, i: usize, rect: Rect) {
    let (tokens, c) = (&view.tokens, &view.tokens.colors);
    let state = view.snapshot.cameras[i].state;
    let shown = view.pictures.get(&(i as u16));
    let health = shown.map_or(Health::Ok, |s| s.head.health);
    let words = match state {
        CameraState::Live | CameraState::Ended if health == Health::Ok => return,
        CameraState::Live | CameraState::Unusable | CameraState::Ended if health != Health::Ok => {
            view.t(&format!("health.{}", format!("{health:?}").to_lowercase()))
        }
        state => view.t(&format!("camera_state.{}", state_name(state))),
    };
    let strip = Rect::from_center_size(rect.center(), vec2(rect.width(), tokens.mm(12.0)));
    ui.painter().rect_filled(strip, 0.0, c.high);
    let (at, font) = (strip.center(), tokens.number());
    let room = strip.width() - tokens.gap();
    pieces::shrinking(
        ui,
        at,
        Align2::CENTER_CENTER,
        &words,
        font,
        c.on_color,
        room,
    );
}
