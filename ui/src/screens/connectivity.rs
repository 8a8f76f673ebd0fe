//! Screen 9, connectivity: the broker, what waits for it, what it has acknowledged.

use crate::pieces::{self, Condition};
use crate::view::View;
use eframe::egui::Ui;

/// Days before its end at which a certificate is to be renewed, as the alarm says.
const SOON: i32 = 30;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let t = |key: &str| view.texts.t(key).to_owned();
    let rect = ui.max_rect();
    let (left, right) = pieces::split_left(rect, rect.width() * 0.62, tokens.gap());
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
        let last = match uplink.last_acknowledged {
            Some(at) => view.when(at),
            None => t("connectivity.never"),
        };
        pieces::fact(ui, &tokens, &t("connectivity.last"), &last);
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
    pieces::section(ui, &tokens, right, &t("connectivity.certificates"), |ui| {
        let uplink = view.snapshot.uplink.as_ref();
        let all = uplink.map_or(&[][..], |u| &u.certificates);
        if all.is_empty() {
            ui.label(t("connectivity.no_certificates"));
        }
        for certificate in all {
            let days = certificate.days_left;
            let (condition, key) = match days {
                ..0 => (Condition::Bad, "connectivity.expired"),
                0..SOON => (Condition::Warning, "connectivity.days_left"),
                _ => (Condition::Good, "connectivity.days_left"),
            };
            pieces::lamp(ui, &tokens, condition, &view.texts.with(key, &[&days]));
            pieces::fact(ui, &tokens, &certificate.field, &certificate.path);
        }
    });
}
