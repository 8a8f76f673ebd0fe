//! Screen 3, rejects: the last rejected (or passed) parts, filtered, with their pictures; a person confirms or overrules.

use super::line::why;
use crate::dialogs::{self, Dialog};
use crate::filters::By;
use crate::pieces::{self, button, choice, fitting};
use crate::view::View;
use eframe::egui::{Align2, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind, Ui, vec2};
use sightline_domain::{Disposition, Health};
use sightline_wire::Ask;
use sightline_wire::snapshot::{PartCard, ViewCard};

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let (filters, rest) = pieces::split_top(ui.max_rect(), tokens.touch() + gap, 0.0);
    filter(ui, view, filters);
    let parts: Vec<PartCard> = view.answers.rejects.clone();
    let (list, detail) = pieces::split_left(rest, rest.width() * 0.36, gap);
    pieces::card(ui, &tokens, list);
    if parts.is_empty() {
        let (text, c) = (view.t("rejects.none"), tokens.colors);
        fitting(
            ui,
            list.center(),
            Align2::CENTER_CENTER,
            &text,
            tokens.body(),
            c.weak,
            list.width(),
        );
        return;
    }
    rows(ui, view, &parts, list);
    let chosen = view.chosen.reject;
    let part = parts
        .iter()
        .find(|p| Some(p.seq) == chosen)
        .unwrap_or(&parts[0]);
    one(ui, view, part, detail);
}

/// What the parts are filtered by, each with what is chosen, and the export.
fn filter(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let can_export = view.snapshot.station.can_export;
    pieces::inside(ui, &tokens, rect.expand(tokens.gap()), |ui| {
        ScrollArea::horizontal().id_salt("filter").show(ui, |ui| {
            ui.horizontal(|ui| {
                for by in By::ALL {
                    let label = by.label(view);
                    if choice(ui, &tokens, by.is_set(&view.chosen.filter), &label).clicked() {
                        view.dialog = Some(Dialog::Pick(by));
                    }
                }
                if can_export && button(ui, &tokens, view.texts.t("rejects.export")).clicked() {
                    let meaning = view.t("rejects.export_means");
                    dialogs::confirm(view, Ask::ExportReviewed, meaning);
                }
            });
        });
    });
}

fn rows(ui: &mut Ui, view: &mut View, parts: &[PartCard], rect: Rect) {
    let tokens = view.tokens;
    let builder = eframe::egui::UiBuilder::new().max_rect(rect.shrink(2.0));
    ui.scope_builder(builder, |ui| {
        ScrollArea::vertical().id_salt("rejects").show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (i, part) in parts.iter().enumerate() {
                let size = vec2(ui.available_width(), tokens.touch());
                let (row, response) = ui.allocate_exact_size(size, Sense::click());
                let c = &tokens.colors;
                let chosen = view.chosen.reject.map_or(i == 0, |seq| seq == part.seq);
                if chosen {
                    ui.painter().rect_filled(row, 0.0, c.chosen);
                }
                let cause = why(view, part).first().map(|w| w.0.clone());
                let cause = cause.unwrap_or_else(|| view.t("rejects.good"));
                let name = part
                    .part_id
                    .clone()
                    .unwrap_or_else(|| part.track.to_string());
                let review = match part.overruled {
                    None => "",
                    Some(true) => view.texts.t("rejects.was_good"),
                    Some(false) => view.texts.t("rejects.was_bad"),
                };
                let (up, down) = (
                    vec2(tokens.gap(), -row.height() * 0.2),
                    vec2(tokens.gap(), row.height() * 0.22),
                );
                let at = row.left_center();
                let room = row.width() - 2.0 * tokens.gap();
                fitting(
                    ui,
                    at + up,
                    Align2::LEFT_CENTER,
                    &cause,
                    tokens.body(),
                    c.text,
                    room,
                );
                let lower = format!("{}  #{name}  {review}", view.when(part.decided));
                fitting(
                    ui,
                    at + down,
                    Align2::LEFT_CENTER,
                    &lower,
                    tokens.small(),
                    c.weak,
                    room,
                );
                ui.painter()
                    .hline(row.x_range(), row.bottom(), Stroke::new(1.0, c.line));
                if response.clicked() {
                    view.chosen.reject = Some(part.seq);
                }
            }
        });
    });
}

