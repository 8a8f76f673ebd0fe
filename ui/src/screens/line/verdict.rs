//! The last part: what became of it, and why.

use crate::pieces::{self, fitting};
use crate::view::View;
use eframe::egui::{Align2, Rect, Ui};
use sightline_domain::{Disposition, Evaluation, Health};
use sightline_wire::snapshot::PartCard;

/// Reasons shown, at most.
const SHOWN: usize = 3;

/// The word for a part: what the gate did is what matters to the line.
fn word(part: &PartCard) -> &'static str {
    match (part.disposition, part.evaluation) {
        (Disposition::Pass, _) => "line.pass",
        (Disposition::Reject, Evaluation::NotOK) => "line.fail",
        (Disposition::Reject, _) => "line.unsure",
    }
}

pub fn verdict(ui: &mut Ui, view: &View, rect: Rect) {
    let tokens = &view.tokens;
    let c = &tokens.colors;
    pieces::card(ui, tokens, rect);
    let Some(part) = view.snapshot.parts.first() else {
        let text = view.t("line.no_part");
        fitting(
            ui,
            rect.center(),
            Align2::CENTER_CENTER,
            &text,
            tokens.title(),
            c.weak,
            rect.width(),
        );
        return;
    };
    let (plate, rest) = pieces::split_top(rect, rect.height() * 0.46, 0.0);
    let color = match part.disposition {
        Disposition::Pass => c.pass,
        Disposition::Reject => pieces::verdict_color(tokens, part.evaluation),
    };
    ui.painter().rect_filled(plate, 2.0, color);
    let mut font = tokens.verdict();
    font.size = font.size.min(plate.height() * 0.8);
    let text = view.t(word(part));
    fitting(
        ui,
        plate.center(),
        Align2::CENTER_CENTER,
        &text,
        font,
        c.on_color,
        plate.width(),
    );
    pieces::inside(ui, tokens, rest, |ui| {
        ui.spacing_mut().item_spacing.y = tokens.mm(1.0);
        let name = part
            .part_id
            .clone()
            .unwrap_or_else(|| part.track.to_string());
        let took = view
            .texts
            .with("line.part", &[&name, &format!("{:.0}", part.took_ms)]);
        ui.label(took);
        for (i, text) in why(view, part).into_iter().take(SHOWN).enumerate() {
            // The first one is what the part is rejected for: from two metres.
            let font = match i {
                0 => tokens.number(),
                _ => tokens.title(),
            };
            pieces::matter(ui, tokens, &text.0, &text.1, font);
        }
    });
}

/// Why a part is not good: findings with their views, then missing and unfit views, then the gate's reason.
pub fn why(view: &View, part: &PartCard) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (place, finding) in part.causes() {
        let name = view.class(&finding.class).to_owned();
        all.push((
            name,
            format!("{} {:.0} %", place.view, finding.score * 100.0),
        ));
    }
    for place in &part.views {
        if let Some(missed) = place.missed {
            let text = view.t(&format!("missed.{}", format!("{missed:?}").to_lowercase()));
            all.push((text, place.view.clone()));
        }
        if let Some(health) = place.health.filter(|h| *h != Health::Ok) {
            let text = view.t(&format!("health.{}", format!("{health:?}").to_lowercase()));
            all.push((text, place.view.clone()));
        }
    }
    if all.is_empty() && part.disposition == Disposition::Reject {
        let reason = format!("{:?}", part.reason).to_lowercase();
        all.push((view.t(&format!("reject.{reason}")), String::new()));
    }
    all
}
