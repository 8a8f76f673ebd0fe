//! Screen 7, alarms after ISA-18.2: what stands, what to do about it, acknowledge, shelve, history.

use crate::dialogs::{self, Dialog};
use crate::pieces::{self, choice, fitting};
use crate::view::View;
use eframe::egui::{Align2, Rect, RichText, ScrollArea, Sense, Stroke, Ui, vec2};
use sightline_domain::AlarmId;
use sightline_wire::Ask;
use sightline_wire::snapshot::{AlarmCard, AlarmState};

/// For so long an alarm is put aside, if nothing else is chosen.
const SHELF_MINUTES: u32 = 30;

/// What an alarm is called, in the console's language; its id where this console does not know its kind.
pub fn title(view: &View, id: &str) -> String {
    let Ok(alarm) = id.parse::<AlarmId>() else {
        return id.to_owned();
    };
    let called = view.t(&format!("alarm.{}", alarm.kind().texts()));
    match alarm.subject() {
        Some(subject) => format!("{called} ({subject})"),
        None => called,
    }
}

/// What an alarm `means` or what to `do` about it, where this console knows its kind.
pub fn about(view: &View, id: &str, what: &str) -> Option<String> {
    let alarm = id.parse::<AlarmId>().ok()?;
    Some(view.t(&format!("alarm.{}_{what}", alarm.kind().texts())))
}

/// Draws it.
pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let gap = tokens.gap();
    let (tabs, list) = pieces::split_top(ui.max_rect(), tokens.touch() + gap, 0.0);
    pieces::inside(ui, &tokens, tabs.expand(gap), |ui| {
        ui.horizontal(|ui| {
            let (now, past) = (view.t("alarms.now"), view.t("alarms.history"));
            if choice(ui, &tokens, !view.chosen.history, &now).clicked() {
                view.chosen.history = false;
            }
            if choice(ui, &tokens, view.chosen.history, &past).clicked() {
                view.chosen.history = true;
                super::enter(view);
            }
        });
    });
    if view.chosen.history {
        pieces::section(ui, &tokens, list, "", |ui| history(ui, view));
        return;
    }
    let alarms = view.snapshot.alarms.clone();
    if alarms.is_empty() {
        pieces::card(ui, &tokens, list);
        let (text, c) = (view.t("frame.no_alarm"), tokens.colors);
        fitting(
            ui,
            list.center(),
            Align2::CENTER_CENTER,
            &text,
            tokens.title(),
            c.weak,
            list.width(),
        );
        return;
    }
    let builder = eframe::egui::UiBuilder::new().max_rect(list);
    ui.scope_builder(builder, |ui| {
        ScrollArea::vertical().id_salt("alarms").show(ui, |ui| {
            alarms.iter().for_each(|alarm| one(ui, view, alarm));
        });
    });
}

fn one(ui: &mut Ui, view: &mut View, alarm: &AlarmCard) {
    let tokens = view.tokens;
    let c = tokens.colors;
    let gap = tokens.gap();
    let size = vec2(ui.available_width(), tokens.mm(38.5));
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    pieces::card(ui, &tokens, rect);
    let sign = Rect::from_min_size(
        rect.min + vec2(gap, gap),
        vec2(tokens.mm(9.0), tokens.mm(9.0)),
    );
    pieces::severity_sign(ui, &tokens, sign, alarm.severity);
    let acts = tokens.mm(72.0);
    let mut words = rect.shrink(gap);
    words.min.x = sign.right() + gap;
    words.max.x -= acts;
    let state = match alarm.state {
        AlarmState::Unacknowledged => view.t("alarms.unacknowledged"),
        AlarmState::Acknowledged => view.t("alarms.seen"),
        AlarmState::Returned => view.t("alarms.returned"),
        AlarmState::Shelved { until } => view.texts.with("alarms.until", &[&View::clock(until)]),
    };
    let since = view
        .texts
        .with("alarms.since", &[&View::clock(alarm.since)]);
    let by = alarm.by.clone().unwrap_or_default();
    let [means, todo] = ["means", "do"].map(|what| about(view, &alarm.id, what));
    let (means, todo) = (means.unwrap_or_default(), todo.unwrap_or_default());
    let press = ui.interact(words, ui.scope_id().with(&alarm.id), Sense::click());
    if press.clicked() {
        let heads = ["alarms.is", "alarms.means", "alarms.todo", "alarms.said"].map(|k| view.t(k));
        let said = alarm.message.clone();
        let values = [state.clone(), means.clone(), todo.clone(), said];
        let title = (title(view, &alarm.id), since.clone());
        let facts = heads.into_iter().zip(values);
        view.dialog = Some(Dialog::Details([title].into_iter().chain(facts).collect()));
    }
    let lines = [
        (title(view, &alarm.id), tokens.title(), c.text),
        (format!("{state}  {since}  {by}"), tokens.small(), c.weak),
        (means, tokens.body(), c.text),
        (todo, tokens.body(), c.text),
    ];
    let step = tokens.mm(5.8);
    let count = lines.len() as f32;
    for (i, (text, font, color)) in lines.into_iter().enumerate() {
        let at = words.left_top() + vec2(0.0, step * (i as f32 + 0.5));
        let align = Align2::LEFT_CENTER;
        fitting(ui, at, align, &text, font, color, words.width());
    }
    // The station's own words are long: on as many lines as there is room for.
    words.min.y += step * count;
    pieces::wrapped(ui, words, &alarm.message, tokens.small(), c.weak);
    let mut right = rect;
    right.min.x = rect.right() - acts;
    buttons(ui, view, alarm, right);
}

