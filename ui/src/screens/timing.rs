//! Screen 8, I/O and timing: where the time of a part goes against its deadline, the gate, the queues.

use crate::pieces;
use crate::view::View;
use eframe::egui::{Align2, Rect, Stroke, StrokeKind, Ui, Vec2, pos2};
use sightline_domain::Disposition;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let timing = &view.snapshot.timing;
    let t = |key: &str| view.texts.t(key).to_owned();
    let (belt, rest) = pieces::split_top(ui.max_rect(), tokens.mm(30.0), gap);
    tracks(ui, view, belt);
    let (left, right) = pieces::split_left(rest, rest.width() * 0.56, gap);
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
        ui.add_space(tokens.gap());
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
        ui.spacing_mut().item_spacing.y = tokens.mm(0.6);
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

/// The parts between trigger and gate, where they are.
fn tracks(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = view.tokens;
    let c = tokens.colors;
    let title = view.texts.t("timing.belt");
    pieces::section(ui, &tokens, rect, title, |ui| {
        let place = ui.available_rect_before_wrap();
        let ends = tokens.mm(16.0);
        let y = place.top() + tokens.mm(5.0);
        let (from, to) = (place.left() + ends, place.right() - ends);
        ui.painter().hline(from..=to, y, Stroke::new(2.0, c.line));
        for (x, key, align) in [
            (place.left(), "timing.trigger", Align2::LEFT_CENTER),
            (place.right(), "timing.gate_here", Align2::RIGHT_CENTER),
        ] {
            let text = view.texts.t(key);
            pieces::fitting(ui, pos2(x, y), align, text, tokens.small(), c.weak, ends);
        }
        let side = tokens.mm(5.0);
        let mut free_from = f32::INFINITY;
        for part in &view.snapshot.timing.belt {
            let x = from + (to - from) * part.way;
            let sign = Rect::from_center_size(pos2(x, y), Vec2::splat(side));
            match part.disposition {
                None => {
                    ui.painter().rect_filled(sign, 0.0, c.panel);
                    let edge = Stroke::new(1.5, c.weak);
                    ui.painter()
                        .rect_stroke(sign, 0.0, edge, StrokeKind::Inside);
                }
                Some(Disposition::Pass) => {
                    ui.painter()
                        .circle_filled(sign.center(), side / 2.0, c.data);
                }
                Some(Disposition::Reject) => pieces::cross(ui, sign, c.urgent, c.on_color),
            }
            // Nearest the gate first; a number that has no room is left out.
            let half = tokens.mm(6.0);
            if x + half <= free_from {
                let at = pos2(x, y + side);
                let number = part.track.to_string();
                let font = tokens.small();
                pieces::fitting(
                    ui,
                    at,
                    Align2::CENTER_CENTER,
                    &number,
                    font,
                    c.text,
                    half * 2.0,
                );
                free_from = x - half;
            }
        }
        let at = pos2(place.left(), y + tokens.mm(10.0));
        let legend = view.texts.t("timing.legend");
        let room = place.width();
        pieces::fitting(
            ui,
            at,
            Align2::LEFT_CENTER,
            legend,
            tokens.small(),
            c.weak,
            room,
        );
    });
}
