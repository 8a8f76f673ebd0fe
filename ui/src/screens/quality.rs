//! Screen 4, quality: which defects, how the reject rate goes, scores, times against the deadline, overruled rejects.

use crate::pieces;
use crate::view::View;
use eframe::egui::Ui;

/// Bars of the Pareto, at most.
const BARS: usize = 8;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let Some(quality) = view.answers.quality.clone() else {
        return;
    };
    let cells = pieces::grid(ui.max_rect(), 2, 2, tokens.gap());
    let t = |key| view.texts.t(key);
    pieces::section(ui, &tokens, cells[0], t("quality.pareto"), |ui| {
        let bar = |(class, count): &(String, u64)| {
            (
                view.class(class).to_owned(),
                *count as f32,
                count.to_string(),
            )
        };
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
        let then = view.texts.with("quality.minutes_ago", &[&oldest]);
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
        let good = quality.reviewed.1;
        let reviews = view
            .texts
            .with("quality.reviews", &[&quality.reviewed.0, &good]);
        pieces::fact(ui, &tokens, t("quality.reviewed"), &reviews);
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