fn buttons(ui: &mut Ui, view: &mut View, alarm: &AlarmCard, rect: Rect) {
    let tokens = view.tokens;
    pieces::inside(ui, &tokens, rect, |ui| {
        ui.horizontal_centered(|ui| {
            let unseen = matches!(
                alarm.state,
                AlarmState::Unacknowledged | AlarmState::Returned
            );
            if unseen
                && pieces::big_button(ui, &tokens, view.texts.t("alarms.acknowledge")).clicked()
            {
                let meaning = format!(
                    "{}\n{}",
                    title(view, &alarm.id),
                    view.t("alarms.acknowledge_means")
                );
                let ask = Ask::Acknowledge {
                    alarm: alarm.id.clone(),
                };
                dialogs::confirm(view, ask, meaning);
            }
            let shelved = matches!(alarm.state, AlarmState::Shelved { .. });
            let key = if shelved {
                "alarms.unshelve"
            } else {
                "alarms.shelve"
            };
            if pieces::button(ui, &tokens, view.texts.t(key)).clicked() {
                let name = alarm.id.clone();
                let (ask, meaning) = if shelved {
                    (
                        Ask::Unshelve { alarm: name },
                        view.t("alarms.unshelve_means"),
                    )
                } else {
                    let shelve = Ask::Shelve {
                        alarm: name,
                        minutes: SHELF_MINUTES,
                        reason: String::new(),
                    };
                    (shelve, view.t("alarms.shelve_means"))
                };
                let meaning = format!("{}\n{meaning}", title(view, &alarm.id));
                dialogs::confirm(view, ask, meaning);
            }
        });
    });
}

fn history(ui: &mut Ui, view: &View) {
    let tokens = &view.tokens;
    ScrollArea::vertical().id_salt("history").show(ui, |ui| {
        for alarm in &view.answers.alarm_history {
            let size = vec2(ui.available_width(), tokens.mm(9.0));
            let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
            let c = &tokens.colors;
            let side = tokens.mm(6.0);
            let sign =
                Rect::from_center_size(rect.left_center() + vec2(side, 0.0), vec2(side, side));
            pieces::severity_sign(ui, tokens, sign, alarm.severity);
            let what = format!("alarms.{}", format!("{:?}", alarm.what).to_lowercase());
            let mut left = rect.left_center() + vec2(side * 2.0 + tokens.gap(), 0.0);
            for (text, share) in [
                (view.when(alarm.at), 0.12),
                (title(view, &alarm.id), 0.4),
                (view.t(&what), 0.28),
                (alarm.by.clone().unwrap_or_default(), 0.12),
            ] {
                let width = rect.width() * share;
                fitting(
                    ui,
                    left,
                    Align2::LEFT_CENTER,
                    &text,
                    tokens.body(),
                    c.text,
                    width,
                );
                left.x += width;
            }
            let line = Stroke::new(1.0, c.line);
            ui.painter().hline(rect.x_range(), rect.bottom(), line);
        }
        if view.answers.alarm_history.is_empty() {
            let key = match view.snapshot.station.has_journal {
                true => "alarms.no_history",
                false => "frame.no_journal",
            };
            ui.label(RichText::new(view.t(key)).color(tokens.colors.weak));
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::texts::{Language, Texts};
    use sightline_domain::AlarmKind;

    #[test]
    fn every_alarm_says_what_it_is_what_it_means_and_what_to_do() {
        for texts in Language::ALL.map(Texts::new) {
            for kind in AlarmKind::ALL {
                for end in ["", "_means", "_do"] {
                    let key = format!("alarm.{}{end}", kind.texts());
                    assert!(texts.has(&key), "{key}");
                }
            }
        }
    }
}
