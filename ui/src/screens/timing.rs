//! Screen 8, I/O and timing: where the time of a part goes against its deadline, the gate, the queues.

use crate::pieces;
use crate::view::View;
use eframe::egui::Ui;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let timing = &view.snapshot.timing;
    let t = |key: &str| view.texts.t(key).to_owned();
    let (left, right) = pieces::split_left(ui.max_rect(), ui.max_rect().width() * 0.56, gap);
    pieces::section(ui, &tokens, left, &t("timing.stages"), |ui| {
        let heads = ["timing.stage", "timing.p50", "timing.p99", "timing.max"];
        let mut rows = vec![heads.map(t).to_vec()];
        let ms = |us: u64| format!("{:.1}", us as f64 / 1e3);
        for s in &timing.stages {
            let name = t(&format!(
                "stage.{}",
                format!("{:?}", s.stage).to_lowercase()
            ));
            rows.push(vec![name, ms(s.p50_us), ms(s.p99_us), ms(s.max_us)]);
        }
        pieces::table(ui, &tokens, &[3.0, 1.0, 1.0, 1.0], &rows, None);
        let deadline = view.snapshot.recipes.deadline_ms;
        let worst = timing.stages.last().map_or(0.0, |s| s.max_us as f32 / 1e3);
        pieces::fact(
            ui,
            &tokens,
            &t("timing.deadline"),
            &format!("{deadline:.0} ms"),
        );
        let margin = format!("{:.0} ms", deadline - worst);
        pieces::fact(ui, &tokens, &t("timing.margin"), &margin);
    });
    let (gate_at, queues) = pieces::split_top(right, right.height() * 0.42, gap);
    pieces::section(ui, &tokens, gate_at, &t("timing.gate"), |ui| {
        let Some(gate) = &timing.gate else {
            ui.label(t("timing.no_gate"));
            return;
        };
        let open = view.snapshot.line.open_parts.to_string();
        pieces::fact(ui, &tokens, &t("timing.open"), &open);
        pieces::fact(ui, &tokens, &t("timing.coming"), &gate.coming.to_string());
        pieces::fact(ui, &tokens, &t("timing.rejects"), &gate.rejects.to_string());
        pieces::fact(
            ui,
            &tokens,
            &t("timing.confirmed"),
            &gate.confirmed.to_string(),
        );
        pieces::fact(
            ui,
            &tokens,
            &t("timing.unconfirmed"),
            &gate.unconfirmed.to_string(),
        );
        pieces::fact(ui, &tokens, &t("timing.late"), &gate.late.to_string());
    });
    pieces::section(ui, &tokens, queues, &t("timing.queues"), |ui| {
        let heads = [
            "timing.queue",
            "timing.depth",
            "timing.most",
            "timing.bound",
        ];
        let mut rows = vec![heads.map(t).to_vec()];
        for q in &timing.queues {
            let numbers = [q.depth, q.high_water, q.capacity].map(|n| n.to_string());
            rows.push([vec![q.name.clone()], numbers.to_vec()].concat());
        }
        eframe::egui::ScrollArea::vertical()
            .id_salt("queues")
            .show(ui, |ui| {
                pieces::table(ui, &tokens, &[3.0, 1.0, 1.0, 1.2], &rows, None);
            });
    });
}
