//! Screen 10, the audit trail: who did what, old value, new value, why. A row that is touched opens in full.

use crate::dialogs::{self, Dialog};
use crate::pieces;
use crate::view::View;
use eframe::egui::{RichText, ScrollArea, Ui};
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
        let what = action(view, &row.action);
        let cells = [&row.actor, &what, &row.old, &row.new, &row.reason];
        let cells = cells.into_iter().cloned().collect::<Vec<_>>();
        rows.push([vec![view.when(row.at)], cells].concat());
    }
    let touched = pieces::section(ui, &tokens, rect, "", |ui| {
        let hint = RichText::new(view.t("audit.touch")).font(tokens.small());
        ui.label(hint.color(tokens.colors.weak));
        let scroll = ScrollArea::vertical().id_salt("audit");
        let shares = [1.1, 1.2, 2.0, 2.2, 2.2, 2.6];
        scroll
            .show(ui, |ui| pieces::table(ui, &tokens, &shares, &rows, Some(0)))
            .inner
    });
    if let Some(cells) = touched.and_then(|i| rows.get(i)) {
        let facts = rows[0].iter().cloned().zip(cells.iter().cloned());
        view.dialog = Some(Dialog::Details(facts.collect()));
    }
}

/// `verb` or `verb of-what` in the console's language; as it is where no text is known.
fn action(view: &View, action: &str) -> String {
    let (verb, of) = action.split_once(' ').unwrap_or((action, ""));
    let key = format!("act.{}", verb.replace('-', "_"));
    if !view.texts.has(&key) {
        return action.to_owned();
    }
    let of = match verb {
        // The result's id, which says nothing to people.
        "review" => String::new(),
        _ if verb.ends_with("alarm") => super::alarms::title(view, of),
        _ => of.to_owned(),
    };
    format!("{}  {of}", view.t(&key)).trim_end().to_owned()
}
