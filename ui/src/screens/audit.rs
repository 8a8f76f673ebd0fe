//! Screen 10, the audit trail: who did what, old value, new value, why.

use crate::dialogs;
use crate::pieces;
use crate::view::View;
use eframe::egui::{ScrollArea, Ui};
use sightline_wire::Ask;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let rect = ui.max_rect();
    let needed = (Ask::Audit { limit: 0 }).needs();
    if view.session.role < needed {
        let pressed = pieces::section(ui, &tokens, rect, "", |ui| {
            ui.label(view.t("audit.needs"));
            pieces::button(ui, &tokens, view.texts.t("dialog.log_in")).clicked()
        });
        if pressed {
            view.dialog = Some(dialogs::log_in(view, needed));
        }
        return;
    }
    let t = |key: &str| view.texts.t(key).to_owned();
    let heads = [
        "audit.at",
        "audit.who",
        "audit.what",
        "audit.old",
        "audit.new",
        "audit.why",
    ];
    let mut rows = vec![heads.map(t).to_vec()];
    for row in view.answers.audit.iter().flatten() {
        let key = format!(
            "act.{}",
            row.action
                .split(' ')
                .next()
                .unwrap_or_default()
                .replace('-', "_")
        );
        let what = if view.texts.has(&key) {
            view.t(&key)
        } else {
            row.action.clone()
        };
        let cells = [&row.actor, &what, &row.old, &row.new, &row.reason];
        let cells = cells.into_iter().cloned().collect::<Vec<_>>();
        rows.push([vec![View::clock(row.at)], cells].concat());
    }
    pieces::section(ui, &tokens, rect, "", |ui| {
        ScrollArea::vertical().id_salt("audit").show(ui, |ui| {
            pieces::table(ui, &tokens, &[1.1, 1.2, 2.0, 2.2, 2.2, 2.6], &rows, None);
        });
    });
}
