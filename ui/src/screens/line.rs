//! Screen 1, the line: what the cameras see, the last part's verdict and why, counts, rates, lamps, start and stop.

use crate::dialogs;
use crate::pieces::{self, Condition, fitting};
use crate::view::View;
use eframe::egui::{Align2, Rect, Sense, Stroke, StrokeKind, Ui, vec2};
use sightline_model::{Disposition, Evaluation};
use sightline_wire::snapshot::{CameraState, LineState, PartCard};
use sightline_wire::{Ask, Wish};

/// Width to height that a tile's picture is given.
const TILE_SHAPE: f32 = 4.0 / 3.0;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let rect = ui.max_rect();
    let gap = tokens.gap();
    let (tiles_at, right) = pieces::split_left(rect, rect.width() * 0.66, gap);
    tiles(ui, view, tiles_at);
    let (verdict_at, rest) = pieces::split_top(right, right.height() * 0.42, gap);
    let foot = tokens.big_touch() + 2.0 * gap;
    let (facts_at, act_at) = pieces::split_top(rest, rest.height() - foot - gap, gap);
    verdict(ui, view, verdict_at);
    facts(ui, view, facts_at);
    act(ui, view, act_at);
}

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

fn tiles(ui: &mut Ui, view: &mut View, rect: Rect) {
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
        view.wishes.push(Wish {
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
    let c = &tokens.colors;
    let camera = &view.snapshot.cameras[i];
    let Some(shown) = view.pictures.get(&(i as u16)) else {
        let text = view.t("line.no_picture");
        fitting(
            ui,
            rect.center(),
            Align2::CENTER_CENTER,
            &text,
            tokens.body(),
            c.weak,
            rect.width(),
        );
        return;
    };
    let place = pieces::picture(ui, view, shown, rect, 1.0, true);
    let judged = shown.head.judged.as_ref();
    let bad = judged.is_some_and(|j| j.findings.iter().any(|f| f.counted));
    if bad {
        let stroke = Stroke::new(tokens.mm(0.8), c.urgent);
        ui.painter()
            .rect_stroke(place, 0.0, stroke, StrokeKind::Inside);
    }
    // A camera that gives no pictures shows its last one only behind the word for it.
    let unfit = shown.head.health != sightline_model::Health::Ok;
    let words = match camera.state {
        CameraState::Live | CameraState::Ended if !unfit => return,
        CameraState::Live | CameraState::Ended => view.t(&format!(
            "health.{}",
            format!("{:?}", shown.head.health).to_lowercase()
        )),
        state => view.t(&format!("camera_state.{}", state_name(state))),
    };
    let strip = Rect::from_center_size(rect.center(), vec2(rect.width(), tokens.mm(10.0)));
    ui.painter().rect_filled(strip, 0.0, c.high);
    fitting(
        ui,
        strip.center(),
        Align2::CENTER_CENTER,
        &words,
        tokens.title(),
        c.on_color,
        strip.width(),
    );
}

/// The word for a part: what the gate did is what matters to the line.
fn word(part: &PartCard) -> &'static str {
    match (part.disposition, part.evaluation) {
        (Disposition::Pass, _) => "line.pass",
        (Disposition::Reject, Evaluation::NotOK) => "line.fail",
        (Disposition::Reject, _) => "line.unsure",
    }
}

fn verdict(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let c = &tokens.colors;
    pieces::card(ui, tokens, rect);
    let Some(part) = view.snapshot.parts.first() else {
        let text = view.t("line.no_part");
        fitting(
            ui,
            rect.center(),
            Align2::CENTER_CENTER,
            &text,
            tokens.title(),
            c.weak,
            rect.width(),
        );
        return;
    };
    let (plate, rest) = pieces::split_top(rect, rect.height() * 0.46, 0.0);
    let color = match part.disposition {
        Disposition::Pass => c.pass,
        Disposition::Reject => pieces::verdict_color(tokens, part.evaluation),
    };
    ui.painter().rect_filled(plate, 2.0, color);
    let mut font = tokens.verdict();
    font.size = font.size.min(plate.height() * 0.8);
    let text = view.t(word(part));
    fitting(
        ui,
        plate.center(),
        Align2::CENTER_CENTER,
        &text,
        font,
        c.on_color,
        plate.width(),
    );
    pieces::inside(ui, tokens, rest, |ui| {
        let name = part
            .part_id
            .clone()
            .unwrap_or_else(|| part.track.to_string());
        let took = view
            .texts
            .with("line.part", &[&name, &format!("{:.0}", part.took_ms)]);
        ui.label(took);
        for text in why(view, part).into_iter().take(4) {
            pieces::fact(ui, tokens, &text.0, &text.1);
        }
    });
}

/// Why a part is not good: findings with their views, then missing and unfit views, then the gate's reason.
pub fn why(view: &View, part: &PartCard) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (place, finding) in part.causes() {
        let name = view.class(&finding.class).to_owned();
        all.push((
            name,
            format!("{} {:.0} %", place.view, finding.score * 100.0),
        ));
    }
    for place in &part.views {
        if let Some(missed) = place.missed {
            let text = view.t(&format!("missed.{}", format!("{missed:?}").to_lowercase()));
            all.push((text, place.view.clone()));
        }
        if let Some(health) = place.health.filter(|h| *h != sightline_model::Health::Ok) {
            let text = view.t(&format!("health.{}", format!("{health:?}").to_lowercase()));
            all.push((text, place.view.clone()));
        }
    }
    if all.is_empty() && part.disposition == Disposition::Reject {
        let reason = format!("{:?}", part.reason).to_lowercase();
        all.push((view.t(&format!("reject.{reason}")), String::new()));
    }
    all
}

