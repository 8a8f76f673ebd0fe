//! Screen 2, one camera: its picture large, still or live, with or without overlays, and everything it counts.

use super::line::state_name;
use crate::pieces::{self, choice};
use crate::view::View;
use eframe::egui::{Rect, ScrollArea, Ui};
use sightline_wire::PreviewRequest;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let count = view.snapshot.cameras.len();
    if count == 0 {
        return;
    }
    view.chosen.camera = view.chosen.camera.min(count - 1);
    let gap = tokens.gap();
    let (left, right) = pieces::split_left(ui.max_rect(), ui.max_rect().width() * 0.68, gap);
    let (names, rest) = pieces::split_top(left, tokens.touch() + 2.0 * gap, 0.0);
    choose(ui, view, names);
    let (place, tools) = pieces::split_top(rest, rest.height() - tokens.touch() - gap, gap);
    pieces::card(ui, &tokens, place);
    let i = view.chosen.camera as u16;
    if !view.chosen.paused {
        let zoom = view.chosen.zoom;
        view.wishes.push(PreviewRequest {
            camera: i,
            width: (place.width() * zoom) as u16,
            height: (place.height() * zoom) as u16,
        });
    }
    if let Some(shown) = view.pictures.get(&i) {
        let overlay = !view.chosen.no_overlay;
        pieces::picture(
            ui,
            view,
            shown,
            place.shrink(2.0),
            view.chosen.zoom,
            overlay,
        );
        super::line::strip(ui, view, view.chosen.camera, place.shrink(2.0));
    } else {
        super::line::no_picture(ui, view, place);
    }
    buttons(ui, view, tools);
    let (histogram, facts) = pieces::split_top(right, right.height() * 0.34, gap);
    levels(ui, view, histogram);
    counters(ui, view, facts);
}

fn choose(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    pieces::inside(ui, &tokens, rect.expand(tokens.gap()), |ui| {
        ScrollArea::horizontal().show(ui, |ui| {
            ui.horizontal(|ui| {
                for i in 0..view.snapshot.cameras.len() {
                    let name = &view.snapshot.cameras[i].name;
                    if choice(ui, &tokens, i == view.chosen.camera, name).clicked() {
                        view.chosen.camera = i;
                        view.chosen.paused = false;
                    }
                }
            });
        });
    });
}

fn buttons(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    pieces::inside(ui, &tokens, rect.expand(tokens.gap()), |ui| {
        ui.horizontal(|ui| {
            let (pause, overlay) = (view.t("camera.pause"), view.t("camera.overlay"));
            if choice(ui, &tokens, view.chosen.paused, &pause).clicked() {
                view.chosen.paused = !view.chosen.paused;
            }
            if choice(ui, &tokens, !view.chosen.no_overlay, &overlay).clicked() {
                view.chosen.no_overlay = !view.chosen.no_overlay;
            }
            for zoom in [1.0, 2.0, 4.0] {
                let text = format!("{zoom:.0} x");
                if choice(ui, &tokens, view.chosen.zoom == zoom, &text).clicked() {
                    view.chosen.zoom = zoom;
                }
            }
        });
    });
}

fn levels(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let shown = view.pictures.get(&(view.chosen.camera as u16));
    pieces::section(ui, tokens, rect, view.texts.t("camera.levels"), |ui| {
        let Some(shown) = shown else { return };
        let plot = ui.available_rect_before_wrap();
        let (plot, foot) = pieces::split_top(plot, plot.height() - tokens.mm(7.0), 0.0);
        let values = shown.histogram.map(|n| (n as f32).sqrt());
        pieces::columns(ui, tokens, plot, &values, ["0", "255"], "");
        pieces::inside(ui, tokens, foot.expand(tokens.gap()), |ui| {
            let focus = format!("{:.1}", shown.focus);
            pieces::fact(ui, tokens, view.texts.t("camera.focus"), &focus);
        });
    });
}

fn counters(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let camera = &view.snapshot.cameras[view.chosen.camera];
    let t = |key| view.texts.t(key);
    pieces::section(ui, tokens, rect, &camera.name, |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(0.6);
        let state = view.t(&format!("camera_state.{}", state_name(camera.state)));
        pieces::fact(ui, tokens, t("camera.state"), &state);
        if !camera.reason.is_empty() && camera.state != sightline_wire::snapshot::CameraState::Live
        {
            ui.label(eframe::egui::RichText::new(&camera.reason).font(tokens.small()));
        }
        pieces::fact(
            ui,
            tokens,
            t("camera.rate"),
            &format!("{:.1} / s", camera.fps),
        );
        pieces::fact(ui, tokens, t("camera.frames"), &camera.frames.to_string());
        pieces::fact(ui, tokens, t("camera.lost"), &camera.lost.to_string());
        pieces::fact(ui, tokens, t("camera.dropped"), &camera.dropped.to_string());
        pieces::fact(
            ui,
            tokens,
            t("camera.missed"),
            &camera.missed_views.to_string(),
        );
        let keys = [
            "frozen",
            "toodark",
            "toobright",
            "outoffocus",
            "corrupt",
            "flat",
        ];
        for (key, count) in keys.iter().zip(camera.unhealthy) {
            let name = view.t(&format!("health.{key}"));
            pieces::fact(ui, tokens, &name, &count.to_string());
        }
        pieces::fact(ui, tokens, t("camera.copied"), &camera.copied.to_string());
    });
}