fn one(ui: &mut Ui, view: &mut View, part: &PartCard, rect: Rect) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let act_height = tokens.touch() + 2.0 * gap;
    let (top, acts) = pieces::split_top(rect, rect.height() - act_height, 0.0);
    let (place, words) = pieces::split_top(top, top.height() * 0.68, gap);
    pieces::card(ui, &tokens, place);
    pictures(ui, view, part, place);
    pieces::section(ui, &tokens, words, "", |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(1.0);
        let took = format!("{:.0} ms", part.took_ms);
        pieces::fact(ui, &tokens, &part.recipe, &took);
        for (what, place) in why(view, part).into_iter().take(4) {
            pieces::fact(ui, &tokens, &what, &place);
        }
    });
    pieces::inside(ui, &tokens, acts, |ui| {
        ui.horizontal(|ui| {
            for (key, means, good) in [
                ("rejects.confirm", "rejects.confirm_means", false),
                ("rejects.overrule", "rejects.overrule_means", true),
            ] {
                if pieces::button(ui, &tokens, view.texts.t(key)).clicked() {
                    let ask = Ask::Overrule {
                        seq: part.seq,
                        good,
                        reason: String::new(),
                    };
                    let meaning = view.texts.with(means, &[&part.track]);
                    dialogs::confirm(view, ask, meaning);
                }
            }
        });
    });
}

/// The views that are why, beside each other.
fn pictures(ui: &mut Ui, view: &mut View, part: &PartCard, rect: Rect) {
    let tokens = view.tokens;
    let kept = part.views.iter().enumerate().filter(|(_, v)| v.has_picture);
    let kept: Vec<u16> = kept.map(|(i, _)| i as u16).collect();
    if kept.is_empty() {
        return no_picture(ui, view, part, rect);
    }
    let columns = if kept.len() > 1 { 2 } else { 1 };
    let cells = pieces::grid(rect.shrink(2.0), columns, kept.len().div_ceil(columns), 2.0);
    for (i, cell) in kept.into_iter().zip(cells) {
        match view.answers.pictures.get(&(part.seq, i)) {
            None => {
                let picture = Ask::Picture {
                    seq: part.seq,
                    view: i,
                };
                if !view.asks.contains(&picture) {
                    view.asks.push(picture);
                }
            }
            Some(None) => {}
            Some(Some(shown)) => {
                pieces::picture(ui, view, shown, cell, 1.0, true);
                let c = &tokens.colors;
                ui.painter()
                    .rect_stroke(cell, 0.0, Stroke::new(1.0, c.line), StrokeKind::Inside);
                let label = &part.views[usize::from(i)].view;
                let strip = Rect::from_min_size(cell.min, vec2(tokens.mm(24.0), tokens.mm(6.5)));
                ui.painter().rect_filled(strip, 0.0, c.panel);
                fitting(
                    ui,
                    strip.center(),
                    Align2::CENTER_CENTER,
                    label,
                    tokens.small(),
                    c.text,
                    strip.width(),
                );
            }
        }
    }
}

/// A picture came, and it is why the part was rejected.
fn was_seen(view: &ViewCard) -> bool {
    view.counted().next().is_some() || view.health.is_some_and(|h| h != Health::Ok)
}

/// Says so, and why there is none.
fn no_picture(ui: &mut Ui, view: &View, part: &PartCard, rect: Rect) {
    let tokens = &view.tokens;
    let why = match &view.snapshot.system.pictures {
        _ if part.disposition == Disposition::Pass => view.t("rejects.no_picture_passed"),
        _ if !part.views.iter().any(was_seen) => view.t("rejects.no_picture_missed"),
        None => view.t("rejects.no_picture_run"),
        Some(kept) => (view.texts).with("rejects.no_picture_gone", &[&kept.left_out]),
    };
    let place = Rect::from_center_size(rect.center(), vec2(rect.width(), tokens.mm(30.0)));
    pieces::inside(ui, tokens, place, |ui| {
        ui.label(RichText::new(view.t("rejects.no_picture")).font(tokens.title()));
        ui.label(RichText::new(why).color(tokens.colors.weak));
        if let Some(fault) = part.views.iter().find_map(|v| v.fault.as_deref()) {
            ui.label(RichText::new(fault).color(tokens.colors.weak));
        }
    });
}