fn facts(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let line = &view.snapshot.line;
    let decided = (line.ok + line.not_ok + line.not_decidable).max(1) as f64;
    pieces::section(ui, tokens, rect, "", |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(0.8);
        let percent = 100.0 * line.ok as f64 / decided;
        pieces::fact(
            ui,
            tokens,
            view.texts.t("line.good"),
            &format!("{}", line.ok),
        );
        pieces::fact(
            ui,
            tokens,
            view.texts.t("line.rejected"),
            &format!("{}", line.rejected),
        );
        pieces::fact(
            ui,
            tokens,
            view.texts.t("line.yield"),
            &format!("{percent:.1} %"),
        );
        let rate = format!("{:.0} / min", line.per_minute);
        pieces::fact(ui, tokens, view.texts.t("line.rate"), &rate);
        pieces::fact(
            ui,
            tokens,
            view.texts.t("line.streak"),
            &line.reject_streak.to_string(),
        );
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

/// Cameras, engines, MES, disk.
fn lamps(view: &View) -> [(Condition, String); 4] {
    let snapshot = &view.snapshot;
    let live = |s: CameraState| matches!(s, CameraState::Live | CameraState::Ended);
    let down = snapshot.cameras.iter().filter(|c| !live(c.state)).count();
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
        (bad_if(down > 0), view.t("line.cameras")),
        (bad_if(engines < expected), view.t("line.engines")),
        (mes, view.t("line.mes")),
        (disk, view.t("line.disk")),
    ]
}

fn act(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    pieces::card(ui, &tokens, rect);
    let state = view.snapshot.line.state;
    let stopped = state == LineState::Stopped;
    let (key, meaning, ask) = if stopped {
        ("line.start", "line.start_means", Ask::StartLine)
    } else {
        ("line.stop", "line.stop_means", Ask::StopLine)
    };
    let pressed = pieces::inside(ui, &tokens, rect, |ui| {
        pieces::big_button(ui, &tokens, view.texts.t(key)).clicked()
    });
    if pressed {
        let meaning = view.t(meaning);
        dialogs::confirm(view, ask, meaning);
    }
}
