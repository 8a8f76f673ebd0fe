//! Screen 4, quality: which defects, how the reject rate goes, scores, times against the deadline, overruled rejects.

use crate::filters;
use crate::pieces::{self, choice};
use crate::view::View;
use eframe::egui::{Align2, Rect, Ui};

/// Bars of the Pareto, at most.
const BARS: usize = 8;
/// Classes whose scores are shown, at most.
const CLASSES: usize = 4;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let quality = view.answers.quality.clone().unwrap_or_default();
    let gap = tokens.gap();
    let (spans, rest) = pieces::split_top(ui.max_rect(), tokens.touch() + gap, 0.0);
    span(ui, view, spans);
    let cells = pieces::grid(rest, 2, 2, gap);
    let t = |key| view.texts.t(key);
    pieces::section(ui, &tokens, cells[0], t("quality.pareto"), |ui| {
        let bar =
            |(class, count): &(String, u64)| (view.cause(class), *count as f32, count.to_string());
        let values: Vec<_> = quality.pareto.iter().take(BARS).map(bar).collect();
        if values.is_empty() {
            ui.label(t("quality.nothing"));
        }
        pieces::bars(ui, &tokens, &values);
    });
    pieces::section(ui, &tokens, cells[1], t("quality.trend"), |ui| {
        let share =
            |(_, parts, rejected): &(u32, u32, u32)| *rejected as f32 / (*parts).max(1) as f32;
        let values: Vec<f32> = quality.trend.iter().map(share).collect();
        let oldest = quality.trend.first().map_or(0, |s| s.0);
        let then = view
            .texts
            .with("quality.ago", &[&filters::span(view, oldest)]);
        let parts: u32 = quality.trend.iter().map(|s| s.1).sum();
        let rejected: u32 = quality.trend.iter().map(|s| s.2).sum();
        let percent = 100.0 * rejected as f32 / parts.max(1) as f32;
        pieces::fact(
            ui,
            &tokens,
            t("quality.rejected"),
            &format!("{percent:.1} %  ({rejected} / {parts})"),
        );
        let good = (parts - rejected.min(parts)) as f32 / parts.max(1) as f32;
        let good = format!("{:.1} %", 100.0 * good);
        pieces::fact(ui, &tokens, t("quality.yield"), &good);
        let plot = ui.available_rect_before_wrap();
        let most = values.iter().copied().fold(0.0, f32::max);
        let top = format!("{:.1} %", 100.0 * most);
        pieces::columns(ui, &tokens, plot, &values, [&then, t("quality.now")], &top);
    });
    pieces::section(ui, &tokens, cells[2], t("quality.scores"), |ui| {
        for (key, (looked_at, wrong)) in [
            ("quality.overkill", quality.rejects_reviewed),
            ("quality.escapes", quality.passes_reviewed),
        ] {
            let percent = 100.0 * wrong as f64 / looked_at.max(1) as f64;
            let share = view.texts.with(
                "quality.share",
                &[&wrong, &looked_at, &format!("{percent:.0}")],
            );
            pieces::fact(ui, &tokens, t(key), &share);
        }
        scores(ui, view, &quality.scores);
    });
    pieces::section(ui, &tokens, cells[3], t("quality.times"), |ui| {
        let values = quality.times.map(|n| n as f32);
        let deadline = format!("{:.0} ms", view.snapshot.recipes.deadline_ms);
        pieces::fact(ui, &tokens, t("quality.deadline"), &deadline);
        pieces::columns(
            ui,
            &tokens,
            ui.available_rect_before_wrap(),
            &values,
            ["0", &deadline],
            &most(&quality.times),
        );
    });
}

/// How many the highest of some columns stands for.
fn most(counts: &[u32]) -> String {
    counts.iter().max().map_or_else(String::new, u32::to_string)
}

/// Scores class by class, those with the most findings first.
fn scores(ui: &Ui, view: &View, scores: &[(String, [u32; 10])]) {
    let tokens = &view.tokens;
    let place = ui.available_rect_before_wrap();
    if scores.is_empty() {
        let at = place.left_center();
        let (text, font) = (view.t("quality.nothing"), tokens.body());
        let color = tokens.colors.weak;
        return pieces::fitting(
            ui,
            at,
            Align2::LEFT_CENTER,
            &text,
            font,
            color,
            place.width(),
        );
    }
    let shown = scores.len().min(CLASSES);
    let cells = pieces::grid(place, shown, 1, tokens.gap() * 2.0);
    for ((class, tenths), cell) in scores.iter().zip(cells) {
        let (head, plot) = pieces::split_top(cell, tokens.mm(6.0), 0.0);
        let (at, font) = (head.left_center(), tokens.small());
        let (name, color) = (view.class(class), tokens.colors.text);
        pieces::fitting(ui, at, Align2::LEFT_CENTER, name, font, color, head.width());
        let values = tenths.map(|n| n as f32);
        pieces::columns(ui, tokens, plot, &values, ["0 %", "100 %"], &most(tenths));
    }
}

/// Of which time the figures are.
fn span(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    pieces::inside(ui, &tokens, rect.expand(tokens.gap()), |ui| {
        ui.horizontal(|ui| {
            for minutes in filters::SPANS.into_iter().filter(|m| *m > 0) {
                let text = filters::span(view, minutes);
                if choice(ui, &tokens, view.chosen.minutes == minutes, &text).clicked() {
                    view.chosen.minutes = minutes;
                    super::enter(view);
                }
            }
        });
    });
}
