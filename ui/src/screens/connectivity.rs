//! Screen 9, connectivity: the broker, what waits for it, what it has acknowledged.

use crate::pieces::{self, Condition};
use crate::view::View;
use eframe::egui::Ui;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let t = |key: &str| view.texts.t(key).to_owned();
    let rect = ui.max_rect();
    let (left, _) = pieces::split_left(rect, rect.width() * 0.62, tokens.gap());
    pieces::section(ui, &tokens, left, &t("connectivity.mes"), |ui| {
        let Some(uplink) = &view.snapshot.uplink else {
            ui.label(t("connectivity.none"));
            return;
        };
        let (condition, text) = if uplink.connected {
            (Condition::Good, t("connectivity.connected"))
        } else {
            (Condition::Bad, t("connectivity.away"))
        };
        pieces::lamp(ui, &tokens, condition, &text);
        pieces::fact(ui, &tokens, &t("connectivity.broker"), &uplink.broker);
        pieces::fact(ui, &tokens, &t("connectivity.topics"), &uplink.topic_root);
        let numbers = [
            ("connectivity.pending", uplink.pending),
            ("connectivity.acknowledged", uplink.acknowledged),
            ("connectivity.published", uplink.published),
            ("connectivity.refused", uplink.refused),
            ("connectivity.connections", uplink.connections),
        ];
        for (key, number) in numbers {
            pieces::fact(ui, &tokens, &t(key), &number.to_string());
        }
    });
}
