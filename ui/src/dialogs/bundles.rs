//! Which bundle is to be installed.

use super::confirm;
use crate::pieces::{self, button};
use crate::view::View;
use eframe::egui::{RichText, ScrollArea, Ui};
use sightline_wire::Ask;

/// False: it is over.
pub(super) fn show(ui: &mut Ui, view: &mut View) -> bool {
    let tokens = view.tokens;
    let room = ui.ctx().content_rect();
    ui.set_width(tokens.mm(220.0).min(room.width() * 0.9));
    let t = |key: &str| view.texts.t(key).to_owned();
    ui.label(RichText::new(t("bundles.title")).font(tokens.title()));
    let bundles = match &view.answers.bundles {
        None => {
            ui.label(t("bundles.looking"));
            Vec::new()
        }
        Some(none) if none.is_empty() => {
            ui.label(t("bundles.none"));
            Vec::new()
        }
        Some(bundles) => bundles.clone(),
    };
    let heads = [
        "bundles.file",
        "bundles.place",
        "bundles.size",
        "bundles.changed",
    ];
    let mut rows = vec![heads.map(t).to_vec()];
    for b in &bundles {
        let place = b.stick.clone().unwrap_or_else(|| t("bundles.inbox"));
        let size = format!("{:.1} MB", b.bytes as f64 / 1e6);
        rows.push(vec![b.file.clone(), place, size, view.when(b.changed)]);
    }
    let scroll = ScrollArea::vertical()
        .id_salt("bundles")
        .max_height(room.height() * 0.55);
    let touched = (!bundles.is_empty())
        .then(|| {
            let table =
                |ui: &mut Ui| pieces::table(ui, &tokens, &[3.4, 2.4, 1.0, 1.2], &rows, Some(0));
            scroll.show(ui, table).inner
        })
        .flatten();
    if let Some(bundle) = touched.and_then(|i| bundles.get(i - 1)) {
        let meaning = view.texts.with("bundles.means", &[&bundle.file]);
        let ask = Ask::InstallModel {
            stick: bundle.stick.clone(),
            file: bundle.file.clone(),
            reason: String::new(),
        };
        confirm(view, ask, meaning);
        return false;
    }
    !button(ui, &tokens, view.texts.t("dialog.cancel")).clicked()
}
