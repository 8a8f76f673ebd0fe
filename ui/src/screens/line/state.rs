//! How the line stands: counts, rates, lamps; start and stop.

use crate::dialogs;
use crate::frame;
use crate::pieces::{self, Condition};
use crate::view::{Shown, View};
use eframe::egui::{Align2, Rect, RichText, Sense, Ui, vec2};
use sightline_domain::Health;
use sightline_wire::Ask;
use sightline_wire::snapshot::{CameraState, LineState};

pub fn facts(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let line = &view.snapshot.line;
    let decided = (line.ok + line.not_ok + line.not_decidable).max(1) as f64;
    let percent = 100.0 * line.ok as f64 / decided;
    pieces::section(ui, tokens, rect, "", |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(0.8);
        let figures = [
            ("line.good", line.ok.to_string()),
            ("line.rejected", line.rejected.to_string()),
            ("line.yield", format!("{percent:.1} %")),
        ];
        large(ui, view, &figures);
        let rate = format!("{:.0} / min", line.per_minute);
        pieces::fact(ui, tokens, view.texts.t("line.rate"), &rate);
        let streak = line.reject_streak.to_string();
        pieces::fact(ui, tokens, view.texts.t("line.streak"), &streak);
        ui.add_space(tokens.mm(1.0));
        for pair in lamps(view).chunks(2) {
            ui.columns(2, |columns| {
                for (column, (condition, text)) in columns.iter_mut().zip(pair) {
                    pieces::lamp(column, tokens, *condition, text);
                }
            });
        }
    });
}

/// Figures that are read from two metres, beside each other.
fn large(ui: &mut Ui, view: &View, figures: &[(&str, String)]) {
    let (tokens, c) = (&view.tokens, &view.tokens.colors);
    let size = vec2(ui.available_width(), tokens.mm(17.0));
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let cells = pieces::grid(rect, figures.len(), 1, tokens.gap());
    let mut font = tokens.headline();
    for ((_, figure), cell) in figures.iter().zip(&cells) {
        font = pieces::shrunk(ui, figure, font, cell.width());
    }
    for ((key, figure), cell) in figures.iter().zip(cells) {
        let (upper, lower) = pieces::split_top(cell, tokens.mm(11.5), 0.0);
        let (at, align) = (upper.left_center(), Align2::LEFT_CENTER);
        ui.painter().text(at, align, figure, font.clone(), c.text);
        let (at, small, room) = (lower.left_center(), tokens.small(), cell.width());
        pieces::shrinking(ui, at, align, view.texts.t(key), small, c.weak, room);
    }
}

/// Cameras, engines, MES, disk.
fn lamps(view: &View) -> [(Condition, String); 4] {
    let snapshot = &view.snapshot;
    let live = |s: CameraState| matches!(s, CameraState::Live | CameraState::Ended);
    let down = snapshot.cameras.iter().filter(|c| !live(c.state)).count();
    let unfit = |p: &Shown| p.head.health != Health::Ok;
    let cameras = match down {
        0 if view.pictures.values().any(unfit) => Condition::Warning,
        0 => Condition::Good,
        _ => Condition::Bad,
    };
    let (engines, expected) = snapshot.line.engines;
    let mes = match &snapshot.uplink {
        None => Condition::Warning,
        Some(uplink) if uplink.connected => Condition::Good,
        Some(_) => Condition::Bad,
    };
    let (free, all) = snapshot.system.disk;
    let disk = match 100 * free / all.max(1) {
        0..=2 => Condition::Bad,
        3..=10 => Condition::Warning,
        _ => Condition::Good,
    };
    let bad_if = |bad| if bad { Condition::Bad } else { Condition::Good };
    [
        (cameras, view.t("line.cameras")),
        (bad_if(engines < expected), view.t("line.engines")),
        (mes, view.t("line.mes")),
        (disk, view.t("line.disk")),
    ]
}

/// Start or stop, and which of them holds.
pub fn act(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    pieces::card(ui, &tokens, rect);
    let stopped = view.snapshot.line.state == LineState::Stopped;
    let (key, meaning, ask) = if stopped {
        ("line.start", "line.start_means", Ask::StartLine)
    } else {
        ("line.stop", "line.stop_means", Ask::StopLine)
    };
    let pressed = pieces::inside(ui, &tokens, rect, |ui| {
        ui.horizontal(|ui| {
            let button = pieces::big_button(ui, &tokens, view.texts.t(key));
            let state = RichText::new(frame::state(view)).font(tokens.number());
            ui.label(state);
            button.clicked()
        })
        .inner
    });
    if pressed {
        let meaning = view.t(meaning);
        dialogs::confirm(view, ask, meaning);
    }
}
