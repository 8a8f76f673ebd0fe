//! Screen 6, models: those that look, those that are installed with their figures; activate, roll back.

use crate::dialogs::{self, Dialog};
use crate::pieces::{self, Condition};
use crate::view::View;
use eframe::egui::{Rect, RichText, ScrollArea, Sense, Ui};
use sightline_wire::Ask;
use sightline_wire::snapshot::{InstallFacts, InstallState, ModelCard, ModelFacts};

/// Letters of a figure's value beside its name, at most.
const ONE_LINE: usize = 24;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let (left, right) = pieces::split_left(ui.max_rect(), ui.max_rect().width() * 0.5, gap);
    let (active, installed) = pieces::split_top(left, left.height() * 0.36, gap);
    looking(ui, view, active);
    let installed = match view.snapshot.install.clone() {
        None => installed,
        Some(going) => {
            let high = tokens.mm(30.0);
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
    let can_install = view.snapshot.station.can_install;
    let section = pieces::section(ui, &tokens, installed, &t("models.installed"), |ui| {
        let below = if can_install {
            tokens.touch() + gap
        } else {
            0.0
        };
        let scroll = ScrollArea::vertical()
            .id_salt("models")
            .max_height(ui.available_height() - below)
            .auto_shrink([false, false]);
        let table = |ui: &mut Ui| pieces::table(ui, &tokens, &[3.0, 1.4, 1.6], &rows, Some(chosen));
        let touched = scroll.show(ui, table).inner;
        let install = can_install && pieces::button(ui, &tokens, &t("models.install")).clicked();
        (touched, install)
    });
    let (touched, install) = section;
    if install {
        dialogs::choose_bundle(view);
    }
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
        let scroll = ScrollArea::vertical().id_salt("active");
        scroll.show(ui, |ui| active(ui, view, &models)).inner
    });
    if pressed {
        let meaning = view
            .texts
            .with("models.roll_back_means", &[&models.previous.join(", ")]);
        let reason = String::new();
        dialogs::confirm(view, Ask::RollBackModel { reason }, meaning);
    }
}

/// True: back.
fn active(ui: &mut Ui, view: &View, models: &ModelFacts) -> bool {
    let tokens = view.tokens;
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
}

/// The installation that goes on, or what became of the last one; touched, in full.
fn installation(ui: &mut Ui, view: &mut View, rect: Rect, going: &InstallFacts) {
    let tokens = view.tokens;
    let (key, condition) = match going.state {
        InstallState::Running => ("models.installing", Condition::Going),
        InstallState::Done => ("models.install_done", Condition::Good),
        InstallState::Refused => ("models.install_refused", Condition::Bad),
    };
    let state = view.texts.with(key, &[&going.file, &going.took_s]);
    let said = step(view, &going.said);
    pieces::section(ui, &tokens, rect, "", |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(0.8);
        pieces::lamp(ui, &tokens, condition, &state);
        pieces::fact(ui, &tokens, view.texts.t("models.install_by"), &going.by);
        // The conclusion comes last.
        let scroll = ScrollArea::vertical().id_salt("said").auto_shrink(false);
        scroll.stick_to_bottom(true).show(ui, |ui| {
            let words = RichText::new(&said).font(tokens.small());
            ui.label(words.color(tokens.colors.text));
        });
    });
    let press = ui.interact(rect, ui.scope_id().with("installation"), Sense::click());
    if press.clicked() {
        let facts = [
            (state, said),
            (view.t("models.install_by"), going.by.clone()),
        ];
        view.dialog = Some(Dialog::Details(facts.to_vec()));
    }
}

/// The step of an installation in the console's language; the station's words where it is none.
fn step(view: &View, said: &str) -> String {
    let key = format!("step.{}", said.replace(' ', "_"));
    match view.texts.has(&key) {
        true => view.t(&key),
        false => said.to_owned(),
    }
}

/// Figures by what they were measured on; what does not fit on a line has lines of its own.
fn metrics(ui: &mut Ui, view: &View, metrics: &[(String, String)]) {
    let tokens = &view.tokens;
    let mut last = "";
    let split = |(name, value)| {
        let (of, figure) = str::rsplit_once(name, '.').unwrap_or(("", name));
        (of, figure, value)
    };
    let pairs = metrics.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let mut metrics: Vec<(&str, &str, &str)> = pairs.map(split).collect();
    metrics.sort_by_key(|m| m.0);
    for (of, figure, value) in metrics {
        if of != last {
            last = of;
            ui.add_space(tokens.mm(1.0));
            ui.label(of);
        }
        if value.len() <= ONE_LINE {
            pieces::fact(ui, tokens, figure, value);
        } else {
            let words = RichText::new(format!("{figure}: {value}")).font(tokens.small());
            ui.label(words.color(tokens.colors.weak));
        }
    }
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
            metrics(ui, view, &card.metrics);
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
