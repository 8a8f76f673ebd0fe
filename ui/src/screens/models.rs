//! Screen 6, models: those that look, those that are installed with their figures; activate, roll back.

use crate::dialogs;
use crate::pieces::{self, Condition};
use crate::view::View;
use eframe::egui::{Rect, RichText, ScrollArea, Ui};
use sightline_wire::Ask;
use sightline_wire::snapshot::{InstallFacts, InstallState, ModelCard};

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let (left, right) = pieces::split_left(ui.max_rect(), ui.max_rect().width() * 0.5, gap);
    let (active, installed) = pieces::split_top(left, left.height() * 0.42, gap);
    looking(ui, view, active);
    let installed = match view.snapshot.install.clone() {
        None => installed,
        Some(going) => {
            let high = tokens.mm(34.0);
            let (list, strip) = pieces::split_top(installed, installed.height() - high, gap);
            installation(ui, view, strip, &going);
            list
        }
    };
    let models = view.snapshot.models.installed.clone();
    let t = |key: &str| view.texts.t(key).to_owned();
    let mut rows = vec![vec![
        t("models.name"),
        t("models.version"),
        t("models.task"),
    ]];
    for m in &models {
        let task = t(&format!("models.{}", m.task));
        rows.push(vec![m.name.clone(), m.version.clone(), task]);
    }
    let is_chosen = |m: &ModelCard| {
        let wanted = view.chosen.model.as_ref();
        wanted.is_some_and(|(name, version)| m.name == *name && m.version == *version)
    };
    let chosen = models.iter().position(is_chosen).map_or(0, |i| i + 1);
    let touched = pieces::section(ui, &tokens, installed, &t("models.installed"), |ui| {
        let scroll = ScrollArea::vertical().id_salt("models");
        let table = |ui: &mut Ui| pieces::table(ui, &tokens, &[3.0, 1.4, 1.6], &rows, Some(chosen));
        scroll.show(ui, table).inner
    });
    if let Some(card) = touched.and_then(|i| models.get(i - 1)) {
        view.chosen.model = Some((card.name.clone(), card.version.clone()));
    }
    let card = chosen.checked_sub(1).and_then(|i| models.get(i).cloned());
    one(ui, view, right, card);
}

fn looking(ui: &mut Ui, view: &mut View, rect: Rect) {
    let tokens = view.tokens;
    let models = view.snapshot.models.clone();
    let title = view.t("models.active");
    let pressed = pieces::section(ui, &tokens, rect, &title, |ui| {
        for m in &models.active {
            pieces::fact(ui, &tokens, &format!("{} {}", m.name, m.version), &m.engine);
            let digest = m.digest.get(..16).unwrap_or_default();
            pieces::fact(ui, &tokens, view.texts.t("models.digest"), digest);
        }
        if models.previous.is_empty() {
            ui.label(RichText::new(view.t("models.no_previous")).color(tokens.colors.weak));
            return false;
        }
        pieces::fact(
            ui,
            &tokens,
            view.texts.t("models.previous"),
            &models.previous.join(", "),
        );
        pieces::button(ui, &tokens, view.texts.t("models.roll_back")).clicked()
    });
    if pressed {
        let meaning = view
            .texts
            .with("models.roll_back_means", &[&models.previous.join(", ")]);
        let reason = String::new();
        dialogs::confirm(view, Ask::RollBackModel { reason }, meaning);
    }
}

/// The installation that goes on, or what became of the last one.
fn installation(ui: &mut Ui, view: &View, rect: Rect, going: &InstallFacts) {
    let tokens = view.tokens;
    let (key, condition) = match going.state {
        InstallState::Running => ("models.installing", Condition::Warning),
        InstallState::Done => ("models.install_done", Condition::Good),
        InstallState::Refused => ("models.install_refused", Condition::Bad),
    };
    pieces::section(ui, &tokens, rect, "", |ui| {
        let said = view.texts.with(key, &[&going.file, &going.took_s]);
        pieces::lamp(ui, &tokens, condition, &said);
        pieces::fact(ui, &tokens, view.texts.t("models.install_by"), &going.by);
        let words = RichText::new(&going.said).font(tokens.small());
        ui.label(words.color(tokens.colors.weak));
    });
}

fn one(ui: &mut Ui, view: &mut View, rect: Rect, card: Option<ModelCard>) {
    let tokens = view.tokens;
    let title = view.t("models.card");
    let pressed = pieces::section(ui, &tokens, rect, &title, |ui| {
        let Some(card) = &card else {
            ui.label(RichText::new(view.t("models.choose")).color(tokens.colors.weak));
            return false;
        };
        let room = ui.available_height() - tokens.touch() - tokens.gap();
        let scroll = ScrollArea::vertical().id_salt("card").max_height(room);
        scroll.auto_shrink([false, false]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = tokens.mm(0.8);
            pieces::fact(ui, &tokens, &card.name, &card.version);
            let names = card.classes.iter().map(|(en, _)| view.class(en).to_owned());
            let names = names.collect::<Vec<_>>().join(", ");
            ui.label(RichText::new(names).font(tokens.small()));
            for (name, value) in &card.metrics {
                pieces::fact(ui, &tokens, name, value);
            }
            ui.label(
                RichText::new(&card.license)
                    .font(tokens.small())
                    .color(tokens.colors.weak),
            );
        });
        pieces::button(ui, &tokens, view.texts.t("models.activate")).clicked()
    });
    if let (Some(card), true) = (card, pressed) {
        let meaning = view
            .texts
            .with("models.activate_means", &[&card.name, &card.version]);
        let ask = Ask::ActivateModel {
            name: card.name,
            version: card.version,
            reason: String::new(),
        };
        dialogs::confirm(view, ask, meaning);
    }
}
