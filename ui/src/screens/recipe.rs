//! Screen 5, recipes: those there are, what would change, and the changeover between two parts.

use crate::dialogs;
use crate::pieces;
use crate::view::View;
use eframe::egui::{RichText, ScrollArea, Ui};
use sightline_wire::Ask;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let (left, right) = pieces::split_left(ui.max_rect(), ui.max_rect().width() * 0.5, gap);
    let (active, known) = pieces::split_top(left, left.height() * 0.42, gap);
    let recipes = view.snapshot.recipes.clone();
    let t = |key: &str| view.texts.t(key).to_owned();
    pieces::section(ui, &tokens, active, &t("recipe.active"), |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(0.6);
        let name = format!("{}  {}", recipes.active.external_id, recipes.active.version);
        pieces::fact(ui, &tokens, &t("recipe.name"), &name);
        pieces::fact(ui, &tokens, &t("recipe.file"), &recipes.active.file);
        pieces::fact(
            ui,
            &tokens,
            &t("recipe.generation"),
            &recipes.generation.to_string(),
        );
        let deadline = format!("{:.0} ms", recipes.deadline_ms);
        pieces::fact(ui, &tokens, &t("recipe.deadline"), &deadline);
        for (name, camera, model) in &recipes.views {
            pieces::fact(ui, &tokens, name, &format!("{camera}  {model}"));
        }
    });
    let mut rows = vec![vec![
        t("recipe.file"),
        t("recipe.name"),
        t("recipe.version"),
    ]];
    for card in &recipes.known {
        let name = match &card.problem {
            Some(_) => t("recipe.wrong"),
            None => card.external_id.clone(),
        };
        rows.push(vec![card.file.clone(), name, card.version.clone()]);
    }
    let at = |file: &str| recipes.known.iter().position(|k| k.file == file);
    let chosen = view
        .chosen
        .recipe
        .as_deref()
        .and_then(at)
        .map_or(0, |i| i + 1);
    let touched = pieces::section(ui, &tokens, known, &t("recipe.known"), |ui| {
        let scroll = ScrollArea::vertical().id_salt("recipes");
        let table = |ui: &mut Ui| pieces::table(ui, &tokens, &[3.0, 3.0, 1.2], &rows, Some(chosen));
        scroll.show(ui, table).inner
    });
    if let Some(card) = touched.and_then(|i| recipes.known.get(i - 1)) {
        view.chosen.recipe = Some(card.file.clone());
        view.answers.difference = None;
        view.asks.push(Ask::CompareRecipe {
            file: card.file.clone(),
        });
    }
    other(ui, view, right, chosen);
}

/// The chosen recipe against the active one.
fn other(ui: &mut Ui, view: &mut View, rect: eframe::egui::Rect, chosen: usize) {
    let tokens = view.tokens;
    let card = (chosen.checked_sub(1)).and_then(|i| view.snapshot.recipes.known.get(i).cloned());
    let title = view.t("recipe.difference");
    let pressed = pieces::section(ui, &tokens, rect, &title, |ui| {
        let Some(card) = &card else {
            ui.label(RichText::new(view.t("recipe.choose")).color(tokens.colors.weak));
            return false;
        };
        ui.label(format!("{}  {}", card.file, card.version));
        if let Some(problem) = &card.problem {
            ui.label(problem);
            return false;
        }
        let room = ui.available_height() - tokens.touch() - tokens.gap();
        let scroll = ScrollArea::vertical()
            .id_salt("difference")
            .max_height(room);
        scroll.auto_shrink([false, false]).show(ui, |ui| {
            let lines = view.answers.difference.clone().unwrap_or_default();
            if lines.is_empty() {
                ui.label(RichText::new(view.t("recipe.same")).color(tokens.colors.weak));
            }
            for (sign, line) in lines {
                ui.label(RichText::new(format!("{sign} {line}")).font(tokens.small()));
            }
        });
        pieces::button(ui, &tokens, view.texts.t("recipe.change")).clicked()
    });
    if let (Some(card), true) = (card, pressed) {
        let meaning = view
            .texts
            .with("recipe.change_means", &[&card.external_id, &card.version]);
        let ask = Ask::ChangeRecipe {
            file: card.file,
            reason: String::new(),
        };
        dialogs::confirm(view, ask, meaning);
    }
}
