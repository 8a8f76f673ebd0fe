//! Screen 4, quality: which defects, how the reject rate goes, scores, times against the deadline, overruled rejects.

use crate::filters;
use crate::pieces::{self, choice};
use crate::view::View;
use eframe::egui::{Rect, Ui};

/// Bars of the Pareto, at most.
const BARS: usize = 8;

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
        let plot = ui.available_rect_before_wrap();
        pieces::columns(ui, &tokens, plot, &values, [&then, t("quality.now")]);
    });
    pieces::section(ui, &tokens, cells[2], t("quality.scores"), |ui| {
        let values = quality.scores.map(|n| n as f32);
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
        pieces::columns(
            ui,
            &tokens,
            ui.available_rect_before_wrap(),
            &values,
            ["0 %", "100 %"],
        );
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
        );
    });
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
